//! A comparison, and what it says.

use serde::{Deserialize, Serialize};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A number of things.
    Count,
    /// Nanoseconds.
    Nanoseconds,
}

/// What a comparison says; the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// What was measured is what was injected.
    Ok,
    /// The machine was too busy to tell.
    Invalid,
    /// It is not.
    Failed,
}

/// What was injected, what was measured, and what may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What is compared.
    pub name: String,
    /// Of what the numbers are.
    pub unit: Unit,
    /// What was there, by the fake server's own count and clock.
    pub injected: u64,
    /// What the generator says.
    pub measured: u64,
    /// The least that it may say.
    pub from: u64,
    /// The most.
    pub to: u64,
    /// Whether that holds.
    pub verdict: Verdict,
}

/// By how much a time may be off, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    /// What is injected is only known so well, both ways.
    pub(super) unsure: u64,
    /// What the generator and the server were held up for, by their own account.
    pub(super) noise: u64,
}

/// What the way over loopback and waking up at both of its ends take at most, in nanoseconds.
const WAY: u64 = 1_000_000;
/// What else a time may be too long by: one part in so many.
const PART: u64 = 20;

impl Row {
    /// Things that must have been counted exactly.
    pub(super) fn count(name: &str, injected: u64, measured: u64) -> Self {
        let verdict = if measured == injected { Verdict::Ok } else { Verdict::Failed };
        let (from, to) = (injected, injected);
        Self { name: name.into(), unit: Unit::Count, injected, measured, from, to, verdict }
    }

    /// A time that must have been measured no shorter than it was, and not much longer.
    pub(super) fn time(name: &str, injected: u64, measured: u64, tolerance: Tolerance) -> Self {
        let Tolerance { unsure, noise } = tolerance;
        let from = injected.saturating_sub(unsure);
        let to = injected + unsure + injected / PART + WAY;
        let verdict = match measured {
            _ if measured < from => Verdict::Failed,
            _ if measured <= to => Verdict::Ok,
            _ if measured <= to.saturating_add(noise) => Verdict::Invalid,
            _ => Verdict::Failed,
        };
        Self { name: name.into(), unit: Unit::Nanoseconds, injected, measured, from, to, verdict }
    }

    /// Says nothing, whatever was measured, if something is amiss with what was injected.
    pub(super) fn void_if(self, is_amiss: bool) -> Self {
        if is_amiss { Self { verdict: Verdict::Invalid, ..self } } else { self }
    }

    /// Says nothing, rather than that it does not hold, if something excuses that.
    pub(super) fn excused_if(self, is_excused: bool) -> Self {
        let does_not_hold = self.verdict == Verdict::Failed;
        self.void_if(is_excused && does_not_hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn times_by_table() {
        for (measured, unsure, noise, expected) in [
            (100, 0, 0, Verdict::Ok),
            (106, 0, 0, Verdict::Ok),
            // Shorter than it was: no noise explains that.
            (99, 0, 500, Verdict::Failed),
            (107, 0, 0, Verdict::Failed),
            (107, 0, 1, Verdict::Invalid),
            (109, 0, 2, Verdict::Failed),
            (90, 10, 0, Verdict::Ok),
            (89, 10, 0, Verdict::Failed),
            (116, 10, 0, Verdict::Ok),
            (117, 10, 0, Verdict::Failed),
        ] {
            let tolerance = Tolerance { unsure: unsure * MS, noise: noise * MS };
            let row = Row::time("", 100 * MS, measured * MS, tolerance);
            assert_eq!(row.verdict, expected, "{measured} ms, {tolerance:?}");
        }
        let invalid = Row::time("", 1, 60_000 * MS, Tolerance { unsure: 0, noise: u64::MAX });
        assert_eq!(invalid.verdict, Verdict::Invalid);
    }

    #[test]
    fn counts_are_exact_and_excuses_need_a_reason() {
        for (measured, is_amiss, is_excused, expected) in [
            (5, false, false, Verdict::Ok),
            (4, false, false, Verdict::Failed),
            (6, false, false, Verdict::Failed),
            (6, false, true, Verdict::Invalid),
            (5, false, true, Verdict::Ok),
            (5, true, false, Verdict::Invalid),
        ] {
            let row = Row::count("", 5, measured).void_if(is_amiss).excused_if(is_excused);
            assert_eq!(row.verdict, expected, "{measured} {is_amiss} {is_excused}");
        }
    }
}
