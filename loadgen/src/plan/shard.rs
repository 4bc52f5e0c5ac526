//! Runs that are parts of one.

use std::fmt;
use std::str::FromStr;

/// One of several runs that together are one: clients are dealt out to them in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 up.
    pub(super) number: usize,
    pub(super) of: usize,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Whether this one does what is to be done once.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.number == 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, of) = text.split_once('/')?;
            Some(Self { number: number.parse().ok()?, of: of.parse().ok()? })
        };
        let is_one_of_them = |shard: &Self| (1..=shard.of).contains(&shard.number);
        parse()
            .filter(is_one_of_them)
            .ok_or_else(|| "must be the number of a shard and how many there are, such as 1/2".into())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_by_table() {
        for good in ["1/1", "1/2", "2/2", "7/12"] {
            assert_eq!(good.parse::<Shard>().unwrap().to_string(), good);
        }
        for bad in ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
