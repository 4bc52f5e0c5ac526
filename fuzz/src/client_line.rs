//! A client's stream, cut at arbitrary places.

use std::time::Duration;

use herd::protocol::command::{Command, Iamat, Whatsat};
use herd::protocol::line::{Line, LineReader};
use herd::protocol::text::Name;
use herd::protocol::time::UnixTime;
use herd::protocol::update::{AT_OVERHEAD, AtLine, Update};

use crate::grammar::{self, Meaning};

/// The smallest limit that a reader takes, so that short inputs reach it.
const LIMIT: usize = LineReader::KEPT_OF_TOO_LONG;
/// A limit that no input of the fuzzer reaches, so that long commands are valid too.
const NO_LIMIT: usize = 1 << 20;
/// Bytes in front of the stream: where it is cut, and when it is received.
const HEAD: usize = 8;

/// The first bytes say where the stream that follows is cut and when it is received.
pub fn client_line(data: &[u8]) {
    let Some((head, stream)) = data.split_first_chunk::<HEAD>() else { return };
    for limit in [LIMIT, NO_LIMIT] {
        let whole = read(stream, limit, &[]);
        assert_eq!(whole, read(stream, limit, head), "the lines depend on where the stream is cut");
        assert_eq!(whole, grammar::lines(stream, limit, LineReader::KEPT_OF_TOO_LONG));
    }
    // Within 12 digits of seconds, as every clock is.
    let receipt = u64::from_le_bytes(*head) % 1_000_000_000_000_000_000;
    for (line, _) in read(stream, NO_LIMIT, &[]) {
        answer(&line, receipt);
    }
}

/// The stream's lines when it arrives in pieces of 1 + each of `cuts` bytes, again and again;
/// in one piece without cuts. `true` stands behind lines that were too long.
fn read(mut stream: &[u8], limit: usize, cuts: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut reader = LineReader::new(limit);
    let mut lines = Vec::new();
    let mut sizes = cuts.iter().map(|&cut| 1 + usize::from(cut)).cycle();
    while !stream.is_empty() {
        let size = sizes.next().unwrap_or(stream.len()).min(stream.len());
        let (mut piece, rest) = stream.split_at(size);
        while let Some(line) = reader.next_line(&mut piece) {
            lines.push(own(line));
        }
        assert!(piece.is_empty(), "the reader says that nothing is left, yet bytes are");
        stream = rest;
    }
    lines.extend(reader.finish().map(own));
    lines
}

fn own(line: Line<'_>) -> (Vec<u8>, bool) {
    match line {
        Line::Whole(bytes) | Line::Unended(bytes) => (bytes.to_vec(), false),
        Line::TooLong(bytes) => (bytes.to_vec(), true),
    }
}

fn answer(line: &[u8], receipt: u64) {
    match (Command::parse(line), grammar::meaning(line)) {
        (Ok(Command::Iamat(iamat)), Meaning::Iamat(operands)) => write_and_read(line, &iamat, operands, receipt),
        (Ok(Command::Whatsat(whatsat)), Meaning::Whatsat(operands, bound)) => {
            assert_eq!((whatsat.id.as_bytes(), whatsat.bound), (operands[0], bound));
            check_metres(&whatsat, operands[1]);
        }
        (Err(_), Meaning::Invalid) => {}
        (found, expected) => {
            panic!("{:?} is {found:?}, by the reference {expected:?}", line.escape_ascii().to_string())
        }
    }
}

/// The AT line must hold the operands byte for byte, and say the same when it is read again.
fn write_and_read(line: &[u8], iamat: &Iamat<'_>, operands: [&[u8]; 3], receipt: u64) {
    let name = Name::new("Clark").expect("a valid name");
    let mut out = b"before".to_vec();
    AtLine::write(&mut out, &name, UnixTime::new(Duration::from_nanos(receipt)), iamat);
    let [id, location, stamp] = operands;
    let difference = grammar::difference(i128::from(receipt) - grammar::nanoseconds(stamp));
    let expected = [b"AT Clark", difference.as_bytes(), id, location, stamp].join(&b' ');
    assert_eq!(out.strip_prefix(b"before"), Some(&expected[..]));
    assert!(expected.len() <= line.len() + AT_OVERHEAD, "a neighbour would not read it");

    let read = AtLine::parse(&expected).expect("what a server writes its neighbours can read");
    let kept = Update::new(read);
    for at in [read, kept.line()] {
        assert_eq!((at.bytes(), at.origin(), at.id()), (&expected[..], &b"Clark"[..], id));
        assert_eq!(at.location().text(), location);
        assert_eq!(at.receipt().since_epoch().as_nanos(), u128::from(receipt));
        assert_eq!(i128::try_from(at.stamp().since_epoch().as_nanos()), Ok(grammar::nanoseconds(stamp)));
    }
    let [latitude, longitude] = [read.location().latitude(), read.location().longitude()];
    let plus = |degrees: &[u8]| if degrees.starts_with(b"-") { degrees.to_vec() } else { [b"+", degrees].concat() };
    assert_eq!([plus(latitude), plus(longitude)].concat(), location);
}

/// Metres are kilometres with the point three places on, and no zero that means nothing.
fn check_metres(whatsat: &Whatsat<'_>, kilometres: &[u8]) {
    let mut metres = Vec::new();
    whatsat.radius.write_metres(&mut metres);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("digits");
    let (whole, fraction) = split_point(&text(kilometres));
    let padded = format!("{fraction:0<3}");
    let whole = format!("{whole}{}", &padded[..3]).trim_start_matches('0').to_owned();
    let whole = if whole.is_empty() { "0".to_owned() } else { whole };
    let fraction = padded[3..].trim_end_matches('0');
    let expected = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
    assert_eq!(text(&metres), expected, "{} km", text(kilometres));
}

fn split_point(number: &str) -> (String, String) {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    (whole.to_owned(), fraction.to_owned())
}
