//! What clients say, and how often.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use fastrand::Rng;

/// What clients say. Shares are between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// The share of WHATSATs among the commands.
    pub whatsat: f64,
    /// The share of WHATSATs about clients that do not exist.
    pub unknown: f64,
    /// The share of the other WHATSATs that clients ask about themselves; the rest is about others.
    pub about_itself: f64,
    /// The share of lines that are no commands.
    pub garbage: f64,
    /// Kilometres that are asked for, 0 to 50.
    pub radius: Whole,
    /// Results that are asked for at most, 0 to 20.
    pub bound: Whole,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            whatsat: 0.01,
            unknown: 0.01,
            about_itself: 0.3,
            garbage: 0.0,
            radius: Whole { least: 1, most: Whole::RADIUS.most },
            bound: Whole::BOUND,
        }
    }
}

/// Whole numbers between two, all equally likely: `5` or `0..20`, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    least: u64,
    most: u64,
}

impl Whole {
    /// All radii that a WHATSAT may have, in kilometres.
    pub const RADIUS: Self = Self { least: 0, most: 50 };
    /// All bounds that a WHATSAT may have.
    pub const BOUND: Self = Self { least: 0, most: 20 };

    /// One of them.
    pub fn choose(self, rng: &mut Rng) -> u64 {
        rng.u64(RangeInclusive::from(self))
    }

    /// Whether all of them are among others.
    #[must_use]
    pub const fn is_within(self, others: Self) -> bool {
        others.least <= self.least && self.most <= others.most
    }
}

impl From<Whole> for RangeInclusive<u64> {
    fn from(whole: Whole) -> Self {
        whole.least..=whole.most
    }
}

impl FromStr for Whole {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (least, most) = text.split_once("..").unwrap_or((text, text));
            Some(Self { least: least.parse().ok()?, most: most.parse().ok()? })
        };
        let ascends = |whole: &Self| whole.least <= whole.most;
        parse().filter(ascends).ok_or_else(|| "must be a whole number or a range of them, such as 5 or 0..20".into())
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.least == self.most { write!(f, "{}", self.least) } else { write!(f, "{}..{}", self.least, self.most) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_table() {
        for good in ["0", "5", "0..20", "7..8"] {
            assert_eq!(good.parse::<Whole>().unwrap().to_string(), good);
        }
        for bad in ["", "..", "5..", "8..7", "-1", "1.5", "0...20"] {
            assert!(bad.parse::<Whole>().is_err(), "{bad}");
        }
        assert!("0..21".parse::<Whole>().is_ok_and(|bound| !bound.is_within(Whole::BOUND)));
    }

    #[test]
    fn all_of_a_range_is_chosen() {
        let mut rng = Rng::with_seed(1);
        let range: Whole = "3..6".parse().unwrap();
        let chosen: std::collections::BTreeSet<u64> = (0..100).map(|_| range.choose(&mut rng)).collect();
        assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
    }
}
