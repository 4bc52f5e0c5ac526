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
mod tests {
    use super::*;

    const LIMITS: StoreLimits = StoreLimits { clients: 1000, bytes: 1 << 20 };

    fn update(client: u32, stamp: u32) -> Update {
        let text = format!("AT Clark +0.000000000 c{client} +0+0 {stamp}");
        Update::new(AtLine::parse(text.as_bytes()).unwrap())
    }

    const NOW: UnixTime = UnixTime::new(std::time::Duration::from_secs(100));

    fn herd_of(neighbours: usize) -> Flood {
        let mut flood = Flood::new(LIMITS, neighbours);
        for neighbour in 0..neighbours {
            flood.link_up(neighbour, Manner::Everything);
            assert_eq!(drain(&mut flood, neighbour), ["DONE"]);
        }
        flood
    }

    /// All that is to be sent to a neighbour, what is live first.
    fn drain(flood: &mut Flood, neighbour: NeighbourId) -> Vec<String> {
        let mut said: Vec<String> =
            std::iter::from_fn(|| flood.next_live(neighbour)).map(|update| text(&update)).collect();
        let mut out = Vec::new();
        while flood.catch_up(neighbour, NOW, &mut out).is_some() {}
        said.extend(String::from_utf8(out).unwrap().lines().map(str::to_owned));
        said
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
        assert!(drain(&mut flood, 0).is_empty());
        flood.link_up(0, Manner::Everything);
        let mut sent = drain(&mut flood, 0);
        assert_eq!(sent.pop().unwrap(), "DONE");
        sent.sort();
        let mut known: Vec<_> = (0..100).map(|client| text(&update(client, 1))).collect();
        known.sort();
        assert_eq!(sent, known);
    }

    #[test]
    fn live_updates_overtake_catching_up_and_none_is_missed() {
        let mut flood = herd_of(1);
        for client in 0..50 {
            flood.offer(update(client, 1).line(), None);
        }
        flood.link_up(0, Manner::Everything);
        let mut out = Vec::new();
        assert_eq!(flood.catch_up(0, NOW, &mut out), Some(Said::Entry));
        let mut last_sent = std::collections::BTreeMap::new();
        for client in 0..50 {
            flood.offer(update(client, 2).line(), None);
            let update = flood.next_live(0).expect("live first");
            last_sent.insert(update.line().id().to_vec(), update.line().stamp());
        }
        let rest = drain(&mut flood, 0);
        assert_eq!(rest.len(), 50, "49 more of the old ones at most, and DONE: {rest:?}");
        assert_eq!(last_sent.len(), 50);
    }

    #[test]
    fn what_an_observer_says_is_not_learnt() {
        let mut flood = herd_of(1);
        flood.link_up(0, Manner::Observer);
        for line in ["AT Clark +0.000000000 a +0+0 1", "SYNC HAVE AT Clark +0.000000000 a +0+0 1", "DONE", "PING"] {
            assert_eq!(flood.hear(0, line.as_bytes(), NOW).unwrap().0, Heard::Nothing);
        }
        assert_eq!(flood.hear(0, b"X", NOW).unwrap().0, Heard::Unknown);
        assert_eq!(flood.store().clients(), 0);
    }

    #[test]
    fn a_slow_neighbours_queue_does_not_outgrow_a_full_store() {
        let limits = StoreLimits { clients: 100, bytes: 1 << 20 };
        let mut flood = Flood::new(limits, 2);
        flood.link_up(0, Manner::Everything);
        assert_eq!(drain(&mut flood, 0), ["DONE"]);
        for moment in 1..5000 {
            flood.offer(update(moment, moment).line(), Some(1));
            assert!(flood.pending(0) <= 2 * limits.clients, "after {moment}");
        }
        let sent = drain(&mut flood, 0);
        let known = (4900..5000).map(|client| text(&update(client, client)));
        assert!(known.into_iter().all(|line| sent.contains(&line)), "what is stored is sent");
    }

    /// Passes lines over links, each between two neighbours, until nobody has anything to say;
    /// returns how many entries each side of each link has sent, live and in comparison.
    fn talk<const N: usize>(floods: &mut [Flood], links: [[(usize, NeighbourId); 2]; N]) -> [[(usize, usize); 2]; N] {
        let mut sent = [[(0, 0); 2]; N];
        loop {
            let mut is_quiet = true;
            for (link, ends) in links.iter().enumerate() {
                for side in [0, 1] {
                    let ((from, id), (to, back)) = (ends[side], ends[1 - side]);
                    let mut line = Vec::new();
                    if let Some(update) = floods[from].next_live(id) {
                        sent[link][side].0 += 1;
                        line.extend_from_slice(&[update.line().bytes(), b"\n"].concat());
                    } else if let Some(said) = floods[from].catch_up(id, NOW, &mut line) {
                        sent[link][side].1 += usize::from(said == Said::Entry);
                    }
                    for line in line.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                        is_quiet = false;
                        floods[to].hear(back, line, NOW).unwrap();
                    }
                }
            }
            if is_quiet {
                return sent;
            }
        }
    }

    #[test]
    fn who_has_forgotten_everything_is_told_once_and_tells_nobody() {
        let mut floods = [3, 1, 1, 1].map(|neighbours| Flood::new(LIMITS, neighbours));
        for flood in &mut floods[1..] {
            for client in 0..500 {
                flood.offer(update(client, 1).line(), None);
            }
        }
        let links = [1, 2, 3].map(|other| [(0, other - 1), (other, 0)]);
        for (link, [(_, id), (other, back)]) in links.into_iter().enumerate() {
            let begins = link != 1;
            floods[0].link_up(id, Manner::Sync { begins });
            floods[other].link_up(back, Manner::Sync { begins: !begins });
        }
        let sent = talk(&mut floods, links);
        let of = |side: usize| sent.map(|sides| sides[side]);
        assert_eq!(of(0), [(0, 0); 3], "what was learnt is known everywhere");
        assert_eq!(of(1).iter().map(|(live, compared)| live + compared).sum::<usize>(), 500);
        assert!(floods.iter().all(|flood| flood.store().digest() == floods[1].store().digest()));
    }

    #[test]
    fn what_a_comparison_brings_goes_on_to_those_with_whom_it_is_over() {
        let mut floods = [2, 1, 1].map(|neighbours| Flood::new(LIMITS, neighbours));
        floods[1].offer(update(1, 1).line(), None);
        let links = [[(0, 0), (1, 0)], [(0, 1), (2, 0)]];
        for [(a, id), (b, back)] in [links[1], links[0]] {
            floods[a].link_up(id, Manner::Sync { begins: true });
            floods[b].link_up(back, Manner::Sync { begins: false });
            talk(&mut floods, links);
        }
        assert_eq!(floods[2].store().clients(), 1);
    }

    #[test]
    fn a_neighbour_that_gets_stuck_does_not_hold_up_comparisons_with_others() {
        let mut flood = Flood::new(LIMITS, 2);
        for neighbour in [0, 1] {
            flood.link_up(neighbour, Manner::Sync { begins: true });
        }
        let mut out = Vec::new();
        assert!(flood.catch_up(0, NOW, &mut out).is_some(), "one round opens");
        assert!(flood.catch_up(1, NOW, &mut out).is_none(), "the other one waits");
        let later = UnixTime::new(NOW.since_epoch() + std::time::Duration::from_millis(250));
        assert!(flood.catch_up(1, later, &mut out).is_some(), "but not for ever");
        let mut other = Flood::new(LIMITS, 2);
        for neighbour in [0, 1] {
            other.link_up(neighbour, Manner::Sync { begins: true });
        }
        assert!(other.catch_up(0, NOW, &mut out).is_some());
        assert_eq!(other.link_down(0).iter().collect::<Vec<_>>(), [1], "nor for one that is gone");
    }
}
