//! What servers say to each other besides AT lines. PROTOCOL.md is the text for people.

use super::text::{Fields, Name, is_white_space};

/// The first word of HELLO's operands: the protocol and its version.
pub const VERSION: &[u8] = b"herd/1";
/// Bytes of a first line, at most; a stranger gets no more room than that.
pub const MAX_HELLO: usize = 1024;
/// The longest line that every server reads from a neighbour, whatever its own limit, in bytes
/// without LF: lines of [`SYNC`] may be that long.
pub const MIN_LINE: usize = 64 << 10;
/// Sent when nothing else was for a while, so that the other side knows that we live.
pub const PING: &[u8] = b"PING\n";
/// Sent once after a link has formed, behind everything that was known when it did, to a
/// neighbour without the capability [`CAPABILITY`].
pub const DONE: &[u8] = b"DONE\n";
/// The capability to bring two stores together by what differs.
pub const CAPABILITY: &[u8] = b"sync";
/// The first word of the lines that do so, see [`super::sync`].
pub const SYNC: &[u8] = b"SYNC";

/// A line from a neighbour that has said HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerLine<'a> {
    /// Begins with `AT`: an update, if the rest of it is right.
    At(&'a [u8]),
    /// A keep-alive.
    Ping,
    /// All that the neighbour knew when the link formed has been sent.
    Done,
    /// Begins with `SYNC`: part of bringing two stores together.
    Sync(&'a [u8]),
    /// A kind of line that we do not know, to be ignored and counted.
    Unknown,
}

impl<'a> PeerLine<'a> {
    /// The kind of a line, by its first word.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Self {
        let end = line.iter().position(|&byte| is_white_space(byte)).unwrap_or(line.len());
        match &line[..end] {
            b"AT" => Self::At(line),
            b"PING" => Self::Ping,
            b"DONE" => Self::Done,
            SYNC => Self::Sync(line),
            _ => Self::Unknown,
        }
    }
}

/// `HELLO herd/1 <name> <capability>…`. Capabilities that are not known are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Who speaks.
    pub name: Name,
    /// Whether they have the capability [`CAPABILITY`].
    pub sync: bool,
}

/// Why a first line does not open a link. Its text goes to the other side behind `REFUSED`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// The first word is not HELLO.
    #[error("this is a port for servers: the first line must be HELLO herd/1 NAME")]
    NotHello,
    /// HELLO of another version.
    #[error("protocol {0} is not spoken here, only herd/1")]
    Version(String),
    /// It is longer than [`MAX_HELLO`].
    #[error("HELLO may be {MAX_HELLO} bytes long")]
    TooLong,
    /// No valid name follows.
    #[error("HELLO needs a name of 1 to 63 letters, digits, dots, underscores and dashes")]
    Name,
    /// The other side refused us, and this is what it said.
    #[error("refused: {0}")]
    Refused(String),
}

impl Hello {
    /// Appends the line of a server that has all capabilities, LF included.
    pub fn write(name: &Name, out: &mut Vec<u8>) {
        for part in [b"HELLO ", VERSION, b" ", name.as_bytes(), b" ", CAPABILITY, b"\n"] {
            out.extend_from_slice(part);
        }
    }

    /// Reads a first line, without its LF.
    ///
    /// # Errors
    /// Why it does not open a link.
    pub fn parse(line: &[u8]) -> Result<Self, HelloError> {
        let mut fields = Fields::new(line);
        match fields.next() {
            Some(b"HELLO") => {}
            Some(b"REFUSED") => return Err(HelloError::Refused(printable(line.trim_ascii()))),
            _ => return Err(HelloError::NotHello),
        }
        let version = fields.next().unwrap_or_default();
        if version != VERSION {
            return Err(HelloError::Version(printable(version)));
        }
        let name = fields.next().and_then(|name| std::str::from_utf8(name).ok());
        let name = name.and_then(Name::new).ok_or(HelloError::Name)?;
        Ok(Self { name, sync: fields.any(|capability| capability == CAPABILITY) })
    }
}

/// Appends the line that turns a stranger away, LF included.
pub fn write_refused(reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"REFUSED ");
    out.extend_from_slice(reason.as_bytes());
    out.push(b'\n');
}

fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_is_read_as_it_is_written() {
        let mut line = Vec::new();
        let name = Name::new("Clark").unwrap();
        Hello::write(&name, &mut line);
        assert_eq!(line, b"HELLO herd/1 Clark sync\n");
        assert_eq!(Hello::parse(line.trim_ascii_end()), Ok(Hello { name, sync: true }));
    }

    #[test]
    fn capabilities_that_are_not_known_are_ignored() {
        let sync = |line: &[u8]| Hello::parse(line).unwrap().sync;
        assert!(sync(b"HELLO herd/1 Clark zstd=9 sync") && !sync(b"HELLO herd/1 Clark zstd=9 sync2"));
    }

    #[test]
    fn first_lines_that_open_no_link() {
        for (line, expected) in [
            (&b""[..], HelloError::NotHello),
            (b"IAMAT a +0+0 1", HelloError::NotHello),
            (b"AT Clark +0.000000000 a +0+0 1", HelloError::NotHello),
            (b"HELLO", HelloError::Version(String::new())),
            (b"HELLO herd/2 Clark", HelloError::Version("herd/2".into())),
            (b"HELLO herd/1", HelloError::Name),
            (b"HELLO herd/1 Cl\xffark", HelloError::Name),
            (b"REFUSED who are you?", HelloError::Refused("REFUSED who are you?".into())),
        ] {
            assert_eq!(Hello::parse(line), Err(expected));
        }
    }

    #[test]
    fn kinds_of_line_by_their_first_word() {
        for (line, expected) in [
            (&b"AT x"[..], PeerLine::At(b"AT x")),
            (b"PING", PeerLine::Ping),
            (b"PING 1\r", PeerLine::Ping),
            (b"DONE", PeerLine::Done),
            (b"SYNC STEP 1", PeerLine::Sync(b"SYNC STEP 1")),
            (b"ATX", PeerLine::Unknown),
            (b"", PeerLine::Unknown),
            (b"BUCKETS 1", PeerLine::Unknown),
        ] {
            assert_eq!(PeerLine::parse(line), expected);
        }
    }
}
