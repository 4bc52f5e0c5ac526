//! How much the machine held up the generator and the server, by their own account.

use hdrhistogram::Histogram;

use crate::fake::Tally;
use crate::report::Report;
use crate::run::Outcome;

/// How late a generator sent and a server woke up, in nanoseconds.
#[derive(Debug)]
pub(super) struct Noise {
    lag: Histogram<u64>,
    lateness: Histogram<u64>,
    /// By the rule that holds for every run.
    is_valid: bool,
}

impl Noise {
    pub(super) fn new(outcome: &Outcome, tally: &Tally) -> Self {
        let mut lag = outcome.record.iamat.lag.clone();
        lag.add(&outcome.record.whatsat.lag).expect("all histograms have the same bounds");
        Self { lag, lateness: tally.lateness.clone(), is_valid: Report::new(outcome, &[]).generator.valid }
    }

    /// By how much lateness may have raised a percentile of what was measured. A command and its
    /// reply wait for each of the two threads twice: before a write, between its time and itself,
    /// and before a read. Half of what is above the percentile may be there because it was
    /// injected, the other half because it was late. Without limit if the whole run is invalid.
    pub(super) fn at(&self, percentile: f64) -> u64 {
        let percentile = f64::midpoint(percentile, 100.0);
        let once = self.lag.value_at_percentile(percentile) + self.lateness.value_at_percentile(percentile);
        if self.is_valid { 2 * once } else { u64::MAX }
    }

    /// The longest that anything was held up, in nanoseconds.
    pub(super) fn longest(&self) -> u64 {
        self.lag.max().max(self.lateness.max())
    }

    /// No noise but this much, always.
    #[cfg(test)]
    pub(super) fn of(nanos: u64) -> Self {
        let (mut lag, lateness) = (crate::measure::histogram(), crate::measure::histogram());
        lag.saturating_record(nanos);
        Self { lag, lateness, is_valid: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram;

    #[test]
    fn a_percentile_is_raised_by_what_few_are_late() {
        let mut lag = histogram();
        lag.record_n(1_000_000, 99).unwrap();
        lag.record(50_000_000).unwrap();
        let mut noise = Noise { lag, lateness: histogram(), is_valid: true };
        let about = |nanos: u64, expected: u64| nanos.abs_diff(expected) < expected / 500;
        assert!(about(noise.at(50.0), 2_000_000));
        assert!(about(noise.at(99.0), 100_000_000));
        assert!(about(noise.longest(), 50_000_000));
        noise.is_valid = false;
        assert_eq!(noise.at(50.0), u64::MAX);
    }
}
