//! The load generator's tap at a real herd: every server pushes every update to an observer.

use std::time::Duration;

use loadgen::plan::{Mix, Pace, Plan, Target};
use loadgen::probe::tap::{TapError, TapPlan};
use loadgen::report::Report;
use loadgen::run::{Outcome, RunError};

use crate::running::{FIVE, RunningHerd, Setup};

fn plan(herd: &RunningHerd, name: &str) -> Plan {
    let topology = herd.herd().topology();
    let hops = |server| topology.hops(server, &[]).into_iter().map(Option::unwrap).collect();
    let target = |(server, name)| Target { name, address: herd.clients_at(server) };
    let servers = herd.names().into_iter().enumerate().map(target).collect();
    Plan {
        pace: Pace::every(Duration::from_millis(100), 50),
        mix: Mix { whatsat: 0.0, ..Mix::default() },
        duration: Duration::from_secs(2),
        max_lag: Duration::MAX,
        probe: Some(Duration::from_millis(10)),
        tap: Some(TapPlan {
            name: name.into(),
            peers: (0..5).map(|server| herd.peers_at(server)).collect(),
            alone: false,
        }),
        ..Plan::new(servers, (0..5).map(hops).collect(), 50, "tapped".into())
    }
}

async fn run(plan: Plan) -> Result<Outcome, RunError> {
    tokio::task::spawn_blocking(|| loadgen::run::run(plan, |_, _| {})).await.unwrap()
}

async fn herd() -> RunningHerd {
    RunningHerd::start(Setup { links: FIVE.to_vec(), observers: vec!["tap"], ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tap_sees_every_update_at_every_server_while_there_is_load() {
    let herd = herd().await;
    let outcome = run(plan(&herd, "tap")).await.unwrap();
    let report = Report::new(&outcome, &[]);
    assert!(report.is_right(), "{:?}", report.wrong);
    let (asked, pushed) = (report.propagation.as_ref().unwrap(), report.tap().unwrap());
    assert_eq!((pushed.pairs.len(), pushed.lost, pushed.broken), (25, 0, 0));
    for origin in herd.names() {
        let counts: Vec<u64> =
            pushed.pairs.iter().filter(|pair| pair.origin == origin).map(|pair| pair.latency.count).collect();
        assert!(counts[0] > 0 && counts.iter().all(|count| *count == counts[0]), "{origin}: {counts:?}");
    }
    let hops: Vec<(usize, u64)> = pushed.by_hops.iter().map(|over| (over.hops, over.latency.count)).collect();
    assert_eq!(hops.iter().map(|(hops, _)| *hops).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((hops[0].1, hops[1].1 + hops[2].1), (asked.writes, 4 * asked.writes));
    // All clients' updates come; what is under way when the probe's are all seen is not waited for.
    for (server, link) in pushed.links.iter().enumerate() {
        let sent = herd.server(server).metric("herd_flood_sent_total{peer=\"tap\"}");
        assert!(link.lines >= 50 + 5 && link.lines as f64 <= sent && link.reconnects == 0, "{link:?} of {sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_that_the_herd_file_does_not_name_is_told_what_to_do() {
    let herd = herd().await;
    let Err(RunError::Tap(TapError::Link { why, .. })) = run(plan(&herd, "spy")).await else { panic!("no refusal") };
    let why = why.to_string();
    assert!(why.starts_with("it refused: spy is no neighbour and no observer of "), "{why}");
    assert!(why.ends_with("; add observers = [\"spy\"] to the herd file and restart the servers"), "{why}");
}
