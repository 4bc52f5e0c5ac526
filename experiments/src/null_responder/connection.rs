//! A client's connection. It holds buffers only for what the other end has yet to send or take.

use std::io::{self, Read, Write};
use std::time::SystemTime;

use mio::net::TcpStream;

use super::answers::Answers;

/// The longest line that is waited for.
const LONGEST_LINE: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Answers that the socket had no room for. Until it has, nothing more is read.
    unsent: Vec<u8>,
}

impl Connection {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream, begun: Vec::new(), unsent: Vec::new() }
    }

    /// Answers what has come. `input` and `output` are lent for the time of the call.
    pub(super) fn serve(&mut self, answers: &mut Answers, input: &mut [u8], output: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let unsent = std::mem::take(&mut self.unsent);
            if !self.send(&unsent)? {
                return Ok(());
            }
            let count = match self.stream.read(input) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            output.clear();
            self.answer(&input[..count], answers, output)?;
            if !self.send(output)? || count < input.len() {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, bytes: &[u8], answers: &mut Answers, output: &mut Vec<u8>) -> io::Result<()> {
        // One look at the clock for all that has come together: it is when that was received.
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        if self.begun.is_empty() {
            let used = answers.answer(bytes, now, output);
            self.begun.extend_from_slice(&bytes[used..]);
        } else {
            self.begun.extend_from_slice(bytes);
            let used = answers.answer(&self.begun, now, output);
            self.begun = self.begun.split_off(used);
        }
        if self.begun.len() > LONGEST_LINE { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }

    /// Writes as much as the socket takes and keeps the rest. Returns whether there is none.
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = bytes.to_vec();
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
