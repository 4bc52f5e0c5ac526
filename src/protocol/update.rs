//! The AT line: what one server tells its clients and its neighbours, and which of two wins.

use std::cmp::Ordering;
use std::fmt;

use triomphe::ThinArc;

use super::command::{ClientId, Iamat, Location, Stamp};
use super::text::Name;
use super::time::{Difference, UnixTime};

/// Bytes that an AT line can be longer than the IAMAT it answers: `AT`, the longest name, the
/// longest difference and a space each, less `IAMAT`. A peer's line may be this much longer.
pub const AT_OVERHEAD: usize = 256;

/// What is known of an AT line without reading it again.
#[derive(Debug, Clone, Copy)]
struct Header {
    stamp: UnixTime,
    receipt: UnixTime,
    id_length: u32,
    location_length: u32,
    origin_length: u8,
    difference_length: u8,
}

/// A valid AT line, `AT <origin> <difference> <id> <location> <stamp>`, without its LF.
///
/// Lines are ordered by which wins (SPEC 4): stamp, then receipt at the origin, then the
/// origin's name, then the bytes. Servers that order all lines alike agree in the end.
#[derive(Clone, Copy)]
pub struct AtLine<'a> {
    header: Header,
    bytes: &'a [u8],
}

impl<'a> AtLine<'a> {
    /// Appends the answer of server `origin`, which read `iamat` at `receipt`, to `out`.
    pub fn write<'o>(out: &'o mut Vec<u8>, origin: &Name, receipt: UnixTime, iamat: &Iamat<'_>) -> AtLine<'o> {
        let start = out.len();
        out.extend_from_slice(b"AT ");
        out.extend_from_slice(origin.as_bytes());
        out.push(b' ');
        let difference_start = out.len();
        receipt.difference(iamat.stamp.time()).write(out);
        let difference_length = out.len() - difference_start;
        for operand in [iamat.id.as_bytes(), iamat.location.text(), iamat.stamp.text()] {
            out.push(b' ');
            out.extend_from_slice(operand);
        }
        let header = Header {
            stamp: iamat.stamp.time(),
            receipt,
            id_length: length(iamat.id.as_bytes()),
            location_length: length(iamat.location.text()),
            origin_length: short_length(origin.as_bytes().len()),
            difference_length: short_length(difference_length),
        };
        AtLine { header, bytes: &out[start..] }
    }

    /// Reads a neighbour's AT line. Fields are separated by single spaces and nothing
    /// surrounds them, as the origin wrote them; anything else is `None`.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut fields = bytes.split(|&byte| byte == b' ');
        if fields.next()? != b"AT" {
            return None;
        }
        let origin = fields.next().filter(|name| Name::is_valid(name))?;
        let difference_text = fields.next()?;
        let id = ClientId::new(fields.next()?)?;
        let location = Location::parse(fields.next()?)?;
        let stamp = Stamp::parse(fields.next()?)?;
        if fields.next().is_some() {
            return None;
        }
        let receipt = stamp.time().checked_add(Difference::parse(difference_text)?)?;
        let header = Header {
            stamp: stamp.time(),
            receipt,
            id_length: length(id.as_bytes()),
            location_length: length(location.text()),
            origin_length: short_length(origin.len()),
            difference_length: short_length(difference_text.len()),
        };
        Some(Self { header, bytes })
    }

    /// The whole line, without LF.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The client's time stamp, to the nanosecond.
    #[must_use]
    pub const fn stamp(&self) -> UnixTime {
        self.header.stamp
    }

    /// When the origin read the command: stamp + difference.
    #[must_use]
    pub const fn receipt(&self) -> UnixTime {
        self.header.receipt
    }

    /// The name of the server that the client told.
    #[must_use]
    pub fn origin(&self) -> &'a [u8] {
        let start = b"AT ".len();
        &self.bytes[start..start + usize::from(self.header.origin_length)]
    }

    /// The client.
    #[must_use]
    pub fn id(&self) -> &'a [u8] {
        let start = self.id_start();
        &self.bytes[start..start + self.header.id_length as usize]
    }

    /// Where the client said it is.
    ///
    /// # Panics
    /// Never: the location was checked when the line was made.
    #[must_use]
    pub fn location(&self) -> Location<'a> {
        let start = self.id_start() + self.header.id_length as usize + 1;
        let text = &self.bytes[start..start + self.header.location_length as usize];
        Location::parse(text).expect("an AT line holds a valid location")
    }

    fn id_start(&self) -> usize {
        let [origin, difference] = [self.header.origin_length, self.header.difference_length].map(usize::from);
        b"AT ".len() + origin + 1 + difference + 1
    }
}

fn length(field: &[u8]) -> u32 {
    u32::try_from(field.len()).expect("lines are shorter than 4 GiB")
}

fn short_length(length: usize) -> u8 {
    u8::try_from(length).expect("names and differences are shorter than 256 bytes")
}

impl Ord for AtLine<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let times = |line: &Self| (line.header.stamp, line.header.receipt);
        times(self)
            .cmp(&times(other))
            .then_with(|| self.origin().cmp(other.origin()))
            .then_with(|| self.bytes.cmp(other.bytes))
    }
}

impl PartialOrd for AtLine<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for AtLine<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for AtLine<'_> {}

impl fmt::Debug for AtLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes.escape_ascii())
    }
}

/// An AT line that is kept: one shared allocation, one pointer wide.
#[derive(Clone)]
pub struct Update(ThinArc<Header, u8>);

impl Update {
    /// Copies a line so that it can be kept.
    #[must_use]
    pub fn new(line: AtLine<'_>) -> Self {
        Self(ThinArc::from_header_and_slice(line.header, line.bytes))
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> AtLine<'_> {
        AtLine { header: self.0.header.header, bytes: &self.0.slice }
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::command::Command;
    use crate::protocol::text::is_white_space;

    fn answer(origin: &str, receipt: &str, iamat: &[u8]) -> Vec<u8> {
        let Ok(Command::Iamat(iamat)) = Command::parse(iamat) else { panic!("not an IAMAT") };
        let mut out = b"before ".to_vec();
        let receipt = UnixTime::parse(receipt.as_bytes()).unwrap();
        let written = AtLine::write(&mut out, &Name::new(origin).unwrap(), receipt, &iamat).bytes().to_vec();
        assert_eq!(out, [b"before ", &written[..]].concat());
        written
    }

    #[test]
    fn the_assignments_own_example() {
        let iamat = b"IAMAT kiwi.cs.ucla.edu +34.068930-118.445127 1621464827.959498503";
        let expected = "AT Clark +0.263873386 kiwi.cs.ucla.edu +34.068930-118.445127 1621464827.959498503";
        let line = answer("Clark", "1621464828.223371889", iamat);
        assert_eq!(line, expected.as_bytes());
        let at = AtLine::parse(&line).unwrap();
        assert_eq!(at.origin(), b"Clark");
        assert_eq!(at.id(), b"kiwi.cs.ucla.edu");
        assert_eq!(at.location().text(), b"+34.068930-118.445127");
        assert_eq!(at.receipt(), UnixTime::parse(b"1621464828.223371889").unwrap());
    }

    #[test]
    fn the_longest_at_line_stays_within_the_overhead() {
        let origin = "x".repeat(Name::MAX);
        let iamat = b"IAMAT a +0+0 999999999999.999999999";
        assert!(answer(&origin, "0", iamat).len() <= iamat.len() + AT_OVERHEAD);
    }

    #[test]
    fn peers_lines_by_table() {
        for bad in [
            "",
            "AT",
            "AT Clark +0.000000000 a +0+0",
            "AT Clark +0.000000000 a +0+0 1 ",
            " AT Clark +0.000000000 a +0+0 1",
            "AT Clark  +0.000000000 a +0+0 1",
            "AT Clark +0.000000000 a +0+0 1\r",
            "AT Clark +0.000000000 a\t +0+0 1",
            "AT Clark +0.00000000 a +0+0 1",
            "AT Clark 0.000000000 a +0+0 1",
            "AT Clark -2.000000000 a +0+0 1",
            "AT Cl/ark +0.000000000 a +0+0 1",
            "AT Clark +0.000000000 a +91+0 1",
            "AT Clark +0.000000000 a +0+0 x",
            "AT Clark +0.000000000  +0+0 1",
        ] {
            assert!(AtLine::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(AtLine::parse(b"AT Clark +0.000000000 \xff\x00 +0+0 1").is_some());
    }

    #[test]
    fn the_order_is_stamp_then_receipt_then_origin_then_bytes() {
        let ascending = [
            "AT Clark +9.000000000 a +0+0 1",
            "AT Clark +0.000000000 a +0+0 2",
            "AT Bona +0.000000001 a +0+0 2",
            "AT Clark +0.000000001 a +0+0 2",
            "AT Clark +0.000000001 a +0+0 2.0",
            "AT Clark +0.000000001 a +0+1 2",
            "AT Clark +0.000000000 a +0+0 10",
        ];
        let lines: Vec<_> = ascending.iter().map(|line| AtLine::parse(line.as_bytes()).unwrap()).collect();
        for (i, a) in lines.iter().enumerate() {
            for (j, b) in lines.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} and {b:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn encoding_what_was_parsed_gives_the_same_bytes(
            origin in "[A-Za-z0-9._-]{1,63}",
            receipt in 0..2_000_000_000_000_000_000_u64,
            id in prop::collection::vec(any::<u8>().prop_filter("no white space", |&b| !is_white_space(b)), 1..80),
            location in "[+-][0-8]?[0-9](\\.[0-9]{1,12})?[+-](1[0-7]|[0-9])?[0-9](\\.[0-9]{1,12})?",
            stamp in "[0-9]{1,12}(\\.[0-9]{1,15})?",
        ) {
            let receipt = format!("{}.{:09}", receipt / 1_000_000_000, receipt % 1_000_000_000);
            let iamat = [b"IAMAT ", &id[..], b" ", location.as_bytes(), b" ", stamp.as_bytes()].concat();
            let written = answer(&origin, &receipt, &iamat);
            let read = AtLine::parse(&written).unwrap();
            prop_assert_eq!(read.origin(), origin.as_bytes());
            prop_assert_eq!(read.id(), &id[..]);
            prop_assert_eq!(read.location().text(), location.as_bytes());
            prop_assert_eq!(read.receipt(), UnixTime::parse(receipt.as_bytes()).unwrap());
            let again = answer(&origin, &receipt, &[b"IAMAT ", read.id(), b" ", read.location().text(), b" ", stamp.as_bytes()].concat());
            prop_assert_eq!(again, written.clone());
            let kept = Update::new(read);
            prop_assert_eq!(kept.line().bytes(), &written[..]);
            prop_assert_eq!(kept.line(), read);
        }

        #[test]
        fn no_bytes_make_parsing_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = AtLine::parse(&line);
        }
    }
}
