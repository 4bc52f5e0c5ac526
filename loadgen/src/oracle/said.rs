//! What one client has said, as far as servers may still answer with it. At full speed these are
//! millions of updates, and with many clients few each, so an update is kept small.

use std::collections::VecDeque;
use std::num::NonZero;

use super::{MEMORY, ServerId};
use crate::movement::Position;

/// An update as it was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    /// Its time stamp, in nanoseconds since the epoch.
    pub(super) stamp: u64,
    /// The place in it.
    pub(super) position: Position,
    difference: i64,
    has_difference: bool,
    server: u16,
    /// How often connections to the server had broken when it was sent.
    incarnation: u32,
    /// Never at 0: nobody has replied in the first nanosecond.
    acknowledged: Option<NonZero<u64>>,
}

impl Sent {
    /// An update that goes to the given incarnation of a server.
    pub(super) fn new(stamp: u64, position: Position, server: ServerId, incarnation: usize) -> Self {
        Self {
            stamp,
            position,
            difference: 0,
            has_difference: false,
            server: u16::try_from(server).expect("a herd has fewer than 65536 servers"),
            incarnation: u32::try_from(incarnation).expect("connections break less than 2³² times"),
            acknowledged: None,
        }
    }

    /// To whom it was sent.
    pub(super) fn server(&self) -> ServerId {
        self.server.into()
    }

    /// How often connections to that server had broken then.
    pub(super) fn incarnation(&self) -> usize {
        self.incarnation as usize
    }

    /// When its reply came, by the run's clock.
    pub(super) fn acknowledged(&self) -> Option<u64> {
        self.acknowledged.map(NonZero::get)
    }

    /// Whether the difference in an AT line is that of the first AT line of the update, which it
    /// is if there was none before.
    pub(super) fn has_always_had(&mut self, difference: i64) -> bool {
        if !self.has_difference {
            (self.difference, self.has_difference) = (difference, true);
        }
        self.difference == difference
    }
}

/// A client's updates, by stamp, ascending.
#[derive(Debug, Default)]
pub(super) struct Said {
    updates: VecDeque<Sent>,
    /// The greatest stamp of those that were sent and are no longer remembered; 0 for none.
    pub(super) forgotten: u64,
    /// The place of the update whose reply is likely to come next: they come in order.
    next: usize,
}

impl Said {
    /// Adds an update.
    ///
    /// # Panics
    /// If it is not newer than all others.
    pub(super) fn add(&mut self, sent: Sent) {
        assert!(self.updates.back().is_none_or(|last| last.stamp < sent.stamp), "stamps of one client ascend");
        self.updates.push_back(sent);
    }

    /// The updates that are remembered, the newest last.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Sent> {
        self.updates.iter()
    }

    /// The newest update.
    pub(super) fn newest(&self) -> Option<&Sent> {
        self.updates.back()
    }

    /// The update with a stamp.
    pub(super) fn find(&mut self, stamp: u64) -> Option<&mut Sent> {
        let place = self.place(stamp)?;
        self.updates.get_mut(place)
    }

    fn place(&self, stamp: u64) -> Option<usize> {
        // Without this every reply would search through memory that no cache holds any more.
        if self.updates.get(self.next).is_some_and(|next| next.stamp == stamp) {
            return Some(self.next);
        }
        self.updates.binary_search_by_key(&stamp, |sent| sent.stamp).ok()
    }

    /// Notes that the update with a stamp was acknowledged, and forgets what others have replaced
    /// everywhere for so long that no server may answer with it. That is done when there is little
    /// room left, for many at a time.
    pub(super) fn acknowledge(&mut self, stamp: u64, now: u64) {
        let Some(place) = self.place(stamp) else { return };
        self.updates[place].acknowledged = NonZero::new(now.max(1));
        self.next = place + 1;
        if self.updates.len() + self.updates.len() / 4 < self.updates.capacity() {
            return;
        }
        while self.updates.get(1).and_then(Sent::acknowledged).is_some_and(|time| time + MEMORY < now) {
            self.forgotten = self.updates.pop_front().map_or(self.forgotten, |oldest| oldest.stamp);
            self.next = self.next.saturating_sub(1);
        }
    }
}
