//! Two stores and the two sides between them, without a network.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::protocol::update::AtLine;
use crate::store::{Merge, StoreLimits};

const LIMITS: StoreLimits = StoreLimits { clients: 100_000, bytes: 1 << 30 };
/// Long after everything that the tests' updates were received at.
const NOW: UnixTime = UnixTime::new(Duration::from_secs(1_000_000));

/// Two servers that are linked. The first one has dialled.
struct Pair {
    stores: [Store; 2],
    sides: [Sync; 2],
    caught_up: [bool; 2],
    said: Counts,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    entries: usize,
    buckets: usize,
    bytes: usize,
}

fn update(client: u32, stamp: u32) -> String {
    format!("AT Clark +1.000000000 c{client} +0+0 {stamp}")
}

fn store(lines: impl IntoIterator<Item = String>) -> Store {
    let mut store = Store::new(LIMITS);
    for line in lines {
        store.merge(AtLine::parse(line.as_bytes()).expect(&line));
    }
    store
}

impl Pair {
    fn of(stores: [Store; 2]) -> Self {
        let sides = [Sync::new(true), Sync::new(false)];
        Self { stores, sides, caught_up: [false; 2], said: Counts::default() }
    }

    /// Lets one side say a line and the other one hear it; returns whether there was one.
    fn pass_one(&mut self, from: usize) -> bool {
        let mut line = Vec::new();
        let Some(said) = self.sides[from].say(&self.stores[from], NOW, &mut line) else { return false };
        self.said.bytes += line.len();
        match said {
            Said::Entry => self.said.entries += 1,
            Said::Bucket => self.said.buckets += 1,
            Said::Other => {}
        }
        let to = 1 - from;
        match SyncLine::parse(line.strip_suffix(b"\n").unwrap()).unwrap() {
            SyncLine::Have(at) => {
                self.stores[to].merge(AtLine::parse(at).unwrap());
            }
            line => {
                let heard = self.sides[to].hear(line, &self.stores[to], NOW).unwrap();
                self.caught_up[to] |= heard == Heard::CaughtUp;
            }
        }
        true
    }

    fn talk(&mut self) -> Counts {
        let before = self.said;
        while self.pass_one(0) | self.pass_one(1) {}
        Counts {
            entries: self.said.entries - before.entries,
            buckets: self.said.buckets - before.buckets,
            bytes: self.said.bytes - before.bytes,
        }
    }

    fn agree(&self) -> bool {
        self.stores[0].digest() == self.stores[1].digest()
    }
}

#[test]
fn equal_stores_say_their_digests_and_no_more() {
    let lines = || (0..10_000).map(|client| update(client, 1));
    let mut pair = Pair::of([store(lines()), store(lines())]);
    let said = pair.talk();
    assert_eq!((said.entries, said.buckets, pair.caught_up), (0, 0, [true; 2]));
    assert!(said.bytes < 2500, "{said:?}");
}

#[test]
fn each_side_gets_only_what_it_lacks() {
    let common = || (0..20_000).map(|client| update(client, 1));
    let first = store(common().chain((0..50).map(|client| update(client, 2))));
    let second = store(common().chain((50..120).map(|client| update(client, 2))).chain([update(90_000, 1)]));
    let buckets: BTreeSet<u64> =
        (0..120).chain([90_000]).map(|c| client_hash(format!("c{c}").as_bytes()) % 4096).collect();
    let mut pair = Pair::of([first, second]);
    let said = pair.talk();
    assert!(pair.agree());
    assert_eq!((said.entries, said.buckets), (121, buckets.len()), "one entry for each that differs");
    assert_eq!(pair.caught_up, [true; 2]);
}

#[test]
fn who_has_forgotten_everything_gets_everything_once() {
    for forgetful in [0, 1] {
        let mut stores = [store([]), store([])];
        stores[1 - forgetful] = store((0..5000).map(|client| update(client, 1)));
        let mut pair = Pair::of(stores);
        assert_eq!(pair.talk().entries, 5000);
        assert!(pair.agree());
    }
}

#[test]
fn two_updates_of_one_client_with_the_same_stamp_are_told_apart() {
    let ties = [
        ["AT Clark +1.000000000 a +0+0 1", "AT Clark +2.000000000 a +0+0 1"],
        ["AT Bona +1.000000000 a +0+0 1", "AT Clark +1.000000000 a +0+0 1"],
        ["AT Bona +1.000000000 a +0+0 1", "AT Bona +1.000000000 a +0+1 1"],
    ];
    for [smaller, greater] in ties {
        for lines in [[smaller, greater], [greater, smaller]] {
            let mut pair = Pair::of(lines.map(|line| store([line.to_owned()])));
            let said = pair.talk();
            assert!(pair.agree() && said.entries <= 2, "{said:?}");
            assert_eq!(pair.stores[0].get(b"a").unwrap().line().bytes(), greater.as_bytes());
        }
    }
}

#[test]
fn a_bucket_that_fits_into_no_line_is_listed_in_several() {
    let ids: Vec<String> =
        (0..).map(|n| format!("n{n}")).filter(|id| client_hash(id.as_bytes()) % 4096 == 7).take(2500).collect();
    let line = |id: &String| format!("AT Clark +1.000000000 {id} +0+0 1");
    let mut pair = Pair::of([store(ids.iter().map(line)), store(ids.iter().skip(1).step_by(2).map(line))]);
    let said = pair.talk();
    assert!(pair.agree());
    assert_eq!((said.entries, said.buckets), (1250, 1));
}

#[test]
fn a_background_round_leaves_alone_what_may_be_on_its_way() {
    let mut pair = Pair::of([store([]), store([])]);
    pair.talk();
    let mut learn = |side: usize, line: String| {
        assert!(matches!(pair.stores[side].merge(AtLine::parse(line.as_bytes()).unwrap()), Merge::Fresh(_)));
    };
    // Received one second ago and ten seconds ago.
    for (side, client) in [(0, 1), (1, 2)] {
        learn(side, format!("AT Clark +1.000000000 young{client} +0+0 999998"));
        learn(side, format!("AT Clark +1.000000000 old{client} +0+0 999989"));
    }
    assert!(!pair.sides[1].begin(), "only one side begins");
    assert!(pair.sides[0].begin() && !pair.sides[0].begin(), "one round at a time");
    let said = pair.talk();
    assert_eq!(said.entries, 2);
    for (side, known, unknown) in [(0, "old2", "young2"), (1, "old1", "young1")] {
        assert!(pair.stores[side].get(known.as_bytes()).is_some());
        assert!(pair.stores[side].get(unknown.as_bytes()).is_none());
    }
    assert!(pair.sides[0].begin(), "the round has ended");
}

#[test]
fn what_had_to_go_on_one_side_is_not_sent_there_again() {
    let lines: Vec<String> = (0..30).map(|n| format!("AT Clark +{n}.000000000 c{n} +0+0 1")).collect();
    let mut small = Store::new(StoreLimits { clients: 10, ..LIMITS });
    for line in &lines {
        small.merge(AtLine::parse(line.as_bytes()).unwrap());
    }
    for swap in [false, true] {
        let mut one = Store::new(StoreLimits { clients: 10, ..LIMITS });
        for line in &lines {
            one.merge(AtLine::parse(line.as_bytes()).unwrap());
        }
        let other = store(lines.iter().cloned());
        let mut pair = Pair::of(if swap { [other, one] } else { [one, other] });
        let said = pair.talk();
        assert!(said.entries <= 1, "at most what was received at the very floor: {said:?}");
        assert_eq!(pair.stores[usize::from(swap)].digest(), small.digest());
    }
}

#[test]
fn a_neighbour_that_asks_without_end_is_refused() {
    let mut known = Store::new(StoreLimits { clients: 100, ..LIMITS });
    known.merge(AtLine::parse(update(1, 1).as_bytes()).unwrap());
    let mut side = Sync::new(false);
    let asked = (0..100_000).find(|_| side.hear(SyncLine::Step(1), &known, NOW).is_err());
    assert!(asked.is_some_and(|asked| asked > 400));
}

fn change() -> impl Strategy<Value = (usize, u32, u32, u32)> {
    (0..2_usize, 0..40_u32, 0..4_u32, 0..3_u32)
}

proptest! {
    /// While the sides talk the stores change, and what changes is flooded.
    #[test]
    fn stores_agree_after_a_round_whatever_happens_meanwhile(
        before in prop::collection::vec(change(), 0..80),
        during in prop::collection::vec((change(), 0..4_usize), 0..40),
    ) {
        let line = |(_, client, stamp, place): (usize, u32, u32, u32)| {
            format!("AT Clark +1.000000000 c{client} +{place}+0 {stamp}")
        };
        let mut pair = Pair::of([store([]), store([])]);
        for change in before {
            pair.stores[change.0].merge(AtLine::parse(line(change).as_bytes()).unwrap());
        }
        for (change, lines) in during {
            for turn in 0..lines {
                pair.pass_one(turn % 2);
            }
            for side in [change.0, 1 - change.0] {
                pair.stores[side].merge(AtLine::parse(line(change).as_bytes()).unwrap());
            }
        }
        pair.talk();
        prop_assert!(pair.agree());
        prop_assert_eq!(pair.caught_up, [true; 2]);
    }
}
