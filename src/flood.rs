//! Which update goes to which neighbour: the store and what waits for each live neighbour.
//!
//! An update that is stored is offered to every live neighbour that is not known to have it;
//! one that is not newer than what is known goes nowhere, and that is what stops the flood.

use std::collections::VecDeque;
use std::ops::BitOrAssign;

use crate::pending::Pending;
use crate::protocol::update::{AtLine, Update};
use crate::store::{BUCKETS, Merge, Store, StoreLimits};

/// Neighbours of one server, observers included, at most: a set of them is one word.
pub const MAX_NEIGHBOURS: usize = 64;

/// The number of a neighbour: its place in the server's list of neighbours.
pub type NeighbourId = usize;

/// A set of neighbours whose queues were empty and are no longer: somebody has to wake them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Wake(u64);

impl Wake {
    /// The neighbours in the set.
    pub fn iter(self) -> impl Iterator<Item = NeighbourId> {
        (0..MAX_NEIGHBOURS).filter(move |neighbour| self.0 >> neighbour & 1 == 1)
    }

    /// Whether nobody has to be woken.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn insert(&mut self, neighbour: NeighbourId) {
        self.0 |= 1 << neighbour;
    }
}

impl BitOrAssign for Wake {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// What became of an update that a client or a neighbour sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored, and offered to the neighbours.
    Fresh,
    /// Not newer than what is known; nothing changed.
    Stale,
    /// Older than what had to be evicted; not kept.
    BelowFloor,
}

/// What is to be sent to a neighbour next.
#[derive(Debug)]
pub enum Next {
    /// An update that waited.
    Live(Update),
    /// An update that was known when the link formed.
    CatchUp(Update),
    /// All that was known when the link formed has been sent.
    CaughtUp,
}

/// All that a server knows and has yet to say. One short lock guards it.
#[derive(Debug)]
pub struct Flood {
    store: Store,
    /// By neighbour; `None` while its link is down: nothing is kept for who is away.
    outbound: Vec<Option<Outbound>>,
}

#[derive(Debug, Default)]
struct Outbound {
    pending: Pending,
    /// What is left to send of all that was known; `None` once it is through.
    catch_up: Option<CatchUp>,
    /// That it is through is said once, however often the walk begins again.
    caught_up: bool,
}

/// A walk through the store, a bucket at a time. What changes in buckets ahead is met there,
/// what changes in buckets behind is live traffic: nothing is missed.
#[derive(Debug, Default)]
struct CatchUp {
    next_bucket: usize,
    updates: VecDeque<Update>,
}

impl Flood {
    /// Nothing known, no link up.
    ///
    /// # Panics
    /// With more than [`MAX_NEIGHBOURS`]; the herd file was checked for that.
    #[must_use]
    pub fn new(limits: StoreLimits, neighbours: usize) -> Self {
        assert!(neighbours <= MAX_NEIGHBOURS);
        let outbound = std::iter::repeat_with(|| None).take(neighbours).collect();
        Self { store: Store::new(limits), outbound }
    }

    /// What is known.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes in what a client (`from` is `None`) or a neighbour sent.
    pub fn offer(&mut self, line: AtLine<'_>, from: Option<NeighbourId>) -> (Outcome, Wake) {
        if let Some(sender) = from.and_then(|sender| self.outbound[sender].as_mut()) {
            sender.pending.cancel(&line);
        }
        let (outcome, wake) = match self.store.merge(line) {
            Merge::Fresh(update) => (Outcome::Fresh, self.pass_on(&update, from)),
            Merge::Stale => return (Outcome::Stale, Wake::default()),
            Merge::BelowFloor => (Outcome::BelowFloor, Wake::default()),
        };
        self.bound_queues();
        (outcome, wake)
    }

    /// Offers an update to every live neighbour but the one that it came from.
    fn pass_on(&mut self, update: &Update, from: Option<NeighbourId>) -> Wake {
        let mut wake = Wake::default();
        for (neighbour, outbound) in self.outbound.iter_mut().enumerate() {
            if let Some(outbound) = outbound.as_mut().filter(|_| Some(neighbour) != from)
                && outbound.pending.offer(update)
            {
                wake.insert(neighbour);
            }
        }
        wake
    }

    /// A queue that is longer than the store holds clients that were evicted, and could grow
    /// without end while its neighbour is slow. Going through the store is shorter then. Nobody
    /// has to be woken: whoever drains the queue has not come to its end.
    fn bound_queues(&mut self) {
        for outbound in self.outbound.iter_mut().flatten() {
            if outbound.pending.slots() > self.store.clients() {
                outbound.pending = Pending::default();
                outbound.catch_up = Some(CatchUp::default());
            }
        }
    }

    /// A link has formed: all that is known is to be sent, and from now on what is new.
    pub fn link_up(&mut self, neighbour: NeighbourId) {
        self.outbound[neighbour] = Some(Outbound { catch_up: Some(CatchUp::default()), ..Outbound::default() });
    }

    /// A link is gone, and with it what waited for it: the next link starts with everything.
    pub fn link_down(&mut self, neighbour: NeighbourId) {
        self.outbound[neighbour] = None;
    }

    /// How many updates wait for a neighbour, what it has yet to catch up on not counted.
    #[must_use]
    pub fn pending(&self, neighbour: NeighbourId) -> usize {
        self.outbound[neighbour].as_ref().map_or(0, |outbound| outbound.pending.len())
    }

    /// Takes what is to be sent to a neighbour next, what is live first.
    pub fn next(&mut self, neighbour: NeighbourId) -> Option<Next> {
        let outbound = self.outbound[neighbour].as_mut()?;
        if let Some(update) = outbound.pending.pop() {
            return Some(Next::Live(update));
        }
        if let Some(update) = outbound.catch_up.as_mut()?.next(&self.store) {
            return Some(Next::CatchUp(update));
        }
        outbound.catch_up = None;
        let said = std::mem::replace(&mut outbound.caught_up, true);
        (!said).then_some(Next::CaughtUp)
    }
}

impl CatchUp {
    fn next(&mut self, store: &Store) -> Option<Update> {
        while self.updates.is_empty() && self.next_bucket < BUCKETS {
            self.updates = store.bucket(self.next_bucket).into();
            self.next_bucket += 1;
        }
        self.updates.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StoreLimits = StoreLimits { clients: 1000, bytes: 1 << 20 };

    fn update(client: u32, stamp: u32) -> Update {
        let text = format!("AT Clark +0.000000000 c{client} +0+0 {stamp}");
        Update::new(AtLine::parse(text.as_bytes()).unwrap())
    }

    fn herd_of(neighbours: usize) -> Flood {
        let mut flood = Flood::new(LIMITS, neighbours);
        for neighbour in 0..neighbours {
            flood.link_up(neighbour);
            while flood.next(neighbour).is_some() {}
        }
        flood
    }

    /// All that is to be sent to a neighbour: lines, and `DONE` for the end of catching up.
    fn drain(flood: &mut Flood, neighbour: NeighbourId) -> Vec<String> {
        let text = |update: Update| String::from_utf8(update.line().bytes().to_vec()).unwrap();
        let next = std::iter::from_fn(|| flood.next(neighbour));
        next.map(|next| match next {
            Next::Live(update) | Next::CatchUp(update) => text(update),
            Next::CaughtUp => "DONE".into(),
        })
        .collect()
    }

    fn text(update: &Update) -> String {
        String::from_utf8(update.line().bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_clients_update_goes_to_every_neighbour_and_a_neighbours_to_the_others() {
        let mut flood = herd_of(3);
        let (outcome, wake) = flood.offer(update(1, 1).line(), None);
        assert_eq!((outcome, wake.iter().collect::<Vec<_>>()), (Outcome::Fresh, vec![0, 1, 2]));
        let (_, wake) = flood.offer(update(2, 1).line(), Some(1));
        assert!(wake.is_empty(), "their queues were not empty");
        assert_eq!(drain(&mut flood, 0), [text(&update(1, 1)), text(&update(2, 1))]);
        assert_eq!(drain(&mut flood, 1), [text(&update(1, 1))]);
    }

    #[test]
    fn what_is_not_newer_goes_nowhere() {
        let mut flood = herd_of(2);
        flood.offer(update(1, 5).line(), Some(0));
        drain(&mut flood, 1);
        for stale in [update(1, 5), update(1, 4)] {
            assert_eq!(flood.offer(stale.line(), None), (Outcome::Stale, Wake::default()));
        }
        assert!(drain(&mut flood, 0).is_empty() && drain(&mut flood, 1).is_empty());
    }

    #[test]
    fn what_a_neighbour_sends_us_first_is_not_sent_to_it() {
        let mut flood = herd_of(2);
        flood.offer(update(1, 1).line(), None);
        flood.offer(update(1, 1).line(), Some(0));
        assert_eq!((flood.pending(0), flood.pending(1)), (0, 1));
        flood.offer(update(1, 2).line(), Some(1));
        assert_eq!(drain(&mut flood, 0), [text(&update(1, 2))]);
        assert!(drain(&mut flood, 1).is_empty());
    }

    #[test]
    fn who_is_away_costs_nothing_and_gets_everything_on_return() {
        let mut flood = herd_of(2);
        flood.link_down(0);
        for client in 0..100 {
            flood.offer(update(client, 1).line(), None);
        }
        assert_eq!((flood.pending(0), flood.pending(1)), (0, 100));
        assert!(flood.next(0).is_none());
        flood.link_up(0);
        let mut sent = drain(&mut flood, 0);
        assert_eq!(sent.pop().unwrap(), "DONE");
        sent.sort();
        let mut known: Vec<_> = (0..100).map(|client| text(&update(client, 1))).collect();
        known.sort();
        assert_eq!(sent, known);
    }

    #[test]
    fn a_slow_neighbours_queue_is_never_longer_than_a_full_store() {
        let mut flood = Flood::new(StoreLimits { clients: 3, bytes: 1 << 20 }, 2);
        flood.link_up(0);
        assert_eq!(drain(&mut flood, 0), ["DONE"]);
        for moment in 1..100 {
            flood.offer(update(moment, moment).line(), Some(1));
            assert!(flood.pending(0) <= flood.store().clients(), "after {moment}");
        }
        let mut sent = drain(&mut flood, 0);
        sent.sort();
        sent.dedup();
        assert_eq!(
            sent,
            [97, 98, 99].map(|client| text(&update(client, client))),
            "what is stored, and DONE only once"
        );
    }

    #[test]
    fn live_updates_overtake_catching_up_and_none_is_missed() {
        let mut flood = herd_of(1);
        for client in 0..50 {
            flood.offer(update(client, 1).line(), None);
        }
        flood.link_up(0);
        assert!(matches!(flood.next(0), Some(Next::CatchUp(_))));
        let mut last_sent = std::collections::BTreeMap::new();
        for client in 0..50 {
            flood.offer(update(client, 2).line(), None);
            let Some(Next::Live(update)) = flood.next(0) else { panic!("live first") };
            last_sent.insert(update.line().id().to_vec(), update.line().stamp());
        }
        let rest = drain(&mut flood, 0);
        assert_eq!(rest.len(), 50, "49 more of the old ones at most, and DONE: {rest:?}");
        assert_eq!(last_sent.len(), 50);
    }
}
