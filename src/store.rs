//! What a server knows: per client the greatest update (SPEC 4), last writer wins.

mod eviction;

use std::hash::BuildHasher;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use self::eviction::Eviction;
use crate::digest::Digest;
pub use crate::protocol::sync::BUCKETS;
use crate::protocol::sync::GROUP;
use crate::protocol::time::UnixTime;
use crate::protocol::update::{AtLine, Update};

/// How much a store keeps; past either limit the smallest update by (receipt, id) goes.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Clients, at most.
    pub clients: usize,
    /// Bytes of AT lines, at most.
    pub bytes: usize,
}

/// What became of an update.
#[derive(Debug)]
pub enum Merge {
    /// It was newer than what was known and is stored.
    Fresh(Update),
    /// It was not newer; nothing changed.
    Stale,
    /// It is older than what had to be evicted, so it is not kept.
    BelowFloor,
}

/// Per client the greatest update.
#[derive(Debug)]
pub struct Store {
    /// [`BUCKETS`], by a hash that is the same on every server. Each bucket has its own table,
    /// so no insertion ever waits for all clients to be moved.
    buckets: Vec<Bucket>,
    hasher: foldhash::fast::RandomState,
    limits: StoreLimits,
    clients: usize,
    bytes: usize,
    eviction: Eviction,
}

#[derive(Debug, Default)]
struct Bucket {
    updates: HashTable<Update>,
    digest: Digest,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(limits: StoreLimits) -> Self {
        let buckets = std::iter::repeat_with(Bucket::default).take(BUCKETS).collect();
        Self { buckets, hasher: Default::default(), limits, clients: 0, bytes: 0, eviction: Eviction::default() }
    }

    /// Takes an update in if it wins over what is known of its client.
    pub fn merge(&mut self, line: AtLine<'_>) -> Merge {
        if self.eviction.is_below_floor(&line) {
            return Merge::BelowFloor;
        }
        let number = bucket_of(line.id());
        let bucket = &mut self.buckets[number];
        let hash = |id: &[u8]| self.hasher.hash_one(id);
        let same_client = |known: &Update| known.line().id() == line.id();
        let slot = bucket.updates.entry(hash(line.id()), same_client, |update| hash(update.line().id()));

        let (update, replaced) = match slot {
            Entry::Occupied(known) if known.get().line() >= line => return Merge::Stale,
            Entry::Occupied(mut known) => {
                let update = Update::new(line);
                let old = std::mem::replace(known.get_mut(), update.clone());
                bucket.digest.remove(old.line().bytes());
                self.bytes -= old.line().bytes().len();
                (update, Some(old))
            }
            Entry::Vacant(vacant) => {
                let update = Update::new(line);
                vacant.insert(update.clone());
                self.clients += 1;
                (update, None)
            }
        };
        bucket.digest.add(line.bytes());
        self.bytes += line.bytes().len();
        self.eviction.note(number, &update, replaced.as_ref());
        self.keep_within_limits(update)
    }

    /// What is known of a client.
    #[must_use]
    pub fn get(&self, id: &[u8]) -> Option<&Update> {
        let bucket = &self.buckets[bucket_of(id)];
        bucket.updates.find(self.hasher.hash_one(id), |update| update.line().id() == id)
    }

    /// The updates of one bucket, ordered by client.
    ///
    /// # Panics
    /// If `number` is not below [`BUCKETS`].
    #[must_use]
    pub fn bucket(&self, number: usize) -> Vec<Update> {
        let mut updates: Vec<Update> = self.buckets[number].updates.iter().cloned().collect();
        updates.sort_unstable_by(|a, b| a.line().id().cmp(b.line().id()));
        updates
    }

    /// The updates of one bucket, in no order.
    ///
    /// # Panics
    /// If `number` is not below [`BUCKETS`].
    pub fn updates(&self, number: usize) -> impl Iterator<Item = &Update> {
        self.buckets[number].updates.iter()
    }

    /// The digests of the buckets of a group, in order.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn bucket_digests(&self, group: usize) -> impl Iterator<Item = Digest> {
        self.buckets[group * GROUP..][..GROUP].iter().map(|bucket| bucket.digest)
    }

    /// The digest of each group of buckets, in order.
    pub fn group_digests(&self) -> impl Iterator<Item = Digest> {
        self.buckets.chunks(GROUP).map(|group| group.iter().map(|bucket| bucket.digest).sum())
    }

    /// What was received before this is not taken in: something received then had to go.
    #[must_use]
    pub fn floor(&self) -> Option<UnixTime> {
        self.eviction.floor()
    }

    /// How much is kept, at most.
    #[must_use]
    pub fn limits(&self) -> StoreLimits {
        self.limits
    }

    /// The digest of everything that is known: two stores with equal digests are equal.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.buckets.iter().map(|bucket| bucket.digest).sum()
    }

    /// Clients that are known.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Bytes of their AT lines.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Clients that had to go so far.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.eviction.evicted()
    }

    /// Evicts until the limits hold, `update` included if it is the smallest.
    fn keep_within_limits(&mut self, update: Update) -> Merge {
        if self.is_past(|limit| limit - limit / 4) {
            self.index_next_bucket();
        }
        while self.is_past(|limit| limit) {
            while self.index_next_bucket() {}
            let evicted = self.eviction.pop_smallest().expect("a store past its limits is not empty");
            self.remove(&evicted);
        }
        if self.eviction.is_below_floor(&update.line()) { Merge::BelowFloor } else { Merge::Fresh(update) }
    }

    fn is_past(&self, share: impl Fn(usize) -> usize) -> bool {
        self.clients > share(self.limits.clients) || self.bytes > share(self.limits.bytes)
    }

    /// Orders one more bucket's updates for eviction; `false` if all are.
    fn index_next_bucket(&mut self) -> bool {
        let next = self.buckets.get(self.eviction.indexed_buckets());
        next.map(|bucket| self.eviction.index_bucket(bucket.updates.iter())).is_some()
    }

    fn remove(&mut self, evicted: &Update) {
        let id = evicted.line().id();
        let bucket = &mut self.buckets[bucket_of(id)];
        let same_client = |update: &Update| update.line().id() == id;
        let entry = bucket.updates.find_entry(self.hasher.hash_one(id), same_client);
        let (removed, _) = entry.expect("what is ordered for eviction is stored").remove();
        let line = removed.line();
        bucket.digest.remove(line.bytes());
        self.bytes -= line.bytes().len();
        self.clients -= 1;
    }
}

/// The hash of a client that is the same on every server: XXH3, 64 bits, seed 0.
#[must_use]
pub fn client_hash(id: &[u8]) -> u64 {
    xxh3_64(id)
}

/// The bucket of a client: the lowest bits of its hash.
#[allow(clippy::cast_possible_truncation)]
fn bucket_of(id: &[u8]) -> usize {
    client_hash(id) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const ROOMY: StoreLimits = StoreLimits { clients: 1000, bytes: 1 << 20 };

    fn line(text: &str) -> AtLine<'_> {
        AtLine::parse(text.as_bytes()).expect(text)
    }

    fn filled(limits: StoreLimits, lines: &[String]) -> Store {
        let mut store = Store::new(limits);
        for text in lines {
            store.merge(line(text));
        }
        store
    }

    fn contents(store: &Store) -> Vec<Vec<u8>> {
        (0..BUCKETS).flat_map(|bucket| store.bucket(bucket)).map(|update| update.line().bytes().to_vec()).collect()
    }

    #[test]
    fn the_newer_stamp_wins_and_an_older_or_equal_one_changes_nothing() {
        let mut store = Store::new(ROOMY);
        let first = "AT Clark +0.000000000 a +0+0 2";
        assert!(matches!(store.merge(line(first)), Merge::Fresh(_)));
        for stale in [first, "AT Clark +9.000000000 a +1+1 1", "AT Bona +0.000000000 a +0+0 2"] {
            assert!(matches!(store.merge(line(stale)), Merge::Stale), "{stale}");
            assert_eq!(store.get(b"a").unwrap().line(), line(first));
        }
        let newer = "AT Bona -1.000000000 a +1+1 2.000000001";
        assert!(matches!(store.merge(line(newer)), Merge::Fresh(_)));
        assert_eq!(store.get(b"a").unwrap().line(), line(newer));
        assert_eq!((store.clients(), store.bytes()), (1, newer.len()));
        assert!(store.get(b"b").is_none());
    }

    /// Few clients and few moments, so that many updates meet.
    fn updates() -> impl Strategy<Value = Vec<String>> {
        let update =
            (0..3_u8, 0..3_u32, 0..4_u32, 0..4_u32, 0..3_u8).prop_map(|(origin, client, stamp, receipt, place)| {
                let sign = if receipt >= stamp { '+' } else { '-' };
                format!("AT S{origin} {sign}{}.000000000 c{client} +{place}+0 {stamp}", receipt.abs_diff(stamp))
            });
        prop::collection::vec(update, 0..40)
    }

    proptest! {
        #[test]
        fn merging_is_commutative_associative_and_idempotent((original, shuffled) in updates()
            .prop_flat_map(|updates| (Just(updates.clone()), Just(updates).prop_shuffle())))
        {
            let store = filled(ROOMY, &original);
            let mut greatest: BTreeMap<&[u8], AtLine<'_>> = BTreeMap::new();
            for text in &original {
                let known = greatest.entry(line(text).id()).or_insert(line(text));
                *known = (*known).max(line(text));
            }
            for (id, update) in &greatest {
                prop_assert_eq!(store.get(id).unwrap().line(), *update);
            }
            prop_assert_eq!(store.clients(), greatest.len());

            let again = filled(ROOMY, &[shuffled.clone(), original.clone(), shuffled].concat());
            prop_assert_eq!(again.digest(), store.digest());
            prop_assert_eq!(contents(&again), contents(&store));

            let mut halves = filled(ROOMY, &original[..original.len() / 2]);
            for update in contents(&filled(ROOMY, &original[original.len() / 2..])) {
                halves.merge(AtLine::parse(&update).unwrap());
            }
            prop_assert_eq!(halves.digest(), store.digest());
        }
    }

    fn in_order_of_receipt(count: u32) -> Vec<String> {
        (0..count).map(|n| format!("AT Clark +{n}.000000000 c{n} +0+0 1")).collect()
    }

    #[test]
    fn past_the_limit_the_smallest_by_receipt_goes_and_is_refused_from_then_on() {
        let lines = in_order_of_receipt(30);
        let mut store = filled(StoreLimits { clients: 10, ..ROOMY }, &lines);
        assert_eq!((store.clients(), store.evicted()), (10, 20));
        assert_eq!(store.digest(), filled(ROOMY, &lines[20..]).digest());
        assert_eq!(store.bytes(), lines[20..].iter().map(String::len).sum::<usize>());
        for gone in &lines[..20] {
            assert!(matches!(store.merge(line(gone)), Merge::BelowFloor), "{gone}");
        }
        assert_eq!(store.digest(), filled(ROOMY, &lines[20..]).digest());
    }

    #[test]
    fn the_limit_in_bytes_holds_too() {
        let lines = in_order_of_receipt(10);
        let store = filled(StoreLimits { clients: 1000, bytes: 4 * lines[9].len() }, &lines);
        assert_eq!(store.digest(), filled(ROOMY, &lines[6..]).digest());
    }

    #[test]
    fn equal_receipts_go_by_client() {
        let lines = ["b", "a", "c"].map(|id| format!("AT Clark +0.000000000 {id} +0+0 1"));
        let store = filled(StoreLimits { clients: 2, ..ROOMY }, &lines);
        assert!(store.get(b"a").is_none() && store.get(b"b").is_some() && store.get(b"c").is_some());
    }

    #[test]
    fn an_update_smaller_than_all_others_in_a_full_store_is_not_kept() {
        let mut lines = in_order_of_receipt(11);
        let oldest = lines.remove(0);
        let mut store = filled(StoreLimits { clients: 10, ..ROOMY }, &lines);
        let before = store.digest();
        assert!(matches!(store.merge(line(&oldest)), Merge::BelowFloor));
        assert_eq!(store.digest(), before);
    }

    /// Clients with several updates each, whose stamps and receipts rise together, in any order.
    fn rising_updates() -> impl Strategy<Value = Vec<String>> {
        let updates =
            (0..12_u32, 0..40_u32).prop_map(|(client, time)| format!("AT Clark +1.000000000 c{client} +0+0 {time}"));
        prop::collection::vec(updates, 0..60)
    }

    proptest! {
        #[test]
        fn full_stores_are_equal_whatever_the_order_also_when_clients_report_again(
            (original, shuffled) in rising_updates()
                .prop_flat_map(|updates| (Just(updates.clone()), Just(updates).prop_shuffle())),
            limit in 1..14_usize,
        ) {
            let limits = StoreLimits { clients: limit, ..ROOMY };
            let all = filled(ROOMY, &original);
            let mut newest = contents(&all);
            newest.sort_by_key(|bytes| {
                let line = AtLine::parse(bytes).unwrap();
                (line.receipt(), line.id().to_vec())
            });
            let kept: Vec<_> = newest.split_off(newest.len().saturating_sub(limit));
            let kept: Vec<_> = kept.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
            prop_assert_eq!(filled(limits, &original).digest(), filled(ROOMY, &kept).digest());
            prop_assert_eq!(filled(limits, &shuffled).digest(), filled(ROOMY, &kept).digest());
        }

        #[test]
        fn stores_that_are_full_in_bytes_are_equal_whatever_the_order(
            lengths in prop::collection::vec(1..200_usize, 1..40),
            order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
            bytes in 200..4000_usize,
        ) {
            let line = |n: usize| format!("AT Clark +{n}.000000000 {} +0+0 1", "c".repeat(lengths[n]));
            let inorder: Vec<_> = (0..lengths.len()).map(line).collect();
            let shuffled: Vec<_> = order.into_iter().filter(|&n| n < lengths.len()).map(line).collect();
            let limits = StoreLimits { bytes, ..ROOMY };
            prop_assert_eq!(filled(limits, &shuffled).digest(), filled(limits, &inorder).digest());
        }

        #[test]
        fn a_full_store_keeps_the_greatest_by_receipt_whatever_the_order(
            order in Just((0..60_u32).collect::<Vec<_>>()).prop_shuffle(),
            limit in 1..70_usize,
        ) {
            let lines = in_order_of_receipt(60);
            let shuffled: Vec<String> = order.iter().map(|&n| lines[n as usize].clone()).collect();
            let store = filled(StoreLimits { clients: limit, ..ROOMY }, &shuffled);
            let kept = &lines[60_usize.saturating_sub(limit)..];
            prop_assert_eq!(store.digest(), filled(ROOMY, kept).digest());
        }
    }
}
