//! Floods without a network: what is offered to whom, and what neighbours are told.

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
    let mut said: Vec<String> = std::iter::from_fn(|| flood.next_live(neighbour)).map(|update| text(&update)).collect();
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
