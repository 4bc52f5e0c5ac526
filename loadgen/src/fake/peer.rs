//! A client's connection as a fake server sees it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Instant;

use mio::net::TcpStream;

use super::Tally;
use super::answer::Speaker;
use crate::measure::nanos;

/// The longest line that is read; who sends a longer one is cut off.
const LONGEST_LINE: usize = 64 << 10;

/// A reply that is to be written.
#[derive(Debug)]
pub(super) struct Pending {
    /// When its command was read.
    pub(super) read: Instant,
    /// When it may be written.
    pub(super) due: Instant,
    pub(super) text: String,
    /// Replies in it.
    pub(super) replies: u64,
}

/// A connection and what is to be written to it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) speaker: Speaker,
    input: Vec<u8>,
    output: Vec<u8>,
    /// In the order of the commands.
    pending: VecDeque<Pending>,
    /// Nothing is said any more behind what is pending.
    hangs_up: bool,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        let (speaker, input, output, pending) = Default::default();
        Self { stream, speaker, input, output, pending, hangs_up: false }
    }

    /// Reads what is there; `None` if that is nothing yet.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let read = loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(count) if self.input.len() + count > LONGEST_LINE + buffer.len() => {
                Err(io::ErrorKind::InvalidData.into())
            }
            Ok(count) => {
                self.input.extend_from_slice(&buffer[..count]);
                Ok(Some(count))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next whole line of what was read, without its LF.
    pub(super) fn take_line(&mut self) -> Option<String> {
        let end = memchr::memchr(b'\n', &self.input)?;
        let line = String::from_utf8_lossy(&self.input[..end]).into_owned();
        self.input.drain(..=end);
        Some(line)
    }

    /// Puts a reply behind the others, which it does not overtake. Returns when it is due.
    pub(super) fn push(&mut self, mut pending: Pending) -> Instant {
        pending.due = self.pending.back().map_or(pending.due, |last| last.due.max(pending.due));
        let due = pending.due;
        self.pending.push_back(pending);
        due
    }

    /// Closes its own direction once all is said. What the other side says is still read, so that
    /// no reply is lost on its way: to close with bytes unread would take back what is under way.
    pub(super) fn hang_up(&mut self) {
        self.hangs_up = true;
    }

    /// Writes what is due, as far as the socket takes it.
    pub(super) fn write(&mut self, now: Instant, tally: &mut Tally) -> io::Result<()> {
        while let Some(pending) = self.pending.pop_front_if(|front| front.due <= now) {
            // Before it is written: afterwards it may have been read already.
            tally.delays.saturating_record(nanos(pending.read.elapsed()));
            tally.replies += pending.replies;
            self.output.extend_from_slice(pending.text.as_bytes());
        }
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if self.hangs_up && self.pending.is_empty() {
            self.hangs_up = false;
            self.stream.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }
}
