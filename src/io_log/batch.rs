//! Lines of the log, formatted: `TIME WHO DIRECTION BYTES`.

use std::fmt::Display;
use std::io::Write;
use std::time::SystemTime;

use super::IoLog;
use crate::protocol::time::UnixTime;

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the other side to us.
    Read,
    /// From us to the other side.
    Written,
}

impl Direction {
    const fn sign(self) -> u8 {
        match self {
            Self::Read => b'<',
            Self::Written => b'>',
        }
    }
}

/// Lines of the log that were formatted and not yet handed over; its memory is used again.
#[derive(Debug, Default)]
pub struct Batch {
    lines: Vec<u8>,
    count: u64,
    /// The time of all lines of the batch.
    now: UnixTime,
    time: TimeText,
    enabled: bool,
    bodies: bool,
}

impl Batch {
    /// Starts a batch for a log: the lines that follow happened `now`.
    pub fn begin(&mut self, log: &IoLog, now: UnixTime) {
        self.enabled = log.is_enabled();
        self.bodies = log.bodies;
        self.now = now;
    }

    /// Adds a line that was read or written, without its LF.
    pub fn line(&mut self, who: &str, direction: Direction, bytes: &[u8]) {
        if self.enabled {
            self.start_line(who, direction.sign());
            write_escaped(&mut self.lines, bytes);
            self.end_line();
        }
    }

    /// Adds lines that were read or written, each with its LF.
    pub fn lines(&mut self, who: &str, direction: Direction, lines: &[u8]) {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            self.line(who, direction, line.strip_suffix(b"\n").unwrap_or(line));
        }
    }

    /// Adds a Places body that was written: its size, or all of it if the log keeps bodies.
    pub fn body(&mut self, who: &str, body: &[u8]) {
        if self.enabled {
            self.start_line(who, Direction::Written.sign());
            if self.bodies {
                write_escaped(&mut self.lines, body);
            } else {
                self.text(format_args!("[{} bytes from Places]", body.len()));
            }
            self.end_line();
        }
    }

    /// Adds a notice about a connection.
    pub fn notice(&mut self, who: &str, what: impl Display) {
        if self.enabled {
            self.start_line(who, b'*');
            self.text(what);
            self.end_line();
        }
    }

    /// The lines so far and their number.
    pub(super) fn contents(&self) -> (&[u8], u64) {
        (&self.lines, self.count)
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.count = 0;
    }

    fn start_line(&mut self, who: &str, sign: u8) {
        self.lines.extend_from_slice(self.time.of(self.now));
        self.lines.push(b' ');
        self.lines.extend_from_slice(who.as_bytes());
        self.lines.extend_from_slice(&[b' ', sign, b' ']);
    }

    fn text(&mut self, text: impl Display) {
        write!(self.lines, "{text}").expect("a Vec takes every write");
    }

    fn end_line(&mut self) {
        self.lines.push(b'\n');
        self.count += 1;
    }
}

/// The time that was written last, as text: most lines have it in common with the line before, and
/// nearly all of the others the second.
#[derive(Debug, Default)]
struct TimeText {
    time: Option<UnixTime>,
    text: Vec<u8>,
}

impl TimeText {
    const MICROS: usize = 6;

    /// A time by RFC 3339, with microseconds.
    fn of(&mut self, time: UnixTime) -> &[u8] {
        if self.time != Some(time) {
            let span = time.since_epoch();
            if self.time.is_none_or(|before| before.since_epoch().as_secs() != span.as_secs()) {
                self.text.clear();
                let second = humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + span);
                write!(self.text, "{second}").expect("a Vec takes every write");
            }
            self.write_micros(span.subsec_micros());
            self.time = Some(time);
        }
        &self.text
    }

    fn write_micros(&mut self, mut micros: u32) {
        let end = self.text.len() - b"Z".len();
        for digit in self.text[end - Self::MICROS..end].iter_mut().rev() {
            *digit = b"0123456789"[micros as usize % 10];
            micros /= 10;
        }
    }
}

/// The line that says that lines are missing before it.
pub(super) fn notice_of_loss(lines: u64) -> Vec<u8> {
    let now = humantime::format_rfc3339_micros(SystemTime::now());
    format!("{now} log * {lines} lines dropped: they could not be written in time\n").into_bytes()
}

/// Bytes outside printable ASCII become `\xHH`, a backslash two.
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    // Without a branch per byte, many are looked at in one instruction.
    if bytes.iter().fold(true, |all, &byte| all & is_plain(byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            plain if is_plain(plain) => out.push(plain),
            other => write!(out, "\\x{other:02x}").expect("a Vec takes every write"),
        }
    }
}

const fn is_plain(byte: u8) -> bool {
    (byte.wrapping_sub(b' ') <= b'~' - b' ') & (byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_outside_printable_ascii_are_escaped_and_nothing_else() {
        let mut out = Vec::new();
        write_escaped(&mut out, b"a \"'~\\\t\x00\x7f\xff");
        assert_eq!(String::from_utf8(out).unwrap(), r#"a "'~\\\x09\x00\x7f\xff"#);
    }

    #[test]
    fn times_are_written_as_from_the_start_whatever_was_written_before() {
        let mut text = TimeText::default();
        for (seconds, nanos, expected) in [
            (1_621_464_827, 123_456_789, "2021-05-19T22:53:47.123456Z"),
            (1_621_464_827, 7_999, "2021-05-19T22:53:47.000007Z"),
            (1_621_464_827, 7_999, "2021-05-19T22:53:47.000007Z"),
            (1_621_464_828, 999_999_999, "2021-05-19T22:53:48.999999Z"),
            (0, 0, "1970-01-01T00:00:00.000000Z"),
        ] {
            let time = UnixTime::new(std::time::Duration::new(seconds, nanos));
            assert_eq!(String::from_utf8_lossy(text.of(time)), expected);
        }
    }

    #[test]
    fn a_body_is_logged_by_its_size_unless_asked_for() {
        let mut batch = Batch { enabled: true, ..Batch::default() };
        batch.body("c7", b"{\n}");
        batch.bodies = true;
        batch.body("c7", b"{\n}");
        let expected =
            "1970-01-01T00:00:00.000000Z c7 > [3 bytes from Places]\n1970-01-01T00:00:00.000000Z c7 > {\\x0a}\n";
        assert_eq!(batch.contents(), (expected.as_bytes(), 2));
    }
}
