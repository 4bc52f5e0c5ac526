//! Shares of requests, in percent.

use std::fmt;
use std::str::FromStr;

use crate::decimal::{self, Fixed};

const PERCENT_DECIMALS: u8 = 4;

/// A share above 0 % and at most 100 %, in whole millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    millionths: u32,
}

/// Why a text is not a [`Share`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a share: write a percentage above 0% and up to 100% with at most four decimals, such as 0.5%")]
pub struct ShareError {
    text: String,
}

impl Share {
    /// Everything.
    pub(crate) const WHOLE: u32 = 1_000_000;

    /// The share in millionths.
    pub(crate) fn millionths(self) -> u32 {
        self.millionths
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let percent = decimal::parse(text.strip_suffix('%')?, usize::from(PERCENT_DECIMALS))?;
            let millionths = u32::try_from(percent.units).ok()?;
            let valid = percent.exact && (1..=Self::WHOLE).contains(&millionths);
            valid.then_some(Self { millionths })
        };
        read().ok_or_else(|| ShareError { text: text.to_owned() })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = Fixed { units: i64::from(self.millionths), decimals: PERCENT_DECIMALS };
        write!(formatter, "{percent}%")
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_is_a_percentage() {
        for (text, millionths) in [
            ("2%", Some(20_000)),
            ("0.5%", Some(5_000)),
            ("100.00%", Some(1_000_000)),
            ("0.0001%", Some(1)),
            ("0%", None),
            ("0.00001%", None),
            ("100.0001%", None),
            ("-1%", None),
            ("0.5", None),
            ("%", None),
            ("half", None),
        ] {
            assert_eq!(text.parse::<Share>().ok().map(Share::millionths), millionths, "{text}");
        }
    }

    #[test]
    fn it_prints_as_it_is_read() {
        assert_eq!("0.50%".parse::<Share>().expect("a share").to_string(), "0.5%");
        let error = "half".parse::<Share>().expect_err("no share");
        insta::assert_snapshot!(error, @"`half` is not a share: write a percentage above 0% and up to 100% with at most four decimals, such as 0.5%");
    }
}
