//! Points in time and their differences, exact to the nanosecond.

use std::time::Duration;

use super::text::{Decimal, integer_value};

/// Digits of a stamp or of a difference before the point, at most.
const MOST_SECONDS_DIGITS: usize = 12;
const NANOS_DIGITS: usize = 9;

/// Time since 1970-01-01 00:00:00 UTC without leap seconds, in whole nanoseconds.
#[derive(Default, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The point that lies `since_epoch` after the epoch.
    #[must_use]
    pub const fn new(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// A stamp, `D{1,12}[.D+]`. Digits past the ninth do not count (SPEC 2, IAMAT).
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let decimal = Decimal::parse(text, MOST_SECONDS_DIGITS)?;
        let seconds = integer_value(decimal.integer())?;
        Some(Self(Duration::new(seconds, nanos(decimal.fraction()))))
    }

    /// Appends the point as a stamp with nine decimals.
    pub fn write(self, out: &mut Vec<u8>) {
        write_integer(out, self.0.as_secs());
        out.push(b'.');
        write_padded(out, self.0.subsec_nanos());
    }

    /// Time since the epoch.
    #[must_use]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// How far this point lies after `earlier`; negative where it lies before it.
    #[must_use]
    pub fn difference(self, earlier: Self) -> Difference {
        match self.0.checked_sub(earlier.0) {
            Some(magnitude) => Difference { negative: false, magnitude },
            None => Difference { negative: true, magnitude: earlier.0 - self.0 },
        }
    }

    /// The point that lies `difference` after this one; `None` before the epoch.
    #[must_use]
    pub fn checked_add(self, difference: Difference) -> Option<Self> {
        let sum = if difference.negative {
            self.0.checked_sub(difference.magnitude)
        } else {
            self.0.checked_add(difference.magnitude)
        };
        sum.map(Self)
    }
}

/// The first nine digits after the point, as nanoseconds.
fn nanos(fraction: &[u8]) -> u32 {
    let mut nanos = 0;
    for place in 0..NANOS_DIGITS {
        let digit = fraction.get(place).map_or(0, |digit| u32::from(digit - b'0'));
        nanos = nanos * 10 + digit;
    }
    nanos
}

/// A signed span of time in whole nanoseconds, written like `+0.263873386`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    negative: bool,
    magnitude: Duration,
}

impl Difference {
    /// A sign, 1 to 12 digits, a point and nine digits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (sign, magnitude) = text.split_first()?;
        let negative = match sign {
            b'+' => false,
            b'-' => true,
            _ => return None,
        };
        let decimal = Decimal::parse(magnitude, MOST_SECONDS_DIGITS)?;
        if decimal.fraction().len() != NANOS_DIGITS {
            return None;
        }
        let seconds = integer_value(decimal.integer())?;
        Some(Self { negative, magnitude: Duration::new(seconds, nanos(decimal.fraction())) })
    }

    /// Appends the difference as the protocol writes it; zero has a plus.
    pub fn write(self, out: &mut Vec<u8>) {
        out.push(if self.negative { b'-' } else { b'+' });
        UnixTime(self.magnitude).write(out);
    }

    /// The span, or `None` if it is negative.
    #[must_use]
    pub fn to_duration(self) -> Option<Duration> {
        (!self.negative).then_some(self.magnitude)
    }
}

/// Appends `value` in decimal.
fn write_integer(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = digit(value % 10);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends `nanos` as exactly nine digits.
fn write_padded(out: &mut Vec<u8>, mut nanos: u32) {
    let mut digits = [0; NANOS_DIGITS];
    for place in digits.iter_mut().rev() {
        *place = digit(u64::from(nanos % 10));
        nanos /= 10;
    }
    out.extend_from_slice(&digits);
}

#[allow(clippy::cast_possible_truncation)] // a remainder of ten fits
fn digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixTime {
        UnixTime::parse(text.as_bytes()).unwrap()
    }

    fn between(later: &str, earlier: &str) -> String {
        let mut out = Vec::new();
        at(later).difference(at(earlier)).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_assignments_own_example() {
        assert_eq!(between("1621464828.223371889", "1621464827.959498503"), "+0.263873386");
    }

    #[test]
    fn differences_by_table() {
        for (later, earlier, expected) in [
            ("1", "1", "+0.000000000"),
            ("1.000000001", "1", "+0.000000001"),
            ("1", "1.000000001", "-0.000000001"),
            ("0", "999999999999.999999999", "-999999999999.999999999"),
            ("10.5", "9.75", "+0.750000000"),
            ("1.1", "1.0999999999999", "+0.000000001"),
        ] {
            assert_eq!(between(later, earlier), expected, "{later} - {earlier}");
        }
    }

    #[test]
    fn digits_past_the_ninth_do_not_count() {
        assert_eq!(at("1.1234567899999"), at("1.123456789"));
    }

    #[test]
    fn stamps_by_table() {
        for bad in ["", "+1", "-1", "1e9", "nan", "inf", "1.", ".1", "1234567890123", "1_0", "1,5", " 1"] {
            assert!(UnixTime::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        for good in ["0", "000000000001", "999999999999.9999999999999"] {
            assert!(UnixTime::parse(good.as_bytes()).is_some(), "{good:?}");
        }
    }

    #[test]
    fn a_difference_that_is_added_again_gives_the_same_point() {
        for (later, earlier) in [("5.000000001", "3.9"), ("3.9", "5.000000001"), ("7", "7")] {
            let difference = at(later).difference(at(earlier));
            assert_eq!(at(earlier).checked_add(difference), Some(at(later)));
        }
        assert_eq!(at("1").checked_add(Difference::parse(b"-2.000000000").unwrap()), None);
    }

    #[test]
    fn differences_read_from_a_peer_need_a_sign_and_nine_decimals() {
        for bad in
            ["", "+", "0.263873386", "+0.26387338", "+0.2638733860", "+.263873386", "+1", "+1234567890123.000000000"]
        {
            assert!(Difference::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(Difference::parse(b"-0.000000001").is_some());
    }
}
