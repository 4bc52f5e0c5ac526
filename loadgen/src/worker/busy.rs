//! How busy a thread is while the run measures.

use crate::clock::thread_time;

/// How a thread has spent the measured time, each as a share of it, 0 to 1. What is left is what
/// it had nothing to do for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shares {
    /// It used a processor.
    pub busy: f64,
    /// It could have used one that others had; 0 where the system does not say.
    pub waited: f64,
}

/// A moment, and how much time a thread had spent until then; in nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Look {
    now: u64,
    busy: u64,
    waited: u64,
}

/// A thread's time, looked at when measuring begins and when it ends.
#[derive(Debug, Default)]
pub(super) struct Busy {
    begin: Option<Look>,
    end: Option<Look>,
}

impl Busy {
    /// It is `now`; the run measures from `begin` to `end`.
    pub(super) fn look(&mut self, now: u64, begin: u64, end: u64) {
        let look = || Look { now, busy: thread_time(), waited: waited().unwrap_or(0) };
        if now >= begin && self.begin.is_none() {
            self.begin = Some(look());
        }
        // A run that is ended early may end before it measures.
        if now >= end && self.begin.is_some_and(|begin| begin.now < now) && self.end.is_none() {
            self.end = Some(look());
        }
    }

    /// How the time between the looks was spent.
    pub(super) fn shares(&self) -> Shares {
        let (Some(begin), Some(end)) = (self.begin, self.end) else { return Shares::default() };
        #[allow(clippy::cast_precision_loss)]
        let share = |part: u64| (part as f64 / (end.now - begin.now) as f64).min(1.0);
        Shares { busy: share(end.busy - begin.busy), waited: share(end.waited.saturating_sub(begin.waited)) }
    }
}

/// How long this thread has waited for a processor so far, in nanoseconds (proc(5): schedstat).
fn waited() -> Option<u64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ends_before_it_measures_has_no_shares() {
        let mut busy = Busy::default();
        busy.look(5, 10, 4);
        busy.look(12, 10, 4);
        busy.look(12, 10, 4);
        assert_eq!(busy.shares(), Shares::default());
    }

    #[test]
    fn shares_are_of_the_time_between_the_looks() {
        let mut busy = Busy::default();
        busy.look(5, 10, 20);
        assert_eq!(busy.shares(), Shares::default());
        busy.look(12, 10, 20);
        let begun = thread_time();
        while thread_time() < begun + 1_000_000 {}
        busy.look(4_000_012, 10, 20);
        // A second look at the end changes nothing.
        busy.look(9_000_000_000, 10, 20);
        let shares = busy.shares();
        assert!((0.25..=1.0).contains(&shares.busy) && (0.0..=1.0).contains(&shares.waited), "{shares:?}");
    }
}
