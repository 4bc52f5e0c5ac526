//! Decimal numbers held exactly, as whole numbers of a fraction.
//!
//! Answers must not differ between machines by a rounding, so no floating point is involved.

use std::fmt;

/// Enough for every quantity here, and small enough that scaling cannot overflow.
const INTEGER_DIGITS: usize = 9;
/// The finest fraction in use; `INTEGER_DIGITS` more digits still fit an `i64`.
const FINEST_DECIMALS: usize = 9;
/// The digits of an `i64`, its sign, a point and a zero before it.
const LONGEST_NUMBER: usize = 22;

/// A number read from text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The number in units of the last decimal kept, rounded towards zero.
    pub(crate) units: i64,
    /// Whether the digits that were not kept are all zero.
    pub(crate) exact: bool,
}

impl Parsed {
    /// Whether the number as written is above `limit` units.
    pub(crate) fn exceeds(self, limit: i64) -> bool {
        self.units > limit || (self.units == limit && !self.exact)
    }

    /// Whether the number as written is zero.
    pub(crate) fn is_zero(self) -> bool {
        self.units == 0 && self.exact
    }
}

/// Reads `D+[.D+]` without a sign, keeping `decimals` digits of the fraction.
pub(crate) fn parse(text: &str, decimals: usize) -> Option<Parsed> {
    debug_assert!(decimals <= FINEST_DECIMALS);
    let (integer, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some((integer, fraction)) => (integer, fraction),
        None => (text, ""),
    };
    let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if integer.is_empty() || integer.len() > INTEGER_DIGITS || !all_digits(integer) || !all_digits(fraction) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(decimals)];
    let rest = &fraction[kept.len()..];
    let padding = std::iter::repeat_n(b'0', decimals - kept.len());
    let units =
        integer.bytes().chain(kept.bytes()).chain(padding).fold(0, |units, digit| units * 10 + i64::from(digit - b'0'));
    Some(Parsed { units, exact: rest.bytes().all(|digit| digit == b'0') })
}

/// Prints `units` of 10^-`decimals` without trailing zeros: `-118.445127`, `4.5`, `4`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fixed {
    /// The number in units of the last decimal.
    pub(crate) units: i64,
    /// How many decimals a unit has.
    pub(crate) decimals: u8,
}

/// Written digit by digit: an answer has more than a hundred of these.
impl fmt::Display for Fixed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; LONGEST_NUMBER];
        let mut start = text.len();
        let mut put = |byte| {
            start -= 1;
            text[start] = byte;
        };
        let mut rest = self.units.unsigned_abs();
        let mut written_fraction = false;
        for _ in 0..self.decimals {
            let digit = digit(rest % 10);
            rest /= 10;
            if written_fraction || digit != b'0' {
                written_fraction = true;
                put(digit);
            }
        }
        if written_fraction {
            put(b'.');
        }
        loop {
            put(digit(rest % 10));
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if self.units < 0 {
            put(b'-');
        }
        formatter.write_str(std::str::from_utf8(&text[start..]).map_err(|_| fmt::Error)?)
    }
}

fn digit(below_ten: u64) -> u8 {
    b'0' + below_ten.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::{Fixed, Parsed, parse};

    #[test]
    fn reads_plain_decimals_only() {
        let number = |units, exact| Some(Parsed { units, exact });
        for (text, expected) in [
            ("34.068930", number(34_068, false)),
            ("34.0680", number(34_068, true)),
            ("0", number(0, true)),
            ("007.5", number(7_500, true)),
            ("999999999", number(999_999_999_000, true)),
            ("0.0004", number(0, false)),
            ("", None),
            (".5", None),
            ("5.", None),
            ("1e3", None),
            ("-1", None),
            ("+1", None),
            ("1.2.3", None),
            ("1234567890", None),
            ("nan", None),
            ("١", None),
        ] {
            assert_eq!(parse(text, 3), expected, "{text:?}");
        }
    }

    #[test]
    fn digits_that_are_not_kept_still_count_in_comparisons() {
        let limit = 90_000;
        for (text, exceeds) in [("90", false), ("90.000", false), ("90.0001", true), ("89.9999", false)] {
            assert_eq!(parse(text, 3).expect(text).exceeds(limit), exceeds, "{text}");
        }
        assert!(parse("0.000", 2).expect("zero").is_zero());
        assert!(!parse("0.001", 2).expect("small").is_zero());
    }

    #[test]
    fn prints_without_trailing_zeros() {
        for (units, decimals, expected) in [
            (-1_184_451_270, 7, "-118.445127"),
            (45, 1, "4.5"),
            (40, 1, "4"),
            (-5, 7, "-0.0000005"),
            (0, 7, "0"),
            (1_000_010, 7, "0.100001"),
            (1_800_000_000_000_000, 13, "180"),
            (i64::MIN, 0, "-9223372036854775808"),
            (i64::MIN, 19, "-0.9223372036854775808"),
        ] {
            assert_eq!(Fixed { units, decimals }.to_string(), expected);
        }
    }
}
