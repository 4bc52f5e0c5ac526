//! Commands as bytes, and replies cut out of a stream. Written independently of the server, so
//! that a mistake there does not find its twin here.

use crate::digits::digits;
use crate::movement::Position;

/// Appends `IAMAT id place stamp` and LF; the stamp is in nanoseconds since the epoch.
pub fn write_iamat(out: &mut Vec<u8>, id: &[u8], position: Position, stamp: u64) {
    out.extend_from_slice(b"IAMAT ");
    write_operands(out, id, position, stamp);
    out.push(b'\n');
}

/// Appends the operands of an IAMAT, which are also the end of its reply.
pub fn write_operands(out: &mut Vec<u8>, id: &[u8], position: Position, stamp: u64) {
    out.extend_from_slice(id);
    let mut text = [b' '; 43];
    text[1..22].copy_from_slice(&position.text());
    text[23..].copy_from_slice(&stamp_text(stamp));
    out.extend_from_slice(&text);
}

/// Appends `WHATSAT id radius bound` and LF.
pub fn write_whatsat(out: &mut Vec<u8>, id: &[u8], radius: u64, bound: usize) {
    out.extend_from_slice(b"WHATSAT ");
    out.extend_from_slice(id);
    out.extend_from_slice(format!(" {radius} {bound}\n").as_bytes());
}

/// A time stamp as seconds with nine decimals. They have ten digits until the year 2286.
fn stamp_text(stamp: u64) -> [u8; 20] {
    let (seconds, nanos) = (stamp / 1_000_000_000, stamp % 1_000_000_000);
    assert!(seconds < 10_000_000_000, "a time stamp is far in the future");
    let mut text = [b'.'; 20];
    text[..10].copy_from_slice(&digits::<10>(seconds));
    text[11..].copy_from_slice(&digits::<9>(nanos));
    text
}

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// With its line.
    Line,
    /// Behind a JSON body, with two newlines; unless it begins with `? `.
    LineAndBody,
}

/// The length of the first reply in `bytes`, its last newline included, if it is all there.
/// `searched` bytes were looked at before.
#[must_use]
pub fn reply_length(bytes: &[u8], searched: usize, shape: Shape) -> Option<usize> {
    if shape == Shape::Line || bytes.starts_with(b"? ") {
        return memchr::memchr(b'\n', &bytes[searched..]).map(|end| searched + end + 1);
    }
    let from = searched.saturating_sub(1);
    memchr::memmem::find(&bytes[from..], b"\n\n").map(|end| from + end + 2)
}

/// The fields of an AT line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtFields<'a> {
    /// The server that was told.
    pub server: &'a [u8],
    /// When it was told, less when the client says it sent that; in nanoseconds.
    pub difference: i64,
    /// `id place stamp`.
    pub operands: &'a [u8],
    /// The client.
    pub id: &'a [u8],
    /// In nanoseconds since the epoch.
    pub stamp: u64,
}

/// Reads an AT line as this program's own commands make a right server write it: stamps have
/// nine decimals here.
#[must_use]
pub fn parse_at(line: &[u8]) -> Option<AtFields<'_>> {
    let rest = line.strip_prefix(b"AT ")?;
    let (server, rest) = split(rest)?;
    let (difference, operands) = split(rest)?;
    let (id, rest) = split(operands)?;
    let (_, stamp) = split(rest)?;
    Some(AtFields { server, difference: signed(difference)?, operands, id, stamp: fixed_point(stamp)? })
}

/// The difference in a reply that is an AT line, with its LF, of the given server and with the
/// given operands; `None` if it is anything else. What is as expected need not be taken apart.
#[must_use]
pub fn difference_of(reply: &[u8], server: &[u8], operands: &[u8]) -> Option<i64> {
    let rest = reply.strip_prefix(b"AT ")?.strip_prefix(server)?.strip_prefix(b" ")?;
    signed(rest.strip_suffix(b"\n")?.strip_suffix(operands)?.strip_suffix(b" ")?)
}

/// A difference: a decimal with a sign, which zero has, too.
fn signed(text: &[u8]) -> Option<i64> {
    let (sign, magnitude) = text.split_first()?;
    let magnitude = i64::try_from(fixed_point(magnitude)?).ok()?;
    match sign {
        b'+' => Some(magnitude),
        b'-' if magnitude > 0 => Some(-magnitude),
        _ => None,
    }
}

/// Splits at the first space.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memchr(b' ', text)?;
    Some((&text[..space], &text[space + 1..]))
}

/// A decimal with exactly nine digits behind its point, in units of the last one.
fn fixed_point(text: &[u8]) -> Option<u64> {
    let point = text.len().checked_sub(10)?;
    if point == 0 || text[point] != b'.' {
        return None;
    }
    number(&text[..point])?.checked_mul(1_000_000_000)?.checked_add(number(&text[point + 1..])?)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use herd::protocol::command::Command;

    use super::*;
    use crate::movement::Walk;

    #[test]
    fn what_is_written_is_what_the_servers_parser_reads() {
        let mut rng = Rng::with_seed(3);
        for stamp in [0, 1, 999_999_999, 1_621_464_827_959_498_503, 9_999_999_999_999_999_999] {
            let position = Walk::new(&mut rng).advance(1.0, &mut rng);
            let mut line = Vec::new();
            write_iamat(&mut line, b"c1.load", position, stamp);
            let Ok(Command::Iamat(iamat)) = Command::parse(line.trim_ascii_end()) else { panic!("{line:?}") };
            assert_eq!(iamat.id.as_bytes(), b"c1.load");
            let since_epoch = iamat.stamp.time().since_epoch();
            assert_eq!(since_epoch.as_nanos(), u128::from(stamp));
        }
        let mut line = Vec::new();
        write_whatsat(&mut line, b"x", 50, 0);
        assert_eq!(line, b"WHATSAT x 50 0\n");
        assert!(Command::parse(line.trim_ascii_end()).is_ok());
    }

    #[test]
    fn at_lines_by_table() {
        let line = b"AT Clark +0.263873386 kiwi +34.068930-118.445127 1621464827.959498503";
        let fields = parse_at(line).unwrap();
        assert_eq!((fields.server, fields.id), (&b"Clark"[..], &b"kiwi"[..]));
        assert_eq!((fields.difference, fields.stamp), (263_873_386, 1_621_464_827_959_498_503));
        assert_eq!(fields.operands, b"kiwi +34.068930-118.445127 1621464827.959498503");
        let reply = [line, &b"\n"[..]].concat();
        assert_eq!(difference_of(&reply, b"Clark", fields.operands), Some(263_873_386));
        for (reply, server, operands) in [
            (&line[..], &b"Clark"[..], fields.operands),
            (&reply, b"Clar", fields.operands),
            (&reply, b"Clark", b"iwi +34.068930-118.445127 1621464827.959498503"),
            (&reply, b"Clark", b"kiwi +34.068930-118.445127 1621464827.959498504"),
            (b"AT Clark + kiwi\n", b"Clark", b"kiwi"),
        ] {
            assert_eq!(difference_of(reply, server, operands), None);
        }
        let negative = parse_at(b"AT Clark -1.000000001 a b 1.000000000").unwrap();
        assert_eq!(negative.difference, -1_000_000_001);
        for bad in [
            "AT Clark 0.263873386 a b 1.000000000",
            "AT Clark +0.26387338 a b 1.000000000",
            "AT Clark +.263873386 a b 1.000000000",
            "AT Clark -0.000000000 a b 1.000000000",
            "AT Clark +0.263873386 a b",
            "AT Clark +0.263873386 a b 1.0",
            "? AT",
            "",
        ] {
            assert!(parse_at(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn replies_are_cut_where_they_end_however_they_arrive() {
        for (bytes, shape, expected) in [
            (&b"AT x\nAT y\n"[..], Shape::Line, Some(5)),
            (b"AT x", Shape::Line, None),
            (b"AT x\n{\n}\n\nAT y", Shape::LineAndBody, Some(10)),
            (b"AT x\n{\n}\n", Shape::LineAndBody, None),
            (b"? WHATSAT\nAT", Shape::LineAndBody, Some(10)),
            (b"? WHATSAT", Shape::LineAndBody, None),
        ] {
            assert_eq!(reply_length(bytes, 0, shape), expected);
            for searched in 0..expected.unwrap_or(bytes.len()) {
                let before = reply_length(&bytes[..searched], 0, shape);
                assert_eq!(before, None);
                assert_eq!(reply_length(bytes, searched, shape), expected, "{searched} bytes searched");
            }
        }
    }
}
