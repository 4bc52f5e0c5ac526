//! How busy a thread is while the run measures.

use crate::clock::thread_time;

/// A thread's processor time, looked at when measuring begins and when it ends.
#[derive(Debug, Default)]
pub(super) struct Busy {
    /// When measuring began for this thread, by the run's clock, and its processor time then; in
    /// nanoseconds.
    begin: Option<(u64, u64)>,
    end: Option<(u64, u64)>,
}

impl Busy {
    /// It is `now`; the run measures from `begin` to `end`.
    pub(super) fn look(&mut self, now: u64, begin: u64, end: u64) {
        if now >= begin && self.begin.is_none() {
            self.begin = Some((now, thread_time()));
        }
        if now >= end && self.end.is_none() {
            self.end = Some((now, thread_time()));
        }
    }

    /// The share of the measured time for which the thread used a processor, 0 to 1.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn share(&self) -> f64 {
        let (Some((begin, before)), Some((end, after))) = (self.begin, self.end) else { return 0.0 };
        ((after - before) as f64 / (end - begin).max(1) as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_time_between_the_looks() {
        let mut busy = Busy::default();
        busy.look(5, 10, 20);
        assert_eq!((busy.begin, busy.share()), (None, 0.0));
        busy.look(12, 10, 20);
        while thread_time() < busy.begin.unwrap().1 + 1_000_000 {}
        busy.look(4_000_012, 10, 20);
        // A second look at the end changes nothing.
        busy.look(9_000_000_000, 10, 20);
        let share = busy.share();
        assert!((0.25..1.0).contains(&share), "{share}");
    }
}
