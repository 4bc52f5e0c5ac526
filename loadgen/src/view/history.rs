//! The run look by look, and what columns of a picture are made of.

use std::collections::VecDeque;
use std::time::Duration;

use loadgen::live::Glance;
use loadgen::series::Phase;
use loadgen::watch::LOOK;

use super::scale::Steps;

/// Looks that are kept: enough for the widest screens.
const KEPT: usize = 2560;
/// Looks that a column is made of at most: a second.
const MOST_PER_COLUMN: usize = 5;

/// One look, or several as one.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) phase: Phase,
    pub(super) offered: u64,
    pub(super) answered: u64,
    /// Response times of IAMAT.
    pub(super) iamat: Steps,
    /// Response times of WHATSAT.
    pub(super) whatsat: Steps,
    /// From the probe's writes to where they were seen.
    pub(super) seen: Steps,
    /// How many looks it is.
    looks: u32,
}

/// The latest looks.
#[derive(Debug)]
pub(super) struct History {
    looks: VecDeque<Look>,
    /// Looks that were there before these.
    dropped: usize,
    /// Looks that the run is planned to take.
    planned: usize,
}

/// A part of the run, in columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// As many as there are looks for; a look may be in several.
    pub(super) looks: Vec<Look>,
    /// When the first begins, since the run's start.
    pub(super) start: Duration,
    /// How much time is between the first column and the right edge, filled or not.
    pub(super) span: Duration,
}

impl Look {
    pub(super) fn new(phase: Phase, glance: &Glance) -> Self {
        let (iamat, whatsat) = (&glance.recent.iamat.response, &glance.recent.whatsat.response);
        let (offered, answered) = (glance.offered, glance.answered);
        let [iamat, whatsat, seen] = [iamat, whatsat, &glance.sights.all].map(Steps::from);
        Self { phase, offered, answered, iamat, whatsat, seen, looks: 1 }
    }

    /// Commands that were due, per second.
    pub(super) fn offered_rate(&self) -> f64 {
        self.rate(self.offered)
    }

    /// Replies per second.
    pub(super) fn answered_rate(&self) -> f64 {
        self.rate(self.answered)
    }

    /// Response times of both operations.
    pub(super) fn responses(&self) -> Steps {
        let mut both = self.iamat.clone();
        both.add(&self.whatsat);
        both
    }

    #[allow(clippy::cast_precision_loss)]
    fn rate(&self, count: u64) -> f64 {
        count as f64 / (LOOK * self.looks).as_secs_f64()
    }

    fn add(&mut self, next: &Self) {
        self.phase = next.phase;
        self.offered += next.offered;
        self.answered += next.answered;
        self.iamat.add(&next.iamat);
        self.whatsat.add(&next.whatsat);
        self.seen.add(&next.seen);
        self.looks += next.looks;
    }
}

impl History {
    /// Of a run that is planned to send for so long.
    pub(super) fn new(length: Duration) -> Self {
        let planned = length.as_nanos().div_ceil(LOOK.as_nanos());
        let planned = usize::try_from(planned).unwrap_or(usize::MAX);
        Self { looks: VecDeque::new(), dropped: 0, planned }
    }

    pub(super) fn push(&mut self, look: Look) {
        if self.looks.len() == KEPT {
            self.looks.pop_front();
            self.dropped += 1;
        }
        self.looks.push_back(look);
    }

    /// The run in so many columns: all of it if a column may be short enough, else its end. Which
    /// looks are in a column stays as it is when others come.
    pub(super) fn columns(&self, width: u16) -> Columns {
        let width = usize::from(width.max(1));
        let shown = self.planned.clamp(1, width * MOST_PER_COLUMN);
        // Column c has looks from c × shown / width on, and at least one.
        let first_of = |column: usize| column * shown / width;
        let after = self.dropped + self.looks.len();
        let columns = (after * width).div_ceil(shown);
        let oldest = (self.dropped * width).div_ceil(shown);
        let first = columns.saturating_sub(width).max(oldest);
        let sum = |column| {
            let from = first_of(column);
            let to = first_of(column + 1).max(from + 1).min(after);
            let mut looks = self.looks.range(from - self.dropped..to - self.dropped);
            let mut sum = looks.next()?.clone();
            looks.for_each(|next| sum.add(next));
            Some(sum)
        };
        let looks = (first..columns).map_while(sum).collect();
        Columns { looks, start: times(LOOK, first_of(first)), span: times(LOOK, shown) }
    }
}

fn times(time: Duration, count: usize) -> Duration {
    time.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history in which the n-th look has n replies.
    fn history(planned: u32, looks: u64) -> History {
        let mut history = History::new(LOOK * planned);
        for answered in 0..looks {
            let (offered, iamat, whatsat, seen) = Default::default();
            history.push(Look { phase: Phase::Measure, offered, answered, iamat, whatsat, seen, looks: 1 });
        }
        history
    }

    fn answered(columns: &Columns) -> Vec<u64> {
        columns.looks.iter().map(|look| look.answered).collect()
    }

    #[test]
    fn a_run_fills_the_width_by_its_end() {
        let columns = history(10, 3).columns(10);
        assert_eq!(answered(&columns), [0, 1, 2]);
        assert_eq!((columns.start, columns.span), (Duration::ZERO, Duration::from_secs(2)));
        assert_eq!(answered(&history(5, 2).columns(10)), [0, 0, 1, 1]);
        assert_eq!(answered(&history(20, 5).columns(10)), [1, 5, 4]);
        assert_eq!(answered(&history(3, 3).columns(2)), [0, 1 + 2]);
        for (planned, width) in [(10, 10), (5, 7), (20, 11), (17, 5), (1, 3)] {
            let columns = history(planned, planned.into()).columns(width);
            assert_eq!(columns.looks.len(), usize::from(width));
            assert_eq!(columns.span, LOOK * planned);
        }
    }

    #[test]
    fn of_a_long_run_the_end_is_shown_in_columns_that_stay_what_they_are() {
        let columns = history(300, 17).columns(3);
        assert_eq!(answered(&columns), [5 + 6 + 7 + 8 + 9, 10 + 11 + 12 + 13 + 14, 15 + 16]);
        assert_eq!((columns.start, columns.span), (Duration::from_secs(1), Duration::from_secs(3)));
        assert!((columns.looks[2].answered_rate() - 31.0 / 0.4).abs() < 1e-9);
        let columns = history(18_000, 4000).columns(1);
        assert_eq!(answered(&columns), [3995 + 3996 + 3997 + 3998 + 3999]);
        assert_eq!(columns.start, Duration::from_secs(799));
        assert_eq!(history(18_000, 4000).columns(2000).looks.len(), KEPT / MOST_PER_COLUMN);
        let [before, after] = [21, 23].map(|looks| answered(&history(300, looks).columns(4)));
        assert_eq!((&before[..3], before[3], after[3]), (&after[..3], 20, 20 + 21 + 22));
    }

    #[test]
    fn nothing_is_no_column() {
        assert!(history(0, 0).columns(0).looks.is_empty());
        assert_eq!(history(0, 5).columns(0).looks.len(), 1);
    }
}
