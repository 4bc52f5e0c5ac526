//! A client with its connection.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::redis::protocol::Replies;

#[derive(Debug)]
pub(super) struct Client {
    id: Vec<u8>,
    stream: TcpStream,
    /// What the socket had no room for.
    unsent: Vec<u8>,
    replies: Replies,
    /// When the commands under way were due.
    due: VecDeque<u64>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr, number: usize) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            id: format!("c{number}.redis.load").into_bytes(),
            stream: TcpStream::from_std(stream),
            unsent: Vec::new(),
            replies: Replies::default(),
            due: VecDeque::new(),
        })
    }

    pub(super) const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Commands without a reply.
    pub(super) fn under_way(&self) -> usize {
        self.due.len()
    }

    /// Takes up a command, which `write` appends for an id. It is sent when it is flushed.
    pub(super) fn send(&mut self, due: u64, write: impl FnOnce(&mut Vec<u8>, &[u8])) {
        write(&mut self.unsent, &self.id);
        self.due.push_back(due);
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.unsent.len() {
            match self.stream.write(&self.unsent[sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent.drain(..sent);
        Ok(())
    }

    /// Reads once. Returns when the commands were due that are answered now, and whether there
    /// may be more to read.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<(Vec<u64>, bool)> {
        match self.stream.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                let answered = self.replies.count(&buffer[..count])?;
                if answered > self.due.len() {
                    return Err(io::Error::other("a reply came that nobody had asked for"));
                }
                Ok((self.due.drain(..answered).collect(), count == buffer.len()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok((Vec::new(), false)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok((Vec::new(), true)),
            Err(error) => Err(error),
        }
    }
}
