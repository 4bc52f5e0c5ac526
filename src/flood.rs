//! Which update goes to which neighbour: the store and what waits for each live neighbour.
//!
//! An update that is stored is offered to every live neighbour that is not known to have it;
//! one that is not newer than what is known goes nowhere, and that is what stops the flood.

use std::collections::VecDeque;
use std::ops::BitOrAssign;

use crate::pending::Pending;
use crate::protocol::peer::{DONE, PeerLine};
use crate::protocol::sync::SyncLine;
use crate::protocol::time::UnixTime;
use crate::protocol::update::{AtLine, Update};
use crate::store::{BUCKETS, Merge, Store, StoreLimits};
use crate::sync::{self, Overasked, Said, Sync};

/// Neighbours of one server, observers included, at most: a set of them is one word.
pub const MAX_NEIGHBOURS: usize = 64;
/// Slots that a queue may have before it is looked at for what was evicted.
const FEW_SLOTS: usize = 64;

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

/// How a link is to be brought up to date, and whom it is with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// An observer gets everything that is known, and nothing that it says is learnt.
    Observer,
    /// A neighbour that cannot compare stores gets everything that is known.
    Everything,
    /// Both sides find out what differs.
    Sync {
        /// Whether rounds are begun here.
        begins: bool,
    },
}

/// What a line from a neighbour was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard<'l> {
    /// An update that was newer than what is known; it goes on to the others.
    Fresh {
        /// The update.
        line: AtLine<'l>,
        /// Why it has come.
        way: Way,
    },
    /// An update that was not newer, or that is older than what had to be evicted.
    Stale,
    /// An update that is none.
    Invalid,
    /// The neighbour compares its store with ours.
    RoundBegan,
    /// All that the neighbour knew when the link formed is here.
    CaughtUp,
    /// A sign of life, a step of a comparison, or what an observer says.
    Nothing,
    /// A kind of line that we do not know.
    Unknown,
}

/// Why an update has come from a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It was new there.
    Flooded,
    /// It was found missing here when the link formed.
    CaughtUp,
    /// It was found missing here by a comparison in the background: the stores had diverged.
    Diverged,
}

/// All that a server knows and has yet to say. One short lock guards it.
#[derive(Debug)]
pub struct Flood {
    store: Store,
    /// By neighbour; `None` while its link is down: nothing is kept for who is away.
    outbound: Vec<Option<Outbound>>,
}

#[derive(Debug)]
struct Outbound {
    pending: Pending,
    is_observer: bool,
    catch_up: CatchUp,
}

/// What is to be said besides what is live.
#[derive(Debug)]
enum CatchUp {
    /// A part of everything that was known when the link formed, and then `DONE`.
    Everything(Walk),
    /// `DONE` was said.
    Done,
    /// Whatever the two sides find out to be missing.
    Sync(Sync),
}

/// A walk through the store, a bucket at a time. What changes in buckets ahead is met there,
/// what changes in buckets behind is live traffic: nothing is missed.
#[derive(Debug, Default)]
struct Walk {
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
        self.take_in(line, from, false)
    }

    /// `is_old`: others have known it for a while. Then it is not offered to neighbours with whom
    /// stores are yet to be compared: most of them know it, and it is found if they do not.
    fn take_in(&mut self, line: AtLine<'_>, from: Option<NeighbourId>, is_old: bool) -> (Outcome, Wake) {
        if let Some(sender) = from.and_then(|sender| self.outbound[sender].as_mut()) {
            sender.pending.cancel(&line);
        }
        let update = match self.store.merge(line) {
            Merge::Fresh(update) => update,
            Merge::Stale => return (Outcome::Stale, Wake::default()),
            Merge::BelowFloor => return (Outcome::BelowFloor, Wake::default()),
        };
        let mut wake = Wake::default();
        for (neighbour, outbound) in self.outbound.iter_mut().enumerate() {
            if let Some(outbound) = outbound.as_mut().filter(|_| Some(neighbour) != from)
                && !(is_old && outbound.sync().is_some_and(Sync::is_yet_to_compare))
                && outbound.pending.offer(&update)
            {
                wake.insert(neighbour);
            }
        }
        self.bound_queues();
        (Outcome::Fresh, wake)
    }

    /// A queue with many more slots than the store has clients holds what was evicted, and could
    /// grow without end while its neighbour is slow.
    fn bound_queues(&mut self) {
        let (store, most) = (&self.store, FEW_SLOTS.max(2 * self.store.clients()));
        for outbound in self.outbound.iter_mut().flatten().filter(|outbound| outbound.pending.slots() > most) {
            outbound.pending.prune(|update| {
                let known = store.get(update.line().id());
                known.is_some_and(|known| known.line() == update.line())
            });
        }
    }

    /// Takes in a line that a neighbour has sent, without its LF.
    ///
    /// # Errors
    /// [`Overasked`]: the link is of no more use.
    pub fn hear<'l>(
        &mut self,
        neighbour: NeighbourId,
        line: &'l [u8],
        now: UnixTime,
    ) -> Result<(Heard<'l>, Wake), Overasked> {
        let nothing = |heard| Ok((heard, Wake::default()));
        let Some(outbound) = self.outbound[neighbour].as_mut() else { return nothing(Heard::Nothing) };
        let line = PeerLine::parse(line);
        if outbound.is_observer {
            return nothing(if line == PeerLine::Unknown { Heard::Unknown } else { Heard::Nothing });
        }
        match line {
            PeerLine::At(line) => Ok(self.learn(neighbour, line, Way::Flooded)),
            PeerLine::Ping => nothing(Heard::Nothing),
            PeerLine::Done => nothing(Heard::CaughtUp),
            PeerLine::Unknown => nothing(Heard::Unknown),
            PeerLine::Sync(line) => {
                let CatchUp::Sync(sync) = &mut outbound.catch_up else { return nothing(Heard::Unknown) };
                match SyncLine::parse(line) {
                    None => nothing(Heard::Unknown),
                    Some(SyncLine::Have(line)) => {
                        let way = if sync.is_in_background() { Way::Diverged } else { Way::CaughtUp };
                        Ok(self.learn(neighbour, line, way))
                    }
                    Some(line) => {
                        let was_open = sync.is_open(now);
                        let heard = match sync.hear(line, &self.store, now)? {
                            sync::Heard::Began => Heard::RoundBegan,
                            sync::Heard::CaughtUp => Heard::CaughtUp,
                            sync::Heard::Other => Heard::Nothing,
                        };
                        let has_ended = was_open && !sync.is_open(now);
                        Ok((heard, if has_ended { self.to_open() } else { Wake::default() }))
                    }
                }
            }
        }
    }

    fn learn<'l>(&mut self, from: NeighbourId, line: &'l [u8], way: Way) -> (Heard<'l>, Wake) {
        let Some(line) = AtLine::parse(line) else { return (Heard::Invalid, Wake::default()) };
        let (outcome, wake) = self.take_in(line, Some(from), way != Way::Flooded);
        match outcome {
            Outcome::Fresh => (Heard::Fresh { line, way }, wake),
            Outcome::Stale | Outcome::BelowFloor => (Heard::Stale, wake),
        }
    }

    /// A link has formed: what is new from now on is to be sent, and the neighbour is to be
    /// brought up to date.
    pub fn link_up(&mut self, neighbour: NeighbourId, manner: Manner) {
        let catch_up = match manner {
            Manner::Observer | Manner::Everything => CatchUp::Everything(Walk::default()),
            Manner::Sync { begins } => CatchUp::Sync(Sync::new(begins)),
        };
        let is_observer = manner == Manner::Observer;
        self.outbound[neighbour] = Some(Outbound { pending: Pending::default(), is_observer, catch_up });
    }

    /// A link is gone, and with it what waited for it: the next link starts anew. Others may
    /// have waited for it to compare stores.
    pub fn link_down(&mut self, neighbour: NeighbourId) -> Wake {
        self.outbound[neighbour] = None;
        self.to_open()
    }

    /// The neighbours with whom a round is to be opened.
    fn to_open(&self) -> Wake {
        let mut wake = Wake::default();
        for (neighbour, outbound) in self.outbound.iter().enumerate() {
            if outbound.as_ref().and_then(Outbound::sync).is_some_and(Sync::is_to_open) {
                wake.insert(neighbour);
            }
        }
        wake
    }

    /// Begins to compare stores in the background, if that is for us to begin and the last time
    /// is through. Returns whether it did.
    pub fn begin_round(&mut self, neighbour: NeighbourId) -> bool {
        match self.outbound[neighbour].as_mut().map(|outbound| &mut outbound.catch_up) {
            Some(CatchUp::Sync(sync)) => sync.begin(),
            _ => false,
        }
    }

    /// How many updates wait for a neighbour, what it has yet to catch up on not counted.
    #[must_use]
    pub fn pending(&self, neighbour: NeighbourId) -> usize {
        self.outbound[neighbour].as_ref().map_or(0, |outbound| outbound.pending.len())
    }

    /// Takes the live update that is to be sent to a neighbour next.
    pub fn next_live(&mut self, neighbour: NeighbourId) -> Option<Update> {
        self.outbound[neighbour].as_mut()?.pending.pop()
    }

    /// Appends the next line that brings a neighbour up to date, LF included, if there is one.
    pub fn catch_up(&mut self, neighbour: NeighbourId, now: UnixTime, out: &mut Vec<u8>) -> Option<Said> {
        let syncs = |outbound: &Option<Outbound>, is_so: &dyn Fn(&Sync) -> bool| {
            outbound.as_ref().and_then(Outbound::sync).is_some_and(is_so)
        };
        if syncs(&self.outbound[neighbour], &Sync::is_to_open)
            && self.outbound.iter().any(|other| syncs(other, &|sync| sync.is_open(now)))
        {
            return None;
        }
        let catch_up = &mut self.outbound[neighbour].as_mut()?.catch_up;
        match catch_up {
            CatchUp::Done => None,
            CatchUp::Sync(sync) => sync.say(&self.store, now, out),
            CatchUp::Everything(walk) => {
                let Some(update) = walk.next(&self.store) else {
                    *catch_up = CatchUp::Done;
                    out.extend_from_slice(DONE);
                    return Some(Said::Other);
                };
                out.extend_from_slice(update.line().bytes());
                out.push(b'\n');
                Some(Said::Entry)
            }
        }
    }
}

impl Outbound {
    fn sync(&self) -> Option<&Sync> {
        match &self.catch_up {
            CatchUp::Sync(sync) => Some(sync),
            CatchUp::Everything(_) | CatchUp::Done => None,
        }
    }
}

impl Walk {
    fn next(&mut self, store: &Store) -> Option<Update> {
        while self.updates.is_empty() && self.next_bucket < BUCKETS {
            self.updates = store.bucket(self.next_bucket).into();
            self.next_bucket += 1;
        }
        self.updates.pop_front()
    }
}

#[cfg(test)]
mod tests;
