//! An experiment's design: what is to be shown, under which conditions, and how often. It is
//! read from a TOML file in which every key means something; one that does not is a mistake.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::{Table, Value};

/// A design. `[quick]` in the file holds the keys that a quick run has other values for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design<F> {
    /// What the experiment is expected to show.
    pub hypothesis: String,
    /// How often it is done.
    pub trials: usize,
    /// What everything random in a trial follows from, one for each.
    pub seeds: Vec<u64>,
    /// What is set or varied, and to what.
    pub factors: F,
}

/// The factors of an experiment, each with its level or levels.
pub trait Factors: DeserializeOwned {
    /// Whether they make sense together.
    ///
    /// # Errors
    /// In a sentence, what does not.
    fn check(&self) -> anyhow::Result<()>;
}

impl<F: Factors> Design<F> {
    /// Reads a design, for a quick run or a whole one.
    ///
    /// # Errors
    /// What is wrong with the file; also in the part that this run does not use.
    pub fn read(file: &Path, quick: bool) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let [whole, small] = Self::parse(&text).with_context(|| format!("{} has a mistake", file.display()))?;
        Ok(if quick { small } else { whole })
    }

    /// The design of a whole run, and that of a quick one.
    fn parse(text: &str) -> anyhow::Result<[Self; 2]> {
        let mut whole: Table = text.parse()?;
        let quick = match whole.remove("quick") {
            Some(Value::Table(quick)) => quick,
            Some(_) => anyhow::bail!("quick is no table: write [quick] and keys below it"),
            None => Table::new(),
        };
        let mut small = whole.clone();
        lay_over(&mut small, quick);
        Ok([Self::check(whole)?, Self::check(small).context("with what [quick] changes")?])
    }

    fn check(table: Table) -> anyhow::Result<Self> {
        let design: Self = table.try_into()?;
        ensure!(design.trials > 0, "trials must be at least 1");
        ensure!(
            design.seeds.len() == design.trials,
            "there are {} seeds for {} trials: each needs one",
            design.seeds.len(),
            design.trials
        );
        design.factors.check()?;
        Ok(design)
    }
}

/// Puts the keys of one table into another, also within tables that both have.
fn lay_over(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// A duration that is written with its unit, such as `60s` or `1m 30s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        clients: u32,
        cut: Time,
    }

    impl Factors for Example {
        fn check(&self) -> anyhow::Result<()> {
            ensure!(self.clients > 0, "clients must be at least 1");
            Ok(())
        }
    }

    const GOOD: &str = "hypothesis = \"it is so\"\ntrials = 2\nseeds = [1, 2]\n\
        [factors]\nclients = 100\ncut = \"1m 30s\"\n\
        [quick]\ntrials = 1\nseeds = [1]\n[quick.factors]\nclients = 10\n";

    fn mistake_in(text: &str) -> String {
        format!("{:#}", Design::<Example>::parse(text).unwrap_err())
    }

    #[test]
    fn a_quick_run_has_the_other_values_that_are_named_and_no_others() {
        let [whole, small] = Design::<Example>::parse(GOOD).unwrap();
        assert_eq!((whole.trials, whole.factors.clients), (2, 100));
        assert_eq!((small.trials, small.factors.clients), (1, 10));
        assert_eq!(whole.factors.cut, Time(Duration::from_secs(90)));
        assert_eq!(small.factors.cut, whole.factors.cut);
        assert_eq!(small.hypothesis, whole.hypothesis);
    }

    #[test]
    fn mistakes_are_found_in_both_parts() {
        for (good, bad, expected) in [
            ("clients = 100", "clients = 100\ncolour = 1", "unknown field `colour`"),
            ("clients = 10\n", "klients = 10\n", "with what [quick] changes: unknown field `klients`"),
            ("trials = 2", "trials = 3", "there are 2 seeds for 3 trials: each needs one"),
            ("trials = 2", "trials = 0", "trials must be at least 1"),
            ("clients = 100", "clients = 0", "clients must be at least 1"),
            ("1m 30s", "soon", "\"soon\""),
            ("hypothesis", "# hypothesis", "missing field `hypothesis`"),
            ("hypothesis", "extra = 1\nhypothesis", "unknown field `extra`"),
        ] {
            let found = mistake_in(&GOOD.replace(good, bad));
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        assert_eq!(Time(Duration::from_secs(90)).to_string(), "1m 30s");
    }
}
