//! White space, decimals and names: the letters that the protocol is written in.

use std::fmt;

/// White space is exactly these six bytes (SPEC 2); every other byte may stand in a field.
#[must_use]
pub const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The fields of a line: runs of bytes that are not white space.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields of `line`, from its start.
    #[must_use]
    pub fn new(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    /// The next `N` fields if there are exactly `N` left.
    #[must_use]
    pub fn exactly<const N: usize>(mut self) -> Option<[&'a [u8]; N]> {
        let mut fields = [&[][..]; N];
        for field in &mut fields {
            *field = self.next()?;
        }
        self.next().is_none().then_some(fields)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_white_space(byte))?;
        let rest = &self.rest[start..];
        let end = rest.iter().position(|&byte| is_white_space(byte)).unwrap_or(rest.len());
        let (field, rest) = rest.split_at(end);
        self.rest = rest;
        Some(field)
    }
}

/// An unsigned decimal, `D+[.D+]`, kept as text so that comparing it is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    integer: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    /// `D{1,most_digits}[.D+]` and nothing else.
    #[must_use]
    pub fn parse(text: &'a [u8], most_digits: usize) -> Option<Self> {
        let point = text.iter().position(|byte| !byte.is_ascii_digit());
        let (integer, fraction) = match point {
            None => (text, &[][..]),
            Some(point) if text[point] == b'.' => {
                let fraction = &text[point + 1..];
                if fraction.is_empty() || !fraction.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                (&text[..point], fraction)
            }
            Some(_) => return None,
        };
        let fits = !integer.is_empty() && integer.len() <= most_digits;
        fits.then_some(Self { integer, fraction })
    }

    /// Digits before the point, leading zeros included.
    #[must_use]
    pub fn integer(&self) -> &'a [u8] {
        self.integer
    }

    /// Digits after the point, all of them; empty where there is no point.
    #[must_use]
    pub fn fraction(&self) -> &'a [u8] {
        self.fraction
    }

    /// Whether the number is `limit` or less, by all of its digits.
    #[must_use]
    pub fn at_most(&self, limit: u64) -> bool {
        match integer_value(self.integer) {
            None => false,
            Some(value) if value == limit => self.fraction.iter().all(|&digit| digit == b'0'),
            Some(value) => value < limit,
        }
    }
}

/// The value of a run of digits, or `None` if it is past `u64`.
#[must_use]
pub fn integer_value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, &digit| {
        debug_assert!(digit.is_ascii_digit());
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

/// The value of a field that is a whole number, `D+`, or `None`.
#[must_use]
pub fn integer(field: &[u8]) -> Option<u64> {
    let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    if digits { integer_value(field) } else { None }
}

/// The value of a field of hexadecimal digits in lower case, at most 32 of them, or `None`.
#[must_use]
pub fn hex(field: &[u8]) -> Option<u128> {
    if field.is_empty() || field.len() > 32 {
        return None;
    }
    field.iter().try_fold(0, |value: u128, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

/// The name of a server or of an observer: `[A-Za-z0-9._-]{1,63}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The longest name, in bytes.
    pub const MAX: usize = 63;

    /// The name that `text` is, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        Self::is_valid(text.as_bytes()).then(|| Self(text.into()))
    }

    /// Whether these bytes may be a name.
    #[must_use]
    pub fn is_valid(text: &[u8]) -> bool {
        let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=Self::MAX).contains(&text.len()) && text.iter().all(letter)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &[u8]) -> Vec<&[u8]> {
        Fields::new(line).collect()
    }

    #[test]
    fn all_six_white_space_bytes_separate_and_surround_fields() {
        assert_eq!(fields(b" \t\r\n\x0b\x0ca \t\r\n\x0b\x0cb\x0b"), [b"a", b"b"]);
        assert!(fields(b" \t\r\n\x0b\x0c").is_empty());
        assert!(fields(b"").is_empty());
    }

    #[test]
    fn every_other_byte_belongs_to_a_field() {
        let other: Vec<u8> = (0..=255).filter(|byte| !b" \t\r\n\x0b\x0c".contains(byte)).collect();
        assert_eq!(other.len(), 250);
        assert_eq!(fields(&other), [&other[..]]);
    }

    #[test]
    fn exactly_takes_neither_more_nor_fewer() {
        assert!(Fields::new(b"a b").exactly::<2>().is_some());
        assert!(Fields::new(b"a b").exactly::<1>().is_none());
        assert!(Fields::new(b"a b").exactly::<3>().is_none());
    }

    #[test]
    fn decimals_by_table() {
        for good in ["0", "00", "12.5", "999999999999", "1.000000000000000000000000"] {
            assert!(Decimal::parse(good.as_bytes(), 12).is_some(), "{good}");
        }
        for bad in ["", ".", "1.", ".5", "+1", "-1", "1e3", "1..2", "1.2.3", "1.2x", "nan", "0x1", "1234567890123"] {
            assert!(Decimal::parse(bad.as_bytes(), 12).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_limit_is_compared_by_every_digit() {
        let at_most_50 = |text: &str| Decimal::parse(text.as_bytes(), usize::MAX).unwrap().at_most(50);
        for inside in ["0", "50", "0050.000", "49.999999999999999999999999"] {
            assert!(at_most_50(inside), "{inside}");
        }
        for outside in ["51", "50.00000000000000000000000001", "99999999999999999999999999"] {
            assert!(!at_most_50(outside), "{outside}");
        }
    }

    #[test]
    fn numbers_by_table() {
        assert_eq!((integer(b"0"), integer(b"4096")), (Some(0), Some(4096)));
        assert_eq!((hex(b"ff"), hex(&[b'f'; 32])), (Some(255), Some(u128::MAX)));
        for bad in ["", "+1", "1 ", "99999999999999999999999"] {
            assert_eq!(integer(bad.as_bytes()), None, "{bad:?}");
        }
        for bad in ["", "F", "+1", "0x1", &"0".repeat(33)] {
            assert_eq!(hex(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn names_by_table() {
        let longest = "x".repeat(63);
        for good in ["Clark", "a", "a.b_c-9", &longest] {
            assert!(Name::new(good).is_some(), "{good}");
        }
        let too_long = "x".repeat(64);
        for bad in ["", "a b", "a/b", "Zoë", "a\n", &too_long] {
            assert!(Name::new(bad).is_none(), "{bad}");
        }
    }
}
