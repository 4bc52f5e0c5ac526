//! What a client may say: IAMAT and WHATSAT (SPEC 2). Anything else is invalid, and why is counted.

use super::text::{Decimal, Fields};
use super::time::UnixTime;

/// Largest radius of a WHATSAT, in kilometres.
pub const MAX_RADIUS_KM: u64 = 50;
/// Largest information bound of a WHATSAT, in results.
pub const MAX_BOUND: u64 = 20;

/// A valid command. It borrows the line that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// A client says where it is.
    Iamat(Iamat<'a>),
    /// A client asks what is near another.
    Whatsat(Whatsat<'a>),
}

/// `IAMAT id location stamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iamat<'a> {
    /// The client.
    pub id: ClientId<'a>,
    /// Where it is.
    pub location: Location<'a>,
    /// When it says it sent this.
    pub stamp: Stamp<'a>,
}

/// `WHATSAT id radius bound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whatsat<'a> {
    /// The client that is asked about; not necessarily known.
    pub id: ClientId<'a>,
    /// How far around it, 0 to 50 km.
    pub radius: Radius<'a>,
    /// How many results at most, 0 to 20.
    pub bound: usize,
}

/// Why a line is not a valid command: the `reason` of `herd_invalid_messages_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// The line is empty or only white space.
    Empty,
    /// The first field is neither IAMAT nor WHATSAT.
    Command,
    /// Not exactly three operands.
    Operands,
    /// The location is not `±D{1,2}[.D+]±D{1,3}[.D+]` within 90 and 180 degrees.
    Location,
    /// The stamp is not `D{1,12}[.D+]`.
    Stamp,
    /// The radius is not `D+[.D+]` or is past 50 km.
    Radius,
    /// The bound is not `D+` or is past 20.
    Bound,
    /// No server has heard of the client.
    UnknownClient,
    /// The line is past the limit.
    TooLong,
}

impl Invalid {
    /// Every reason, in the order of declaration: `ALL[reason as usize] == reason`.
    pub const ALL: [Self; 9] = [
        Self::Empty,
        Self::Command,
        Self::Operands,
        Self::Location,
        Self::Stamp,
        Self::Radius,
        Self::Bound,
        Self::UnknownClient,
        Self::TooLong,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Command => "command",
            Self::Operands => "operands",
            Self::Location => "location",
            Self::Stamp => "stamp",
            Self::Radius => "radius",
            Self::Bound => "bound",
            Self::UnknownClient => "unknown_client",
            Self::TooLong => "too_long",
        }
    }
}

impl<'a> Command<'a> {
    /// The command that a line (without its LF) is.
    ///
    /// # Errors
    /// Why it is none; the client then gets `? ` and the line.
    pub fn parse(line: &'a [u8]) -> Result<Self, Invalid> {
        let mut fields = Fields::new(line);
        match fields.next() {
            Some(b"IAMAT") => {
                let [id, location, stamp] = fields.exactly().ok_or(Invalid::Operands)?;
                Ok(Self::Iamat(Iamat {
                    id: ClientId(id),
                    location: Location::parse(location).ok_or(Invalid::Location)?,
                    stamp: Stamp::parse(stamp).ok_or(Invalid::Stamp)?,
                }))
            }
            Some(b"WHATSAT") => {
                let [id, radius, bound] = fields.exactly().ok_or(Invalid::Operands)?;
                Ok(Self::Whatsat(Whatsat {
                    id: ClientId(id),
                    radius: Radius::parse(radius).ok_or(Invalid::Radius)?,
                    bound: parse_bound(bound).ok_or(Invalid::Bound)?,
                }))
            }
            Some(_) => Err(Invalid::Command),
            None => Err(Invalid::Empty),
        }
    }
}

/// `D{1,}` up to [`MAX_BOUND`]; leading zeros are allowed.
fn parse_bound(text: &[u8]) -> Option<usize> {
    if text.contains(&b'.') {
        return None;
    }
    let decimal = Decimal::parse(text, usize::MAX)?;
    if !decimal.at_most(MAX_BOUND) {
        return None;
    }
    let value = |sum, digit: &u8| sum * 10 + usize::from(digit - b'0');
    Some(decimal.integer().iter().fold(0, value))
}

/// A client's name: one or more bytes that are not white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientId<'a>(&'a [u8]);

impl<'a> ClientId<'a> {
    /// The ID that `text` is, unless it is empty or holds white space.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Option<Self> {
        let valid = !text.is_empty() && !text.iter().any(|&byte| super::text::is_white_space(byte));
        valid.then_some(Self(text))
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

/// A stamp with the digits it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    text: &'a [u8],
    time: UnixTime,
}

impl<'a> Stamp<'a> {
    /// See [`UnixTime::parse`].
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        Some(Self { text, time: UnixTime::parse(text)? })
    }

    /// As it was written, every digit.
    #[must_use]
    pub const fn text(self) -> &'a [u8] {
        self.text
    }

    /// What it means, to the nanosecond.
    #[must_use]
    pub const fn time(self) -> UnixTime {
        self.time
    }
}

/// Latitude and longitude in decimal degrees, with the digits they came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location<'a> {
    text: &'a [u8],
    longitude_at: usize,
}

impl<'a> Location<'a> {
    /// `[+-]D{1,2}[.D+]` and `[+-]D{1,3}[.D+]`, at most 90 and 180 degrees, and nothing else.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let is_sign = |byte: &u8| matches!(byte, b'+' | b'-');
        let longitude_at = 1 + text.get(1..)?.iter().position(is_sign)?;
        let (latitude, longitude) = text.split_at(longitude_at);
        let within = |signed: &[u8], digits, limit| {
            is_sign(&signed[0]) && Decimal::parse(&signed[1..], digits).is_some_and(|degrees| degrees.at_most(limit))
        };
        let valid = within(latitude, 2, 90) && within(longitude, 3, 180);
        valid.then_some(Self { text, longitude_at })
    }

    /// As it was written.
    #[must_use]
    pub const fn text(self) -> &'a [u8] {
        self.text
    }

    /// Latitude as Places wants it: the digits as given, without a plus.
    #[must_use]
    pub fn latitude(self) -> &'a [u8] {
        without_plus(&self.text[..self.longitude_at])
    }

    /// Longitude, likewise.
    #[must_use]
    pub fn longitude(self) -> &'a [u8] {
        without_plus(&self.text[self.longitude_at..])
    }
}

fn without_plus(signed: &[u8]) -> &[u8] {
    signed.strip_prefix(b"+").unwrap_or(signed)
}

/// A radius of 0 to 50 km, exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Radius<'a>(Decimal<'a>);

impl<'a> Radius<'a> {
    /// `D+[.D+]`, at most [`MAX_RADIUS_KM`], compared by every digit.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let decimal = Decimal::parse(text, usize::MAX)?;
        decimal.at_most(MAX_RADIUS_KM).then_some(Self(decimal))
    }

    /// Appends the radius in metres: the same digits with the point three places on,
    /// without zeros that mean nothing.
    pub fn write_metres(self, out: &mut Vec<u8>) {
        const PLACES: usize = 3;
        let fraction = self.0.fraction();
        let kept = fraction.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        let (moved, rest) = fraction[..kept].split_at(kept.min(PLACES));
        let metres = self.0.integer().iter().chain(moved).copied();
        let zeros = std::iter::repeat_n(b'0', PLACES - moved.len());
        let start = out.len();
        out.extend(metres.chain(zeros).skip_while(|&digit| digit == b'0'));
        if out.len() == start {
            out.push(b'0');
        }
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(line: &str) -> Invalid {
        Command::parse(line.as_bytes()).expect_err(line)
    }

    #[test]
    fn an_iamat_keeps_its_operands_byte_for_byte() {
        let line = b"  IAMAT\tkiwi.cs.ucla.edu \x0b+34.068930-118.445127 1621464827.9594985030000 \r";
        let Ok(Command::Iamat(iamat)) = Command::parse(line) else { panic!("not an IAMAT") };
        assert_eq!(iamat.id.as_bytes(), b"kiwi.cs.ucla.edu");
        assert_eq!(iamat.location.text(), b"+34.068930-118.445127");
        assert_eq!(iamat.stamp.text(), b"1621464827.9594985030000");
    }

    #[test]
    fn invalid_lines_by_table() {
        for (line, expected) in [
            ("", Invalid::Empty),
            (" \r\t", Invalid::Empty),
            ("iamat a +1+1 1", Invalid::Command),
            ("IAMATa +1+1 1", Invalid::Command),
            ("AT Clark +0.1 a +1+1 1", Invalid::Command),
            ("IAMAT", Invalid::Operands),
            ("IAMAT a +1+1", Invalid::Operands),
            ("IAMAT a +1+1 1 1", Invalid::Operands),
            ("IAMAT a +1+1 -1", Invalid::Stamp),
            ("WHATSAT a 1", Invalid::Operands),
            ("WHATSAT a 50.0001 1", Invalid::Radius),
            ("WHATSAT a -1 1", Invalid::Radius),
            ("WHATSAT a 1 21", Invalid::Bound),
            ("WHATSAT a 1 1.0", Invalid::Bound),
            ("WHATSAT a 1 +1", Invalid::Bound),
        ] {
            assert_eq!(reason(line), expected, "{line:?}");
        }
    }

    #[test]
    fn locations_by_table() {
        for good in ["+0+0", "-90-180", "+90.000+180.000", "+34.068930-118.445127", "+1.5-001", "-00.0+000.0"] {
            assert!(Location::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "+",
            "+1",
            "1+1",
            "+1 +1",
            "+34.+1",
            "+.5+1",
            "+1+.5",
            "+1+1.",
            "+1+1/",
            "+1e1+1",
            "+1+1e1",
            "+90.0001+0",
            "+91+0",
            "+0+180.00001",
            "+0-181",
            "+100+0",
            "+001+0",
            "+0+0001",
            "+1+1+1",
            "++1+1",
            "+1,5+1",
            "+nan+1",
            "+1--1",
        ] {
            assert!(Location::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn places_gets_the_digits_as_given_without_a_plus() {
        let location = Location::parse(b"+34.068930-118.4451270").unwrap();
        assert_eq!(location.latitude(), b"34.068930");
        assert_eq!(location.longitude(), b"-118.4451270");
    }

    #[test]
    fn metres_by_table() {
        for (kilometres, metres) in [
            ("10", "10000"),
            ("0", "0"),
            ("0.000", "0"),
            ("50.0", "50000"),
            ("1.5", "1500"),
            ("0.0005", "0.5"),
            ("0.010", "10"),
            ("007.25", "7250"),
            ("12.34567", "12345.67"),
            ("0.00000100", "0.001"),
        ] {
            let mut out = Vec::new();
            Radius::parse(kilometres.as_bytes()).unwrap().write_metres(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), metres, "{kilometres} km");
        }
    }

    #[test]
    fn bounds_may_have_leading_zeros() {
        let Ok(Command::Whatsat(whatsat)) = Command::parse(b"WHATSAT a 50 00020") else { panic!() };
        assert_eq!(whatsat.bound, 20);
    }

    #[test]
    fn reasons_stand_where_their_number_says() {
        for (index, reason) in Invalid::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn nothing_near_a_command_makes_parsing_panic(
            line in "(IAMAT|WHATSAT|AT)[ \t\r\x0b\x0c]{0,2}[a\u{e9}.]{0,3}[ ]{0,2}[+.0-9e-]{0,20}[ ]{0,2}[0-9.]{0,24}[ ]?"
        ) {
            let _ = Command::parse(line.as_bytes());
        }
    }
}
