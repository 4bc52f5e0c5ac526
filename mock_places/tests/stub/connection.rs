//! A keep-alive HTTP/1.1 connection that can do just what tests of this stub need, cheaply.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A stub that does not answer for so long is broken.
const TIMEOUT: Duration = Duration::from_secs(30);
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
const READ_SIZE: usize = 64 * 1024;

/// A connection with at most one request under way.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was received of the current answer.
    received: Vec<u8>,
    /// Read into this; zeroed once.
    chunk: Box<[u8]>,
}

/// An answer as it came.
pub(crate) struct Answer<'received> {
    /// The status line and the headers.
    pub(crate) head: &'received str,
    /// What came after them.
    pub(crate) body: &'received [u8],
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, received: Vec::with_capacity(READ_SIZE), chunk: vec![0; READ_SIZE].into() })
    }

    /// Sends a GET for a path with its query.
    pub(crate) fn send(&mut self, target: &str) -> io::Result<()> {
        let request = format!("GET {target} HTTP/1.1\r\nhost: stub\r\naccept: */*\r\n\r\n");
        self.stream.write_all(request.as_bytes())
    }

    /// Waits for a whole answer, or for the end of the connection if that comes first.
    pub(crate) fn receive(&mut self) -> io::Result<Answer<'_>> {
        self.received.clear();
        let mut head_length = None;
        let mut whole_length = usize::MAX;
        while self.received.len() < whole_length && self.read()? {
            if head_length.is_none() {
                head_length = end_of_head(&self.received);
                if let Some(head) = head_length {
                    whole_length = head + announced_length(as_text(&self.received[..head])?);
                }
            }
        }
        let (head, body) = self.received.split_at(head_length.unwrap_or(0));
        Ok(Answer { head: as_text(head)?, body })
    }

    /// Whether more came; not at the end of the connection.
    fn read(&mut self) -> io::Result<bool> {
        let length = self.stream.read(&mut self.chunk)?;
        self.received.extend_from_slice(&self.chunk[..length]);
        Ok(length > 0)
    }
}

impl Answer<'_> {
    /// The status line's number; 0 where there is none.
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// The length that a head announces; 0 where it does not.
pub(crate) fn announced_length(head: &str) -> usize {
    header(head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A header's value.
pub(crate) fn header<'head>(head: &'head str, wanted: &str) -> Option<&'head str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
        .map(|(_, value)| value.trim())
}

fn end_of_head(received: &[u8]) -> Option<usize> {
    let position = received.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD)?;
    Some(position + END_OF_HEAD.len())
}

fn as_text(head: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(head).map_err(|_| io::Error::other("a head that is not text"))
}
