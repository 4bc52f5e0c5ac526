//! A connection to a server: bytes out, replies in, in the order of the commands.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use crate::wire::{Shape, reply_length};

/// A command that was sent, or is about to be, and what its reply is expected to be.
#[derive(Debug)]
pub(crate) struct Expected<T> {
    /// When the command was due, by the run's clock.
    pub(crate) due: u64,
    /// When it was written; [`UNWRITTEN`] until that is tried.
    written: u64,
    /// How its reply ends.
    pub(crate) shape: Shape,
    /// What it was.
    pub(crate) command: T,
}

/// Longer than any run.
const UNWRITTEN: u64 = u64::MAX;

impl<T> Expected<T> {
    /// When the command was written, if that was tried.
    pub(crate) fn written(&self) -> Option<u64> {
        Some(self.written).filter(|&written| written != UNWRITTEN)
    }
}

/// A connection and what is under way on it. It holds buffers only while bytes are under way; an
/// owner of many lends them one.
#[derive(Debug)]
pub(crate) struct Connection<T> {
    stream: TcpStream,
    output: Vec<u8>,
    input: Vec<u8>,
    /// Bytes of `input` that hold no end of a reply.
    searched: usize,
    expected: VecDeque<Expected<T>>,
}

impl<T> Connection<T> {
    /// Begins to connect, from a given address or any. Until that is done, what is sent waits.
    pub(crate) fn open(
        address: SocketAddr,
        source: Option<IpAddr>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let mut stream = match source {
            None => TcpStream::connect(address)?,
            Some(source) => connect_from(source, address)?,
        };
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, output: Vec::new(), input: Vec::new(), searched: 0, expected: VecDeque::new() })
    }

    /// Whether the connection stands; an error if it failed.
    pub(crate) fn is_open(&self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Commands without a reply so far.
    pub(crate) fn in_flight(&self) -> usize {
        self.expected.len()
    }

    /// The command that has been without a reply longest.
    pub(crate) fn oldest(&self) -> Option<&Expected<T>> {
        self.expected.front()
    }

    /// Ends the connection and returns what had no reply.
    pub(crate) fn give_up(self) -> VecDeque<Expected<T>> {
        self.expected
    }

    /// Takes an empty buffer for what is sent next, unless there is one in use.
    pub(crate) fn borrow(&mut self, buffer: &mut Vec<u8>) {
        if self.output.is_empty() {
            self.output = std::mem::take(buffer);
        }
    }

    /// Gives the buffer back if nothing in it waits.
    pub(crate) fn give_back(&mut self, buffer: &mut Vec<u8>) {
        if self.output.is_empty() {
            // The smaller one goes: it is one that was made while another connection had this.
            let returned = std::mem::take(&mut self.output);
            if returned.capacity() > buffer.capacity() {
                *buffer = returned;
            }
        }
    }

    /// Puts a command behind the others; `write` appends its bytes.
    pub(crate) fn send(&mut self, due: u64, shape: Shape, command: T, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.output);
        self.expected.push_back(Expected { due, written: UNWRITTEN, shape, command });
    }

    /// Writes what waits, as far as the socket takes it. A command counts as written when that is
    /// tried for the first time: if the socket is full, it is the server that is slow.
    pub(crate) fn flush(&mut self, now: impl FnOnce() -> u64) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let now = now();
        for expected in self.expected.iter_mut().rev().take_while(|expected| expected.written == UNWRITTEN) {
            expected.written = now;
        }
        let mut written = 0;
        while written < self.output.len() {
            match self.stream.write(&self.output[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if written == self.output.len() {
            self.output.clear();
        } else {
            self.output.drain(..written);
        }
        Ok(())
    }

    /// Reads what is there into `buffer` and hands over every reply that is whole. Returns
    /// whether there may be more to read.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut each: impl FnMut(Expected<T>, &[u8]),
    ) -> Result<bool, ReadError> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(ReadError::Closed),
            Ok(count) => count,
            Err(error) if is_not_yet(&error) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(_) => return Err(ReadError::Io),
        };
        let more = count == buffer.len();
        if self.input.is_empty() {
            let used = self.take_replies(&buffer[..count], &mut each)?;
            self.input.extend_from_slice(&buffer[used..count]);
        } else {
            self.input.extend_from_slice(&buffer[..count]);
            let input = std::mem::take(&mut self.input);
            let used = self.take_replies(&input, &mut each)?;
            self.input.extend_from_slice(&input[used..]);
        }
        self.searched = self.input.len();
        Ok(more)
    }

    /// Hands over the replies at the front of `bytes` and returns how long they are.
    fn take_replies(&mut self, bytes: &[u8], each: &mut impl FnMut(Expected<T>, &[u8])) -> Result<usize, ReadError> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            let Some(expected) = self.expected.front() else {
                return Err(ReadError::Unexpected(rest[..rest.len().min(200)].to_vec()));
            };
            let searched = std::mem::take(&mut self.searched);
            let Some(length) = reply_length(rest, searched, expected.shape) else { break };
            if let Some(expected) = self.expected.pop_front() {
                each(expected, &rest[..length]);
            }
            used += length;
        }
        Ok(used)
    }
}

/// Begins to connect from a given address, and any port of it.
fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddr::new(source, 0))?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from_std(socket.into())),
        Err(error) => Err(error.into()),
    }
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The server closed the connection.
    Closed,
    /// The connection broke.
    Io,
    /// Bytes came that no command asked for.
    Unexpected(Vec<u8>),
}

/// The socket is not ready, or not connected yet.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_connection_comes_from_the_address_that_it_is_given() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let poll = mio::Poll::new().unwrap();
        let source = IpAddr::from([127, 9, 8, 7]);
        let address = listener.local_addr().unwrap();
        let connection = Connection::<()>::open(address, Some(source), poll.registry(), Token(0)).unwrap();
        let (_stream, peer) = listener.accept().unwrap();
        assert_eq!((peer.ip(), peer), (source, connection.stream.local_addr().unwrap()));
    }
}
