//! As much of Redis's protocol (RESP 2) as is needed here.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a connection that is waited on may take to be made, and to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Appends a command.
pub(super) fn write_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    // A Vec takes every write.
    let _ = write!(out, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(out, "${}\r\n", word.len());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Counts replies that are one line each, as they are to SET and GEOADD.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// What has come of a line whose end has not.
    begun: Vec<u8>,
}

impl Replies {
    /// How many end in what has come next.
    ///
    /// # Errors
    /// The reply, if one is an error.
    pub(super) fn count(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (mut used, mut count) = (0, 0);
        for end in memchr::memchr_iter(b'\n', bytes) {
            let first = self.begun.first().unwrap_or(&bytes[used]);
            if *first == b'-' {
                self.begun.extend_from_slice(&bytes[used..end]);
                return Err(io::Error::other(String::from_utf8_lossy(&self.begun).into_owned()));
            }
            self.begun.clear();
            (used, count) = (end + 1, count + 1);
        }
        self.begun.extend_from_slice(&bytes[used..]);
        Ok(count)
    }
}

/// A connection over which one question is asked at a time.
#[derive(Debug)]
pub(super) struct Questions {
    replies: BufReader<TcpStream>,
    command: Vec<u8>,
    /// Commands whose replies nobody has read.
    told: usize,
}

impl Questions {
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { replies: BufReader::new(stream), command: Vec::new(), told: 0 })
    }

    /// Asks, and waits for the reply: the line without its mark, or the text of a bulk string;
    /// nothing if there is no such key.
    pub(super) fn ask(&mut self, words: &[&[u8]]) -> io::Result<Vec<u8>> {
        self.settle()?;
        self.tell(words)?;
        self.told = 0;
        self.reply()
    }

    /// Sends a command whose reply is read later.
    pub(super) fn tell(&mut self, words: &[&[u8]]) -> io::Result<()> {
        self.command.clear();
        write_command(&mut self.command, words);
        self.told += 1;
        self.replies.get_mut().write_all(&self.command)
    }

    /// Reads the replies to all that was told; an error if one is.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        for _ in 0..std::mem::take(&mut self.told) {
            self.reply()?;
        }
        Ok(())
    }

    fn reply(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.replies.read_until(b'\n', &mut line)?;
        let text = line.strip_suffix(b"\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        match text.split_first() {
            Some((b'$', b"-1")) => Ok(Vec::new()),
            Some((b'$', length)) => self.bulk(length),
            Some((b'+' | b':', rest)) => Ok(rest.to_vec()),
            _ => Err(io::Error::other(String::from_utf8_lossy(text).into_owned())),
        }
    }

    fn bulk(&mut self, length: &[u8]) -> io::Result<Vec<u8>> {
        let length: Option<usize> = str::from_utf8(length).ok().and_then(|length| length.parse().ok());
        let mut text = vec![0; length.ok_or(io::ErrorKind::InvalidData)? + 2];
        self.replies.read_exact(&mut text)?;
        text.truncate(text.len() - 2);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        let mut out = Vec::new();
        write_command(&mut out, &[b"SET", b"a", b"1 2"]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\n1 2\r\n");
    }

    #[test]
    fn replies_are_counted_over_any_cuts() {
        let text = b"+OK\r\n:1\r\n:0\r\n+OK\r\n";
        for cut in 0..text.len() {
            let mut replies = Replies::default();
            let count = replies.count(&text[..cut]).unwrap() + replies.count(&text[cut..]).unwrap();
            assert_eq!(count, 4, "{cut}");
        }
        let mut replies = Replies::default();
        replies.count(b"+OK\r\n-ERR in").unwrap();
        assert_eq!(replies.count(b" it\r\n").unwrap_err().to_string(), "-ERR in it\r");
    }

    #[test]
    fn questions_have_replies_of_several_kinds() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for reply in ["+OK\r\n", "$5\r\na\r\nbc\r\n", "$-1\r\n", ":7\r\n", "-ERR no\r\n"] {
                let mut question = [0; 14];
                stream.read_exact(&mut question).unwrap();
                assert_eq!(&question, b"*1\r\n$4\r\nPING\r\n");
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        let mut questions = Questions::connect(address).unwrap();
        for expected in [&b"OK"[..], b"a\r\nbc", b"", b"7"] {
            assert_eq!(questions.ask(&[b"PING"]).unwrap(), expected);
        }
        assert_eq!(questions.ask(&[b"PING"]).unwrap_err().to_string(), "-ERR no");
        server.join().unwrap();
    }
}
