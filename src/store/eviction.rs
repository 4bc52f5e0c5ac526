//! Which update goes when the store is full: the smallest by (receipt at the origin, client).
//!
//! The order costs memory, so it exists only near the limits: from three quarters on, every
//! update that is stored adds one bucket to it, so that nothing ever waits for all of it.

use std::collections::BTreeSet;

use crate::protocol::time::UnixTime;
use crate::protocol::update::{AtLine, Update};

/// The order of eviction, as far as it has been made.
#[derive(Debug, Default)]
pub(super) struct Eviction {
    order: BTreeSet<Candidate>,
    /// Buckets below this number are in `order`, whole.
    indexed_buckets: usize,
    /// The greatest update evicted so far.
    floor: Option<Candidate>,
    evicted: u64,
}

/// An update in the order of eviction. The receipt stands beside it so that comparing two
/// seldom needs what the pointer points to.
#[derive(Debug)]
struct Candidate {
    receipt: UnixTime,
    update: Update,
}

impl Candidate {
    fn new(update: &Update) -> Self {
        Self { receipt: update.line().receipt(), update: update.clone() }
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_client = || self.update.line().id().cmp(other.update.line().id());
        self.receipt.cmp(&other.receipt).then_with(by_client)
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl Eviction {
    /// Whether an update is no greater than one that had to go.
    pub(super) fn is_below_floor(&self, line: &AtLine<'_>) -> bool {
        self.floor.as_ref().is_some_and(|floor| {
            let floor = floor.update.line();
            (line.receipt(), line.id()) <= (floor.receipt(), floor.id())
        })
    }

    /// When the greatest update that had to go was received.
    pub(super) fn floor(&self) -> Option<UnixTime> {
        self.floor.as_ref().map(|floor| floor.receipt)
    }

    /// Keeps the order true after an update was stored in a bucket.
    pub(super) fn note(&mut self, bucket: usize, update: &Update, replaced: Option<&Update>) {
        if bucket < self.indexed_buckets {
            if let Some(replaced) = replaced {
                self.order.remove(&Candidate::new(replaced));
            }
            self.order.insert(Candidate::new(update));
        }
    }

    /// How many buckets are in the order.
    pub(super) fn indexed_buckets(&self) -> usize {
        self.indexed_buckets
    }

    /// Takes the next bucket into the order.
    pub(super) fn index_bucket<'a>(&mut self, updates: impl Iterator<Item = &'a Update>) {
        self.order.extend(updates.map(Candidate::new));
        self.indexed_buckets += 1;
    }

    /// Takes the smallest update out of the order and makes it the floor.
    pub(super) fn pop_smallest(&mut self) -> Option<Update> {
        let smallest = self.order.pop_first()?;
        let update = smallest.update.clone();
        self.evicted += 1;
        self.floor = self.floor.take().max(Some(smallest));
        Some(update)
    }

    /// How many had to go so far.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}
