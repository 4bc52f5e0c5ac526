//! Anti-entropy: one side's part in bringing two stores together at a cost in proportion to what
//! differs (DESIGN 4). `protocol::sync` has the lines.
//!
//! A round is begun by the side that dialled. Each side answers what it hears from what it knows
//! at that moment, and remembers nothing but what it has yet to say:
//!
//! | heard | answer |
//! |---|---|
//! | `GROUPS` | `BUCKETS` of each group whose digest differs |
//! | `BUCKETS` | `ENTRIES` of each bucket whose digest differs |
//! | `ENTRIES` | `HAVE` of what the other side lacks, one `WANT` of what it has and we do not |
//! | `WANT` | `HAVE` of what is news there; `WANT` of what turns out to be older here |
//! | `STEP n` | `STEP n + 1`, behind all these answers; the last one ends the round |
//!
//! Lines arrive in order, so after six steps nothing of the round is under way any more. The
//! round at link-up compares everything. Those in the background leave alone what was received
//! in the last [`YOUNG`]: that may merely be in flight, and what a background round finds
//! missing counts as divergence.
//!
//! A server opens one round at a time as long as that gets on: what it is about to learn from one
//! neighbour it need not ask another one for.

use std::collections::VecDeque;
use std::time::Duration;

use crate::digest::Digest;
use crate::protocol::sync::{
    BUCKETS, Entries, EntryHash, GROUP, Known, LAST_STEP, MAX_NAMED, SyncLine, Want, Wanted, write_buckets,
    write_groups, write_have, write_step,
};
use crate::protocol::time::UnixTime;
use crate::protocol::update::Update;
use crate::store::{Store, client_hash};

/// How long an update may be on its way before a background round takes it for missing.
pub const YOUNG: Duration = Duration::from_secs(2);
/// A round in which nothing was heard for so long does not hold up those with other neighbours.
const STUCK: Duration = Duration::from_millis(250);
/// What one side may have to say beyond what two full stores hold, in lines.
const SLACK: usize = 4 * BUCKETS;

/// One side of the dialogue on one link.
#[derive(Debug)]
pub struct Sync {
    /// Rounds are begun here.
    begins: bool,
    /// A round that was begun here has not ended.
    under_way: bool,
    /// The round at link-up is through.
    in_background: bool,
    /// When something was last heard in the round that is open here; `None` where none is.
    open: Option<UnixTime>,
    /// What is to be said, in order. Bounded, see [`Overasked`].
    to_say: VecDeque<Saying>,
    /// Updates and clients that are named in `to_say`.
    named: usize,
}

/// What is to be said. Digests and hashes are those of the moment at which it is said.
#[derive(Debug)]
enum Saying {
    /// Opens a round that was begun here.
    Groups,
    /// Opens a round that was begun there: the answer to its digests.
    Compare(Vec<u128>),
    Buckets(usize),
    /// A bucket, from this client's hash on.
    Entries(usize, u64),
    Want(Box<Want>),
    Have(Update),
    Step(u8),
}

/// What a line was that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A whole AT line.
    Entry,
    /// The hashes of a bucket, or the last of them.
    Bucket,
    /// Anything else.
    Other,
}

/// What became of a line that was heard. `HAVE` is for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A round has begun.
    Began,
    /// The round at link-up is through, and all that the other side knew when it began is here.
    CaughtUp,
    /// Neither.
    Other,
}

/// The other side asks for more than two stores can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the neighbour asks for more than there is")]
pub struct Overasked;

impl Sync {
    /// The dialogue of a link that has just formed. Whoever dialled begins.
    #[must_use]
    pub fn new(begins: bool) -> Self {
        let mut sync =
            Self { begins, under_way: false, in_background: false, open: None, to_say: VecDeque::new(), named: 0 };
        sync.begin();
        sync
    }

    /// Begins a round, unless rounds are begun by the other side or one is under way; returns
    /// whether it did.
    pub fn begin(&mut self) -> bool {
        if !self.begins || self.under_way {
            return false;
        }
        self.under_way = true;
        self.to_say.extend([Saying::Groups, Saying::Step(1)]);
        true
    }

    /// Whether the round at link-up is through, so that what is found missing is divergence.
    #[must_use]
    pub fn is_in_background(&self) -> bool {
        self.in_background
    }

    /// Whether a round is to be opened next. That can wait.
    #[must_use]
    pub fn is_to_open(&self) -> bool {
        matches!(self.to_say.front(), Some(Saying::Groups | Saying::Compare(_)))
    }

    /// Whether a round is open and gets on.
    #[must_use]
    pub fn is_open(&self, now: UnixTime) -> bool {
        self.open.is_some_and(|heard| now.since_epoch() < heard.since_epoch() + STUCK)
    }

    /// Whether the first round has not been opened: it will bring whatever is known by then.
    #[must_use]
    pub fn is_yet_to_compare(&self) -> bool {
        !self.in_background && self.open.is_none()
    }

    /// Takes in a line of the other side.
    ///
    /// # Errors
    /// [`Overasked`]; nothing more can be done for such a neighbour.
    pub fn hear(&mut self, line: SyncLine<'_>, store: &Store, now: UnixTime) -> Result<Heard, Overasked> {
        let mut heard = Heard::Other;
        self.open = self.open.map(|_| now);
        match line {
            SyncLine::Groups(theirs) => {
                heard = Heard::Began;
                self.to_say.push_back(Saying::Compare(theirs));
            }
            SyncLine::Buckets { group, digests } => {
                let differing = differing(&digests, store.bucket_digests(group));
                self.to_say.extend(differing.map(|place| Saying::Entries(group * GROUP + place, 0)));
            }
            SyncLine::Entries(theirs) => self.compare(&theirs, store, now),
            SyncLine::Want(want) => self.give(&want, store),
            SyncLine::Have(_) => {}
            SyncLine::Step(step) => heard = self.step(step),
        }
        // An update that is said counts twice, as a line and as a name, and one that is asked for once.
        let bound = 4 * store.limits().clients + SLACK;
        if self.to_say.len() + self.named > bound { Err(Overasked) } else { Ok(heard) }
    }

    /// Appends the next line, LF included, if there is something to say.
    pub fn say(&mut self, store: &Store, now: UnixTime, out: &mut Vec<u8>) -> Option<Said> {
        loop {
            match self.to_say.pop_front()? {
                Saying::Groups => {
                    self.open = Some(now);
                    write_groups(out, store.group_digests().map(Digest::bits));
                }
                Saying::Compare(theirs) => {
                    self.open = Some(now);
                    let differing: Vec<usize> = differing(&theirs, store.group_digests()).collect();
                    differing.into_iter().rev().for_each(|group| self.to_say.push_front(Saying::Buckets(group)));
                    continue;
                }
                Saying::Buckets(group) => write_buckets(out, group, store.bucket_digests(group).map(Digest::bits)),
                Saying::Step(step) => write_step(out, step),
                Saying::Entries(bucket, first) => {
                    let listed = list(bucket, first, store, self.oldest_young(now));
                    listed.write(out);
                    let Some(next) = listed.last.checked_add(1) else { return Some(Said::Bucket) };
                    self.to_say.push_front(Saying::Entries(bucket, next));
                }
                Saying::Want(want) => {
                    self.named -= want.wanted.len();
                    want.write(out);
                }
                Saying::Have(update) => {
                    self.named -= 1;
                    // What has replaced it was offered to the neighbour, or came from there.
                    if store.get(update.line().id()).is_none_or(|known| known.line() != update.line()) {
                        continue;
                    }
                    write_have(out, update.line().bytes());
                    return Some(Said::Entry);
                }
            }
            return Some(Said::Other);
        }
    }

    /// A step is answered with the next one. Who hears the last but one has been given all that
    /// it asked for; who hears the last one, also what it had to ask for once more.
    fn step(&mut self, step: u8) -> Heard {
        if step < LAST_STEP {
            self.to_say.push_back(Saying::Step(step + 1));
        }
        if step < LAST_STEP - 1 {
            return Heard::Other;
        }
        self.under_way = false;
        self.open = None;
        if std::mem::replace(&mut self.in_background, true) { Heard::Other } else { Heard::CaughtUp }
    }

    /// What was received from here on is young, if that matters in this round.
    fn oldest_young(&self, now: UnixTime) -> Option<UnixTime> {
        let oldest = || UnixTime::new(now.since_epoch().saturating_sub(YOUNG));
        self.in_background.then(oldest)
    }

    /// Finds what each side lacks in a part of a bucket.
    fn compare(&mut self, theirs: &Entries, store: &Store, now: UnixTime) {
        let young = self.oldest_young(now);
        let is_young = |update: &Update| young.is_some_and(|young| update.line().receipt() >= young);
        let is_kept_there = |update: &Update| theirs.floor.is_none_or(|floor| update.line().receipt() >= floor);
        let mut listed = theirs.entries.clone();
        listed.sort_unstable();
        let mut ours = in_range(theirs.bucket, theirs.first, theirs.last, store);
        ours.sort_unstable_by_key(|(hash, _)| *hash);
        let missing_here = listed.iter().filter(|entry| ours.binary_search_by_key(*entry, |(hash, _)| *hash).is_err());
        let missing_here: Vec<u64> = missing_here.map(|entry| entry.client).collect();
        ours.retain(|(hash, _)| listed.binary_search(hash).is_err());

        let mut wanted = Vec::new();
        for client in missing_here {
            let known = match of_client(&ours, client, |(hash, _)| hash.client) {
                [(_, update)] if is_young(update) => continue,
                [(hash, update)] => Some(Known { stamp: update.line().stamp(), line: hash.line }),
                _ => None,
            };
            wanted.push(Wanted { client, known });
        }
        wanted.dedup();
        for (hash, update) in ours {
            let asked = of_client(&wanted, hash.client, |wanted| wanted.client);
            let is_asked_about = asked.iter().any(|wanted| wanted.known.is_some());
            if !is_asked_about && !is_young(&update) && is_kept_there(&update) {
                self.have(update);
            }
        }
        self.want(theirs.bucket, store, &wanted);
    }

    /// Gives what was asked for, and asks for what turns out to be older here.
    fn give(&mut self, want: &Want, store: &Store) {
        let mut known: Vec<(u64, &Update)> =
            store.updates(want.bucket).map(|update| (client_hash(update.line().id()), update)).collect();
        known.sort_unstable_by_key(|(hash, _)| *hash);
        let mut wanted_back = Vec::new();
        for asked in &want.wanted {
            let stamp = asked.known.map(|known| known.stamp);
            let mut is_behind = asked.known.is_some();
            for (_, update) in of_client(&known, asked.client, |(hash, _)| *hash) {
                let line = update.line();
                let is_same = asked.known.is_some_and(|known| known.line == Digest::of(line.bytes()).low());
                is_behind &= !is_same && Some(line.stamp()) <= stamp;
                let is_kept_there = want.floor.is_none_or(|floor| line.receipt() >= floor);
                if !is_same && Some(line.stamp()) >= stamp && is_kept_there {
                    self.have((*update).clone());
                }
            }
            if is_behind {
                wanted_back.push(Wanted { client: asked.client, known: None });
            }
        }
        self.want(want.bucket, store, &wanted_back);
    }

    fn have(&mut self, update: Update) {
        self.named += 1;
        self.to_say.push_back(Saying::Have(update));
    }

    fn want(&mut self, bucket: usize, store: &Store, wanted: &[Wanted]) {
        self.named += wanted.len();
        for wanted in wanted.chunks(MAX_NAMED) {
            let want = Want { bucket, floor: store.floor(), wanted: wanted.to_vec() };
            self.to_say.push_back(Saying::Want(Box::new(want)));
        }
    }
}

/// The part about one client of what is ordered by clients' hashes.
fn of_client<T>(ordered: &[T], client: u64, hash: impl Fn(&T) -> u64) -> &[T] {
    let start = ordered.partition_point(|entry| hash(entry) < client);
    let length = ordered[start..].partition_point(|entry| hash(entry) == client);
    &ordered[start..][..length]
}

/// The places at which digests differ.
fn differing(theirs: &[u128], ours: impl Iterator<Item = Digest>) -> impl Iterator<Item = usize> {
    theirs.iter().zip(ours).enumerate().filter(|(_, (theirs, ours))| **theirs != ours.bits()).map(|(place, _)| place)
}

/// The entries of a bucket whose clients' hashes lie in a range.
fn in_range(bucket: usize, first: u64, last: u64, store: &Store) -> Vec<(EntryHash, Update)> {
    let named = |update: &Update| {
        let client = client_hash(update.line().id());
        (first..=last).contains(&client).then(|| {
            let hash = EntryHash { client, line: Digest::of(update.line().bytes()).low() };
            (hash, update.clone())
        })
    };
    store.updates(bucket).filter_map(named).collect()
}

/// The line for a bucket's entries from a client's hash on: as many as fit into one, less those
/// that are `young`.
fn list(bucket: usize, first: u64, store: &Store, young: Option<UnixTime>) -> Entries {
    let is_old = |(_, update): &(EntryHash, Update)| young.is_none_or(|young| update.line().receipt() < young);
    let entries = in_range(bucket, first, u64::MAX, store).into_iter().filter(is_old);
    let mut entries: Vec<EntryHash> = entries.map(|(hash, _)| hash).collect();
    entries.sort_unstable();
    let mut last = u64::MAX;
    if entries.len() > MAX_NAMED {
        // A line ends between two hashes, unless a line's worth of clients share one.
        let next = entries[MAX_NAMED].client;
        let before = entries[..MAX_NAMED].partition_point(|entry| entry.client < next);
        entries.truncate(if before > 0 { before } else { MAX_NAMED });
        last = entries[entries.len() - 1].client;
    }
    Entries { bucket, first, last, floor: store.floor(), entries }
}

#[cfg(test)]
mod tests;
