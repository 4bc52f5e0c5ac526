//! When commands are sent, in nanoseconds since the start: on a schedule that does not wait for
//! replies, or as fast as these come.

use fastrand::Rng;
use hdrhistogram::Histogram;
use loadgen::measure::histogram;

const NANOS_PER_SECOND: f64 = 1e9;

#[derive(Debug)]
pub(super) struct Schedule {
    course: Course,
    lag: Histogram<u64>,
}

#[derive(Debug)]
enum Course {
    /// Each client sends once in an interval, at a time of its own.
    Open {
        /// In nanoseconds.
        interval: f64,
        /// By client in the order of time, as parts of the interval.
        phases: Vec<f64>,
        /// Commands that were taken.
        taken: u64,
    },
    /// Clients that have yet to send their first commands; all later ones follow replies.
    Closed { first: Vec<usize> },
}

impl Schedule {
    pub(super) fn open(rate: f64, clients: usize, rng: &mut Rng) -> Self {
        let mut phases: Vec<f64> = (0..clients).map(|_| rng.f64()).collect();
        phases.sort_by(f64::total_cmp);
        #[allow(clippy::cast_precision_loss)]
        let interval = NANOS_PER_SECOND * clients as f64 / rate;
        Self { course: Course::Open { interval, phases, taken: 0 }, lag: histogram() }
    }

    pub(super) fn closed(pipeline: usize, clients: usize) -> Self {
        let first = (0..clients).flat_map(|client| std::iter::repeat_n(client, pipeline)).collect();
        Self { course: Course::Closed { first }, lag: histogram() }
    }

    /// A client whose time has come, and when that was. What is late is not left out.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(usize, u64)> {
        let next_due = self.next_due();
        match &mut self.course {
            Course::Open { phases, taken, .. } => {
                let due = next_due.filter(|&due| due <= now)?;
                *taken += 1;
                Some((place(*taken - 1, phases.len()), due))
            }
            Course::Closed { first } => Some((first.pop()?, now)),
        }
    }

    /// When the next client is due; nothing if that depends on replies.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    pub(super) fn next_due(&self) -> Option<u64> {
        let Course::Open { interval, phases, taken } = &self.course else { return None };
        let intervals = (taken / phases.len() as u64) as f64 + phases[place(*taken, phases.len())];
        Some((intervals * interval) as u64)
    }

    pub(super) const fn follows_replies(&self) -> bool {
        matches!(self.course, Course::Closed { .. })
    }

    /// A command that was due is written.
    pub(super) fn written(&mut self, due: u64, now: u64) {
        self.lag.saturating_record(now.saturating_sub(due));
    }

    /// How late commands were written: 99 % were no later, in microseconds.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn lag_p99(&self) -> f64 {
        self.lag.value_at_percentile(99.0) as f64 / 1000.0
    }
}

#[allow(clippy::cast_possible_truncation)]
fn place(taken: u64, clients: usize) -> usize {
    (taken % clients as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_schedule_catches_up_on_every_command() {
        let mut schedule = Schedule::open(1000.0, 10, &mut Rng::with_seed(1));
        let mut taken = Vec::new();
        for now in [0, 5_000_000, 100_000_000] {
            while let Some((client, due)) = schedule.take_due(now) {
                assert!(due <= now);
                taken.push((client, due));
            }
            assert!(schedule.next_due().unwrap() > now);
        }
        assert!((99..=101).contains(&taken.len()), "{}", taken.len());
        assert!(taken.iter().is_sorted_by_key(|(_, due)| due));
        assert_eq!(taken.iter().filter(|(client, _)| *client == 3).count(), 10);
    }

    #[test]
    fn a_closed_schedule_fills_the_pipelines_once() {
        let mut schedule = Schedule::closed(2, 2);
        let first: Vec<usize> = std::iter::from_fn(|| schedule.take_due(7)).map(|(client, _)| client).collect();
        assert_eq!(first, [1, 1, 0, 0]);
        assert!(schedule.follows_replies() && schedule.next_due().is_none());
    }
}
