//! A logarithmic scale of times: steps of a tenth, from a microsecond to ten seconds.

use hdrhistogram::Histogram;

/// Steps between a time and ten times that.
pub(super) const PER_DECADE: usize = 24;
const DECADES: usize = 7;
/// All steps, and one for what is longer.
const STEPS: usize = PER_DECADE * DECADES + 1;
/// The shortest time, in nanoseconds, as a power of ten.
const SHORTEST: f64 = 3.0;

/// How many times fell on each step.
#[derive(Debug, Clone)]
pub(super) struct Steps([u32; STEPS]);

impl Default for Steps {
    fn default() -> Self {
        Self([0; STEPS])
    }
}

impl From<&Histogram<u64>> for Steps {
    fn from(histogram: &Histogram<u64>) -> Self {
        let mut steps = Self::default();
        for value in histogram.iter_recorded() {
            let count = u32::try_from(value.count_at_value()).unwrap_or(u32::MAX);
            let step = &mut steps.0[step_of(value.value_iterated_to())];
            *step = step.saturating_add(count);
        }
        steps
    }
}

impl Steps {
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, part) in self.0.iter_mut().zip(&other.0) {
            *sum = sum.saturating_add(*part);
        }
    }

    /// How many times are on steps `from` to `to`, without the latter.
    pub(super) fn between(&self, from: usize, to: usize) -> u64 {
        let to = to.min(STEPS);
        self.0[from.min(to)..to].iter().map(|&count| u64::from(count)).sum()
    }

    pub(super) fn total(&self) -> u64 {
        self.between(0, STEPS)
    }

    /// The step that all but the fastest half per cent have reached, and that of the slowest.
    pub(super) fn range(&self) -> Option<(usize, usize)> {
        let last = self.0.iter().rposition(|&count| count > 0)?;
        let enough = self.total() / 200;
        let first = (0..last).find(|&step| self.between(0, step + 1) > enough);
        Some((first.unwrap_or(last), last))
    }
}

/// Where on the scale a time in nanoseconds is.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn step_of(nanos: u64) -> usize {
    let step = (nanos.max(1) as f64).log10() - SHORTEST;
    // A cast takes what is below zero to zero.
    ((step * PER_DECADE as f64 + 1e-9) as usize).min(STEPS - 1)
}

/// Where a step begins, in nanoseconds.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn start_of(step: usize) -> u64 {
    10_f64.powf(SHORTEST + step as f64 / PER_DECADE as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_on_the_step_that_begins_before_them() {
        assert_eq!((start_of(0), start_of(PER_DECADE), start_of(2 * PER_DECADE)), (1_000, 10_000, 100_000));
        for nanos in [1_000, 9_999, 10_000, 123_456, 999_999, 1_000_000, 9_999_999_999] {
            let step = step_of(nanos);
            assert!(start_of(step) <= nanos && nanos < start_of(step + 1), "{nanos}");
        }
        assert_eq!((step_of(0), step_of(1), step_of(u64::MAX)), (0, 0, STEPS - 1));
    }

    #[test]
    fn a_histogram_keeps_its_counts() {
        let mut histogram = loadgen::measure::histogram();
        histogram.record_n(1_050_000, 7).unwrap();
        histogram.record(70_000_000).unwrap();
        let mut steps = Steps::from(&histogram);
        steps.add(&steps.clone());
        let millisecond = 3 * PER_DECADE;
        assert_eq!((steps.total(), steps.between(millisecond, millisecond + 2)), (16, 14));
        let (first, last) = steps.range().unwrap();
        assert!(first == millisecond && last > millisecond + PER_DECADE);
        steps.0[0] = 1;
        assert_eq!(steps.range(), Some((0, last)));
        steps.0[millisecond] = 1000;
        assert_eq!(steps.range(), Some((millisecond, last)));
        assert!(Steps::default().range().is_none());
    }
}
