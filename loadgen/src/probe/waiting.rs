//! What one server is to show of another's updates.

use std::collections::VecDeque;

use super::{EAGER, LOST_AFTER, PAUSE};

/// An update on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) stamp: u64,
    /// By the run's clock.
    pub(super) written: u64,
    /// Whether the run measured by then.
    pub(super) measured: bool,
}

/// Updates of one origin that one observer has yet to show. Times are nanoseconds of the run's
/// clock.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The oldest first.
    writes: VecDeque<Write>,
    /// When the observer was asked, if it has not answered yet.
    pub(super) asked: Option<u64>,
    /// When the observer last answered.
    pub(super) unseen_at: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, write: Write) {
        self.writes.push_back(write);
    }

    pub(super) fn is_for_something(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Takes out what an answer with this stamp shows: who knows a newer update needs no older
    /// one.
    pub(super) fn take_shown(&mut self, stamp: u64) -> impl Iterator<Item = Write> {
        let shown = self.writes.partition_point(|write| write.stamp <= stamp);
        self.writes.drain(..shown)
    }

    /// Takes out what has been on its way for too long, and counts what of it was measured.
    pub(super) fn take_lost(&mut self, now: u64) -> u64 {
        let lost = self.writes.partition_point(|write| write.written + LOST_AFTER < now);
        self.writes.drain(..lost).filter(|write| write.measured).count() as u64
    }

    /// Takes out everything, and counts what of it was measured.
    pub(super) fn give_up(&mut self) -> u64 {
        self.writes.drain(..).filter(|write| write.measured).count() as u64
    }

    /// The observer has answered.
    pub(super) fn answered(&mut self, now: u64) {
        self.asked = None;
        self.unseen_at = now;
    }

    /// Whether it is time to ask: at once as long as nothing is late, else after a pause.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let is_late = |write: &Write| write.written + EAGER < now;
        let oldest = self.writes.front();
        self.asked.is_none() && oldest.is_some_and(|oldest| !is_late(oldest) || self.unseen_at + PAUSE <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> Waiting {
        let mut waiting = Waiting::default();
        for (stamp, measured) in [(10, false), (20, true), (30, true)] {
            waiting.push(Write { stamp, written: stamp, measured });
        }
        waiting
    }

    #[test]
    fn an_answer_shows_all_that_is_not_newer() {
        let mut waiting = waiting();
        let stamps: Vec<u64> = waiting.take_shown(25).map(|write| write.stamp).collect();
        assert_eq!(stamps, [10, 20]);
        assert_eq!(waiting.take_shown(25).count(), 0);
        assert!(waiting.is_for_something());
        assert_eq!(waiting.give_up(), 1);
        assert!(!waiting.is_for_something());
    }

    #[test]
    fn what_is_late_is_lost_and_counted_where_it_was_measured() {
        let mut waiting = waiting();
        assert_eq!(waiting.take_lost(20 + LOST_AFTER), 0);
        assert_eq!(waiting.take_lost(21 + LOST_AFTER), 1);
        assert_eq!(waiting.take_lost(40 + LOST_AFTER), 1);
        assert!(!waiting.is_for_something());
    }

    #[test]
    fn who_is_late_is_asked_with_pauses_and_everybody_else_without() {
        let mut waiting = waiting();
        assert!(waiting.is_due(40));
        waiting.asked = Some(40);
        assert!(!waiting.is_due(50));
        waiting.answered(60);
        assert!(waiting.is_due(60));
        waiting.answered(EAGER + 100);
        assert!(!waiting.is_due(EAGER + 101));
        assert!(waiting.is_due(EAGER + 100 + PAUSE));
    }
}
