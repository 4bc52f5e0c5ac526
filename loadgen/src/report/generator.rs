//! Whether what was measured is the herd, or this program.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Summary;
use crate::plan::{Pace, Plan};
use crate::record::Record;

/// The share of the measured time for which a thread that nobody lets wait has something to do.
const NEVER_IDLE: f64 = 0.95;

/// Whether this program kept up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GeneratorReport {
    /// Processor time of this program while it sent, in seconds.
    pub cpu_s: f64,
    /// The same per reply, in microseconds.
    pub cpu_per_operation: f64,
    /// By thread of clients the share of the measured time for which it used a processor, 0 to 1.
    #[serde(default)]
    pub busy: Vec<f64>,
    /// The share for which it waited for a processor that others had.
    #[serde(default)]
    pub waited: Vec<f64>,
    /// The 99th percentile of lag at which a run is still valid.
    pub max_lag: f64,
    /// Whether the 99th percentile of lag is within that: beyond it, what was measured is this
    /// program and not the herd.
    pub valid: bool,
    /// Whether this program and not the herd was what held up more: in an open loop where it is not
    /// valid, in a closed loop where a thread had something to do nearly all the time, so that
    /// the herd never let it wait.
    #[serde(default)]
    pub is_limit: bool,
}

impl GeneratorReport {
    pub(super) fn new(record: &Record, cpu: Duration, plan: &Plan) -> Self {
        let mut lag = record.iamat.lag.clone();
        for other in [&record.whatsat.lag, &record.invalid.lag] {
            lag.add(other).expect("all histograms have the same bounds");
        }
        let valid = u128::from(lag.value_at_percentile(99.0)) <= plan.max_lag.as_nanos();
        let is_limit = match plan.pace {
            Pace::Open { .. } => !valid,
            Pace::Closed { .. } => record.threads.iter().any(|thread| thread.busy + thread.waited >= NEVER_IDLE),
        };
        Self {
            cpu_s: cpu.as_secs_f64(),
            cpu_per_operation: per_operation(cpu.as_secs_f64(), record.counts.answered),
            busy: record.threads.iter().map(|thread| thread.busy).collect(),
            waited: record.threads.iter().map(|thread| thread.waited).collect(),
            max_lag: plan.max_lag.as_secs_f64() * 1e6,
            valid,
            is_limit,
        }
    }

    /// Several as one, with the lag of all operations together. One late part makes the whole
    /// invalid: its clients are not those that were asked for.
    pub(super) fn merge(parts: &[&Self], lag: &Summary, answered: u64) -> Self {
        let cpu_s = parts.iter().map(|part| part.cpu_s).sum();
        let max_lag = parts.iter().map(|part| part.max_lag).fold(0.0, f64::max);
        let valid = parts.iter().all(|part| part.valid) && lag.p99 <= max_lag;
        Self {
            cpu_s,
            cpu_per_operation: per_operation(cpu_s, answered),
            busy: parts.iter().flat_map(|part| part.busy.iter().copied()).collect(),
            waited: parts.iter().flat_map(|part| part.waited.iter().copied()).collect(),
            max_lag,
            valid,
            is_limit: parts.iter().any(|part| part.is_limit),
        }
    }

    /// A sentence for people if this program was the limit.
    pub(super) fn limit(&self) -> Option<String> {
        let max_lag = super::time(self.max_lag);
        let threads = self.busy.iter().zip(&self.waited);
        let (busy, waited) = threads.max_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1))).unwrap_or((&0.0, &0.0));
        let (busy, waited) = (busy * 100.0, waited * 100.0);
        if !self.valid {
            Some(format!(
                "INVALID: this program sent too late (p99 of send lag above {max_lag}): \
                 lower the rate, or give it more --threads or another machine"
            ))
        } else if self.is_limit {
            Some(format!(
                "LIMIT: this program, not the herd, held up more (a thread of it was busy for {busy:.0} % of the time \
                 and waited for a processor for {waited:.0} %): give it more --threads or another machine"
            ))
        } else {
            None
        }
    }
}

#[allow(clippy::cast_precision_loss)]
fn per_operation(cpu_s: f64, answered: u64) -> f64 {
    cpu_s * 1e6 / answered.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Shares;

    fn report(pace: Pace, lag: u64, threads: &[[f64; 2]]) -> GeneratorReport {
        let plan = Plan { pace, ..Plan::new(Vec::new(), Vec::new(), 1, "r1".into()) };
        let threads = threads.iter().map(|&[busy, waited]| Shares { busy, waited }).collect();
        let mut record = Record { threads, ..Record::default() };
        record.counts.answered = 1_000_000;
        record.iamat.record(0, lag, lag, 1);
        GeneratorReport::new(&record, Duration::from_millis(500), &plan)
    }

    #[test]
    fn the_limit_by_table() {
        let open = Plan::new(Vec::new(), Vec::new(), 1, String::new()).pace;
        let closed = Pace::Closed { pipeline: 16 };
        let late = 20_000_000;
        for (pace, lag, threads, expected) in [
            (open, 0, &[[0.99, 0.0]][..], None),
            (open, late, &[[0.5, 0.2]], Some("INVALID: this program sent too late (p99 of send lag above 10.0 ms)")),
            (closed, 0, &[[0.5, 0.0], [0.8, 0.1]], None),
            (
                closed,
                0,
                &[[0.5, 0.0], [0.37, 0.6]],
                Some("LIMIT: this program, not the herd, held up more (a thread of it was busy for 37 %"),
            ),
        ] {
            let report = report(pace, lag, threads);
            let limit = report.limit();
            assert_eq!(report.is_limit, expected.is_some(), "{report:?}");
            assert!(limit.as_deref().unwrap_or_default().starts_with(expected.unwrap_or_default()), "{limit:?}");
            assert!((report.cpu_per_operation - 0.5).abs() < 1e-9);
        }
    }

    #[test]
    fn a_part_that_was_the_limit_makes_the_whole_so() {
        let closed = Pace::Closed { pipeline: 1 };
        let parts = [report(closed, 0, &[[0.2, 0.1]]), report(closed, 0, &[[0.99, 0.0]])];
        let whole = GeneratorReport::merge(&[&parts[0], &parts[1]], &Summary::default(), 1_000_000);
        assert_eq!((whole.is_limit, whole.valid, whole.busy), (true, true, vec![0.2, 0.99]));
        assert!((whole.cpu_per_operation - 1.0).abs() < 1e-9);
    }
}
