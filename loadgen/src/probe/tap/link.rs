//! A link with one server: dialled, greeted, kept alive, and dialled again when it breaks.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::SILENCE;
use super::lines::{Endless, Lines};
use super::opening::{NoLink, answer, hello};

/// How often the tap says that it lives.
const KEEPALIVE: Duration = Duration::from_secs(1);
/// The pause before a link that broke is dialled again.
const REDIAL: Duration = Duration::from_millis(200);
/// The longest pause where the server does not want the tap.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// What was counted of one link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// AT lines received, also of what the server knew when the tap joined.
    pub lines: u64,
    /// Times the link has formed again.
    pub reconnects: u64,
    /// How long there was none since it first formed.
    pub away: Duration,
}

/// A link, whether it is up or not.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) server: String,
    pub(super) address: SocketAddr,
    /// Who the tap is.
    name: String,
    connection: Option<Connection>,
    /// When it is dialled next, if there is no connection.
    dial_at: Instant,
    /// Refusals in a row.
    refusals: u32,
    /// Since when it is not up; `None` before it first was.
    away_since: Option<Instant>,
    counts: LinkCounts,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    /// What has come of the answer to HELLO; `None` once the link is up.
    answer: Option<Vec<u8>>,
    lines: Lines,
    /// When something last came.
    heard: Instant,
    /// When something was last said.
    said: Instant,
}

impl Link {
    /// A link that is to be dialled.
    pub(super) fn new(server: String, address: SocketAddr, name: String) -> Self {
        let (connection, away_since, counts) = Default::default();
        Self { server, address, name, connection, dial_at: Instant::now(), refusals: 0, away_since, counts }
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.answer.is_none())
    }

    /// What was counted up to now.
    pub(super) fn counts(&self) -> LinkCounts {
        let away = self.away_since.filter(|_| !self.is_up()).map_or(Duration::ZERO, |since| since.elapsed());
        LinkCounts { away: self.counts.away + away, ..self.counts }
    }

    /// Does what is due: dials, says that the tap lives, and gives up who is silent.
    pub(super) fn tick(&mut self, registry: &Registry, token: Token) -> Result<(), NoLink> {
        let now = Instant::now();
        let Some(connection) = &mut self.connection else {
            if self.dial_at <= now {
                self.connection = Some(Connection::open(self.address, hello(&self.name), registry, token)?);
            }
            return Ok(());
        };
        if now.duration_since(connection.heard) >= SILENCE {
            return Err(NoLink::Silent);
        }
        if connection.answer.is_none() && now.duration_since(connection.said) >= KEEPALIVE {
            connection.said = now;
            // What the server has not even read yet need not be said again.
            if connection.output.is_empty() {
                connection.output.extend_from_slice(b"PING\n");
            }
        }
        connection.flush()
    }

    /// Writes what waits, as far as the server takes it.
    pub(super) fn flush(&mut self) -> Result<(), NoLink> {
        self.connection.as_mut().map_or(Ok(()), Connection::flush)
    }

    /// Reads what is there; 0 bytes if that is nothing.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, NoLink> {
        let Some(connection) = &mut self.connection else { return Ok(0) };
        loop {
            match connection.stream.read(buffer) {
                Ok(0) => return Err(NoLink::Closed),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes in what was read: the answer to HELLO, then AT lines, each of which is handed over.
    pub(super) fn take_in(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), NoLink> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.heard = Instant::now();
        if let Some(said) = &mut connection.answer {
            let before = said.len();
            said.extend_from_slice(bytes);
            let Some(length) = answer(said, &self.server, &self.name)? else { return Ok(()) };
            bytes = &bytes[length - before..];
            connection.answer = None;
            self.refusals = 0;
            if let Some(since) = self.away_since.take() {
                self.counts.away += since.elapsed();
                self.counts.reconnects += 1;
            }
        }
        let lines = &mut self.counts.lines;
        let cut = connection.lines.cut(bytes, |line| {
            if line.starts_with(b"AT ") {
                *lines += 1;
                each(line);
            }
        });
        cut.map_err(|Endless| NoLink::Endless)
    }

    /// Ends the connection. It is dialled again after a pause, a longer one each time if the
    /// server does not want the tap.
    pub(super) fn end(&mut self, why: &NoLink) {
        let now = Instant::now();
        if self.is_up() {
            self.away_since = Some(now);
        }
        self.connection = None;
        self.refusals = if why.is_refusal() { self.refusals + 1 } else { 0 };
        self.dial_at = now + REDIAL.saturating_mul(1 << self.refusals.min(16)).min(LONGEST_BACK_OFF);
    }
}

impl Connection {
    /// Begins to connect; HELLO waits until that is done.
    fn open(address: SocketAddr, hello: Vec<u8>, registry: &Registry, token: Token) -> Result<Self, NoLink> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let now = Instant::now();
        let lines = Lines::default();
        Ok(Self { stream, output: hello, answer: Some(Vec::new()), lines, heard: now, said: now })
    }

    fn flush(&mut self) -> Result<(), NoLink> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error.into());
        }
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_not_yet(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The socket is not ready, or not connected yet.
fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}
