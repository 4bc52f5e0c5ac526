//! SPEC 6: the log of traffic.

use herd::digest::Digest;
use herd::protocol::sync::GROUPS;

use crate::client::exchange_text;
use crate::running::{RunningHerd, Setup, eventually};
use crate::stub::{Does, Stub};

/// A log line's parts: time, who, sign, and the rest.
fn parts(line: &str) -> (&str, &str, &str, &str) {
    let mut parts = line.splitn(4, ' ');
    let mut next = || parts.next().unwrap_or_else(|| panic!("{line}"));
    (next(), next(), next(), next())
}

#[tokio::test]
async fn every_line_read_and_written_is_in_the_log_with_time_connection_and_direction() {
    let stub = Stub::always(Does::Answer(200, b"{\n\"secret\" : 1 }".to_vec())).await;
    let setup = Setup { links: vec![("Bona", "Clark")], places: stub.url(), ..Setup::default() };
    let mut herd = RunningHerd::start(setup).await;
    let reply = exchange_text(herd.clients_at(1), "IAMAT a\\\x01 +1-1 1\nWHATSAT a\\\x01 1 5\n\nover").await;
    let at = reply.lines().next().unwrap().replace("a\\\x01", "a\\\\\\x01");
    herd.wait_for_agreement().await;
    herd.stop_server(0).await;
    eventually("the end of the link is in the log", || herd.log("Clark").contains("link down")).await;
    let logs = herd.stop().await;
    let clark: Vec<_> = logs[1].lines().map(parts).collect();
    let of = |who: &str| -> Vec<String> {
        let own = clark.iter().filter(|(_, own, _, text)| *own == who && *text != "PING");
        own.map(|(_, _, sign, text)| format!("{sign} {text}")).collect()
    };
    let client = of("c1");
    assert!(client[0].starts_with("* connected from 127.0.0.1:"), "{client:?}");
    assert_eq!(
        client[1..],
        [
            r"< IAMAT a\\\x01 +1-1 1".to_owned(),
            format!("> {at}"),
            r"< WHATSAT a\\\x01 1 5".into(),
            "< ".into(),
            "< over".into(),
            format!("> {at}"),
            "> [16 bytes from Places]".into(),
            "> ? ".into(),
            "> ? over".into(),
            "* closed: client".into(),
        ]
    );
    assert!(!logs[1].contains("secret"), "a body is logged by its size");
    let bona = of("Bona");
    let groups = format!("< SYNC GROUPS{}", format!(" {}", Digest::default()).repeat(GROUPS));
    let expected = ["* link up", &groups, "< SYNC STEP 1", "> SYNC STEP 2", "< SYNC STEP 3", "> SYNC STEP 4"];
    let expected = expected.into_iter().chain(["< SYNC STEP 5", "> SYNC STEP 6"]);
    let written = format!("> {at}");
    let expected: Vec<&str> = expected.chain([&written, "* link down: closed by the other side"]).collect();
    assert_eq!(bona, expected);
    assert!(logs[0].contains(&format!(" Clark < {at}\n")), "{}", logs[0]);
    let mut times: Vec<_> = clark.iter().map(|(time, ..)| *time).collect();
    assert!(times.iter().all(|time| time.len() == "2026-11-22T13:35:01.123456Z".len() && time.ends_with('Z')));
    let written = times.clone();
    times.sort_unstable();
    assert_eq!(written, times, "lines are in the order of their times");
}

#[tokio::test]
async fn lines_are_in_the_file_while_the_server_runs() {
    let herd = RunningHerd::alone(Setup::default()).await;
    exchange_text(herd.clients_at(0), "hello\n").await;
    eventually("the line is in the file", || herd.log("Clark").contains(" < hello\n")).await;
}

#[tokio::test]
async fn who_is_refused_on_the_peer_port_is_in_the_log() {
    let herd = RunningHerd::start(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    exchange_text(herd.peers_at(1), "HELLO herd/1 Mallory\n").await;
    let logs = herd.stop().await;
    assert!(logs[1].contains(" < HELLO herd/1 Mallory\n"), "{}", logs[1]);
    assert!(logs[1].contains(" > REFUSED Mallory is no neighbour and no observer of Clark by its herd file\n"));
}
