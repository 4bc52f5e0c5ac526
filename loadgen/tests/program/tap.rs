//! The tap against servers that push late, lose, or do not want it.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use loadgen::report::{PairReport, TapReport};
use tempfile::TempDir;

use crate::observed::{Manner, NAMES, Observed};
use crate::{Run, finished};

/// A run of the program with a tap at two servers.
fn run(servers: &Observed, options: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    let mut text = "links = [[\"Bona\", \"Clark\"]]\nobservers = [\"tap\"]\n".to_owned();
    for (number, (name, [clients, peers])) in NAMES.iter().zip(servers.ports).enumerate() {
        writeln!(
            text,
            "[servers.{name}]\nclients = \"127.0.0.1:{clients}\"\npeers = \"127.0.0.1:{peers}\"\nmetrics = \"127.0.0.1:{}\"",
            number + 1
        )
        .unwrap();
    }
    let herd = folder.path().join("herd.toml");
    std::fs::write(&herd, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.env_clear().arg("--herd").arg(herd).arg("--out").arg(folder.path().join("out.json"));
    command.args(["--clients", "4", "--interval", "50ms", "--warm-up", "0s", "--max-lag", "1h"]);
    command.args(["--probe-interval", "10ms"]).args(options);
    if !options.contains(&"--tap") {
        command.args(["--tap", "tap"]);
    }
    finished(&folder, command.output().unwrap())
}

fn tap(run: &Run) -> &TapReport {
    run.report.as_ref().unwrap().tap().unwrap()
}

fn pair<'r>(tap: &'r TapReport, origin: &str, observer: &str) -> &'r PairReport {
    tap.pairs.iter().find(|pair| pair.origin == origin && pair.observer == observer).unwrap()
}

#[test]
fn what_is_pushed_late_is_seen_late_and_at_that_server_only() {
    let servers = Observed::start(Manner::Late(Duration::from_millis(30)));
    // Two seconds: long enough to say once or twice that it lives.
    let run = run(&servers, &["--duration", "2s"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    let tap = tap(&run);
    let late = pair(tap, "Bona", "Clark");
    assert!(late.latency.count > 0 && late.latency.min >= 29_900.0, "{late:?}");
    // Each update was seen at both servers, and nowhere else.
    let writes = run.report.as_ref().unwrap().propagation.as_ref().unwrap().writes;
    assert_eq!(tap.pairs.iter().map(|pair| pair.latency.count).sum::<u64>(), 2 * writes);
    assert_eq!((tap.lost, tap.broken), (0, 0));
    let hops: Vec<(usize, u64)> = tap.by_hops.iter().map(|over| (over.hops, over.latency.count)).collect();
    assert_eq!(hops, [(0, writes), (1, writes)]);
    // All clients' updates came, and what was known before.
    let heard = run.report.as_ref().unwrap().counts.acknowledged + 1;
    assert!(tap.links.iter().all(|link| link.lines > heard && link.reconnects == 0), "{:?}", tap.links);
    for label in ["asked (black box)", "pushed (tap)", "by the origin", "over 1 link"] {
        assert!(run.table.contains(label), "{label}: {}", run.table);
    }
    servers.wait_for_ping();
}

#[test]
fn a_tap_alone_sees_all_and_nobody_is_asked() {
    let servers = Observed::start(Manner::Late(Duration::from_millis(1)));
    let run = run(&servers, &["--duration", "300ms", "--no-ask"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    let seen = run.report.as_ref().unwrap().propagation.as_ref().unwrap();
    assert_eq!(tap(&run).pairs.iter().map(|pair| pair.latency.count).sum::<u64>(), 2 * seen.writes);
    assert!(seen.writes > 0 && seen.lost == 0, "{seen:?}");
    assert!(seen.pairs.iter().all(|pair| pair.latency.count == 0), "{seen:?}");
}

#[test]
fn what_is_never_pushed_is_lost_and_fails_the_run() {
    let servers = Observed::start(Manner::Loses);
    let run = run(&servers, &["--duration", "200ms"]);
    assert_eq!(run.code, Some(3), "{}{}", run.table, run.words);
    let tap = tap(&run);
    let written = pair(tap, "Bona", "Bona").latency.count;
    assert_eq!((pair(tap, "Bona", "Clark").lost, pair(tap, "Bona", "Clark").latency.count), (written, 0));
    assert!(written > 0 && tap.lost == written && tap.broken == 0, "{tap:?}");
    assert_eq!(run.report.as_ref().unwrap().propagation.as_ref().unwrap().lost, 0, "whoever is asked shows it");
    let sentence = format!("{written} times an update of the probe was not pushed to the tap within 5 s\n");
    assert!(run.table.contains(&sentence), "{}", run.table);
}

#[test]
fn a_newer_update_shows_the_ones_that_it_replaced() {
    let servers = Observed::start(Manner::Replaces);
    let run = run(&servers, &["--duration", "500ms"]);
    let tap = tap(&run);
    let (written, replaced) = (pair(tap, "Bona", "Bona").latency.count, pair(tap, "Bona", "Clark"));
    // Only the last one may have nothing newer behind it.
    assert_eq!((replaced.latency.count, replaced.lost), (written - written % 2, written % 2));
    assert!(written > 2 && tap.lost == replaced.lost, "{tap:?}");
}

#[test]
fn what_a_broken_link_took_is_broken_and_not_lost_and_the_link_forms_again() {
    let servers = Observed::start(Manner::Closes);
    let run = run(&servers, &["--duration", "1s"]);
    assert_eq!(run.code, Some(0), "{}{}", run.table, run.words);
    let tap = tap(&run);
    assert!(tap.broken > 0 && tap.lost == 0, "{tap:?}");
    let counts: Vec<(u64, bool)> = tap.links.iter().map(|link| (link.reconnects, link.away_s > 0.0)).collect();
    assert_eq!(counts, [(0, false), (1, true)]);
    assert_eq!((servers.joins(0), servers.joins(1)), (1, 2));
    assert!(run.table.contains(", 1 formed again\n"), "{}", run.table);
}

#[test]
fn who_does_not_want_the_tap_is_named_before_the_run_begins() {
    for (answer, why) in [
        (
            &b"REFUSED tap is no observer\n"[..],
            "it refused: tap is no observer; add observers = [\"tap\"] to the herd file and restart the servers",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x32",
            "its links use TLS, which the tap does not speak: it observes herds whose links are on one machine, without TLS",
        ),
        (b"HELLO herd/1 Dora sync\n", "Dora answered there"),
        (b"? HELLO herd/1 tap\n", "its answer to HELLO is \"? HELLO herd/1 tap\""),
        (b"", "it closed the connection"),
    ] {
        let run = run(&Observed::start(Manner::Answers(answer)), &[]);
        assert_eq!(run.code, Some(1));
        assert!(run.words.starts_with("loadgen: the tap cannot observe ") && run.report.is_none(), "{}", run.words);
        assert!(run.words.ends_with(&format!(": {why}\n")), "{}", run.words);
    }
}

#[test]
fn a_tap_that_cannot_be_is_refused() {
    let servers = Observed::start(Manner::Loses);
    for (options, code, words) in [
        (["--no-probe", "--no-verify"], 2, "the argument '--no-probe' cannot be used with '--tap <NAME>'"),
        (["--tap", "a b"], 2, "must be 1 to 63 letters, digits, dots, underscores and dashes"),
        (["--tap", "Clark"], 1, "loadgen: --tap Clark is the name of a server: an observer needs one of its own"),
    ] {
        let run = run(&servers, &options);
        assert_eq!(run.code, Some(code), "{}", run.words);
        assert!(run.words.contains(words), "{}", run.words);
    }
}
