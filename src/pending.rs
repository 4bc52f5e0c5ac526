//! What waits for one neighbour: one slot per client, the newest wins (conflation).

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::protocol::update::{AtLine, Update};

/// Slots that an empty queue keeps room for.
const KEPT_CAPACITY: usize = 1024;

/// Updates in the order in which their clients began to wait. A newer update takes the place
/// of the waiting one, so a neighbour that reads slowly costs one slot per client and no more.
#[derive(Debug, Default)]
pub struct Pending {
    slots: VecDeque<Slot>,
    /// The number of the first slot; slots are numbered without end, front to back.
    first: u64,
    /// The number of each client's slot.
    numbers: HashTable<u64>,
    hasher: foldhash::fast::RandomState,
    waiting: usize,
}

/// A client's place in the queue. It stays when the neighbour turns out to have the update,
/// so that a client never has two.
#[derive(Debug)]
struct Slot {
    update: Update,
    cancelled: bool,
}

impl Pending {
    /// Puts an update in its client's slot unless a newer one is there. Returns whether the
    /// queue was empty, that is, whether somebody has to be woken.
    pub fn offer(&mut self, update: &Update) -> bool {
        let was_empty = self.slots.is_empty();
        let (slots, first) = (&mut self.slots, self.first);
        let hash = |id: &[u8]| self.hasher.hash_one(id);
        let index = |number: u64| usize::try_from(number - first).expect("the queue fits in memory");
        let id = update.line().id();
        let entry = self.numbers.entry(
            hash(id),
            |&number| slots[index(number)].update.line().id() == id,
            |&number| hash(slots[index(number)].update.line().id()),
        );
        match entry {
            Entry::Occupied(number) => {
                let slot = &mut slots[index(*number.get())];
                if slot.update.line() < update.line() {
                    self.waiting += usize::from(slot.cancelled);
                    *slot = Slot { update: update.clone(), cancelled: false };
                }
            }
            Entry::Vacant(vacant) => {
                vacant.insert(first + slots.len() as u64);
                slots.push_back(Slot { update: update.clone(), cancelled: false });
                self.waiting += 1;
            }
        }
        was_empty
    }

    /// The neighbour has `line`: what waits for it about that client goes unless it is newer.
    pub fn cancel(&mut self, line: &AtLine<'_>) {
        if self.waiting == 0 {
            return;
        }
        let hash = self.hasher.hash_one(line.id());
        let index = |number: u64| usize::try_from(number - self.first).expect("the queue fits in memory");
        let number = self.numbers.find(hash, |&number| self.slots[index(number)].update.line().id() == line.id());
        if let Some(&number) = number {
            let slot = &mut self.slots[index(number)];
            if !slot.cancelled && slot.update.line() <= *line {
                slot.cancelled = true;
                self.waiting -= 1;
            }
        }
    }

    /// Takes the update that has waited longest.
    pub fn pop(&mut self) -> Option<Update> {
        while let Some(slot) = self.slots.pop_front() {
            self.forget_first(&slot.update);
            if !slot.cancelled {
                self.waiting -= 1;
                return Some(slot.update);
            }
        }
        self.release_memory();
        None
    }

    /// How many clients have a slot, those included whose update need no longer be sent.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Drops the slots of updates that need no longer be sent.
    pub fn prune(&mut self, mut is_needed: impl FnMut(&Update) -> bool) {
        self.slots.retain(|slot| !slot.cancelled && is_needed(&slot.update));
        self.waiting = self.slots.len();
        self.numbers.clear();
        let (slots, first) = (&self.slots, self.first);
        let hash = |update: &Update| self.hasher.hash_one(update.line().id());
        let of = |number: u64| &slots[usize::try_from(number - first).expect("the queue fits in memory")].update;
        for (number, slot) in (first..).zip(slots) {
            self.numbers.insert_unique(hash(&slot.update), number, |&number| hash(of(number)));
        }
    }

    /// How many updates wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Removes the number of the slot that was just taken off the front.
    fn forget_first(&mut self, update: &Update) {
        let hash = self.hasher.hash_one(update.line().id());
        let entry = self.numbers.find_entry(hash, |&number| number == self.first);
        entry.expect("every slot is numbered").remove();
        self.first += 1;
    }

    fn release_memory(&mut self) {
        if self.slots.capacity() > KEPT_CAPACITY {
            self.slots = VecDeque::new();
            self.numbers = HashTable::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn update(client: u8, stamp: u32) -> Update {
        let text = format!("AT Clark +0.000000000 c{client} +0+0 {stamp}");
        Update::new(AtLine::parse(text.as_bytes()).unwrap())
    }

    fn drain(pending: &mut Pending) -> Vec<Update> {
        std::iter::from_fn(|| pending.pop()).collect()
    }

    fn lines(updates: &[Update]) -> Vec<AtLine<'_>> {
        updates.iter().map(Update::line).collect()
    }

    #[test]
    fn clients_keep_their_place_and_the_newest_update_wins() {
        let mut pending = Pending::default();
        assert!(pending.offer(&update(1, 5)));
        assert!(!pending.offer(&update(2, 5)));
        assert!(!pending.offer(&update(1, 7)));
        assert!(!pending.offer(&update(1, 6)));
        assert_eq!(pending.len(), 2);
        assert_eq!(lines(&drain(&mut pending)), lines(&[update(1, 7), update(2, 5)]));
        assert!(pending.offer(&update(1, 7)), "what was sent may be offered again");
    }

    #[test]
    fn what_the_neighbour_has_is_not_sent_and_what_is_newer_is() {
        let mut pending = Pending::default();
        for client in [1, 2, 3] {
            pending.offer(&update(client, 5));
        }
        pending.cancel(&update(1, 5).line());
        pending.cancel(&update(2, 4).line());
        pending.cancel(&update(3, 6).line());
        pending.cancel(&update(9, 9).line());
        assert_eq!(pending.len(), 1);
        assert_eq!(lines(&drain(&mut pending)), lines(&[update(2, 5)]));
    }

    #[test]
    fn after_a_burst_no_memory_is_held() {
        let mut pending = Pending::default();
        for stamp in 0..10_000 {
            let text = format!("AT Clark +0.000000000 c{stamp} +0+0 1");
            pending.offer(&Update::new(AtLine::parse(text.as_bytes()).unwrap()));
        }
        drain(&mut pending);
        assert_eq!((pending.slots.capacity(), pending.numbers.capacity()), (0, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Offer(u8, u32),
        Cancel(u8, u32),
        /// This client's update is no longer needed.
        Prune(u8),
        Pop,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..5_u8, 0..6_u32).prop_map(|(client, stamp)| Step::Offer(client, stamp)),
            1 => (0..5_u8, 0..6_u32).prop_map(|(client, stamp)| Step::Cancel(client, stamp)),
            1 => (0..5_u8).prop_map(Step::Prune),
            1 => Just(Step::Pop),
        ]
    }

    proptest! {
        /// Against the obvious model: a map of what waits.
        #[test]
        fn there_is_one_slot_per_client_and_nothing_is_lost(steps in prop::collection::vec(step(), 0..200)) {
            let mut pending = Pending::default();
            let mut model: BTreeMap<Vec<u8>, Update> = BTreeMap::new();
            // What the neighbour has been given credit for while the client kept its place.
            for step in steps {
                match step {
                    Step::Offer(client, stamp) => {
                        let new = update(client, stamp);
                        let slot = pending.slots.iter().find(|slot| slot.update.line().id() == new.line().id());
                        let newer = slot.is_none_or(|slot| slot.update.line() < new.line());
                        pending.offer(&new);
                        if newer {
                            model.insert(new.line().id().to_vec(), new);
                        }
                    }
                    Step::Cancel(client, stamp) => {
                        let has = update(client, stamp);
                        pending.cancel(&has.line());
                        if model.get(has.line().id()).is_some_and(|waits| waits.line() <= has.line()) {
                            model.remove(has.line().id());
                        }
                    }
                    Step::Prune(client) => {
                        let gone = update(client, 0).line().id().to_vec();
                        pending.prune(|update| update.line().id() != gone);
                        model.remove(&gone);
                        prop_assert_eq!(pending.slots(), model.len());
                    }
                    Step::Pop => {
                        if let Some(popped) = pending.pop() {
                            let waited = model.remove(popped.line().id()).expect("only what waits is popped");
                            prop_assert_eq!(waited.line(), popped.line());
                        }
                    }
                }
                prop_assert_eq!(pending.len(), model.len());
                prop_assert!(pending.slots.len() <= 5);
                prop_assert_eq!(pending.slots.len(), pending.numbers.len());
            }
            for popped in drain(&mut pending) {
                let waited = model.remove(popped.line().id()).expect("only what waits is popped");
                prop_assert_eq!(waited.line(), popped.line());
            }
            prop_assert!(model.is_empty());
        }
    }
}
