//! SPEC 5 and PROTOCOL.md: how links form, what runs over them, and when they end.

use std::sync::Arc;
use std::time::Duration;

use herd::clock::Clock;
use herd::config::{Herd, Limits};
use herd::io_log::IoLog;
use herd::link::{self, LinkError};
use herd::metrics::{Metrics, recorder};
use herd::node::{Node, neighbour_names};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, exchange_text};
use crate::running::{RunningHerd, Setup, eventually};

/// A herd of Bona, who dials, and Clark; only Clark is up, and the test is Bona.
async fn clark() -> RunningHerd {
    let mut herd = RunningHerd::bind(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    let clark = herd.number("Clark");
    herd.start_server(clark).await;
    herd
}

async fn bona(herd: &RunningHerd) -> Client {
    let mut bona = Client::connect(herd.peers_at(1)).await;
    bona.send("HELLO herd/1 Bona\n").await;
    assert_eq!(bona.line().await, "HELLO herd/1 Clark sync\n");
    bona
}

fn knows(herd: &RunningHerd, id: &str) -> bool {
    herd.server(1).node.flood().store().get(id.as_bytes()).is_some()
}

#[tokio::test]
async fn what_a_neighbour_says_is_learnt_and_what_it_says_wrong_is_counted() {
    let herd = clark().await;
    let mut bona = bona(&herd).await;
    let long = "x".repeat(Limits::default().line + 256);
    bona.send(format!(
        "BUCKETS 1 2 3\nPING\nAT\nAT Bona +0.000000000 bad +91+0 1\nAT Bona +0 bad +1+0 1\nAT {long}\n\
         AT Campbell +1.000000000 good +1-1 1\nAT Campbell +0.000000000 good +1-1 1\nDONE\n"
    ))
    .await;
    eventually("it has caught up", || herd.server(1).node.neighbours[0].link().caught_up).await;
    assert!(knows(&herd, "good") && !knows(&herd, "bad"));
    for (series, expected) in [
        ("herd_flood_received_total{peer=\"Bona\",outcome=\"fresh\"}", 1.0),
        ("herd_flood_received_total{peer=\"Bona\",outcome=\"stale\"}", 1.0),
        ("herd_flood_received_total{peer=\"Bona\",outcome=\"invalid\"}", 4.0),
        ("herd_peer_unknown_lines_total{peer=\"Bona\"}", 1.0),
        ("herd_propagation_latency_seconds_count{origin=\"other\"}", 1.0),
    ] {
        assert_eq!(herd.server(1).metric(series), expected, "{series}");
    }
}

#[tokio::test]
async fn an_at_line_passes_through_byte_for_byte() {
    let mut herd =
        RunningHerd::bind(Setup { links: vec![("Bona", "Clark"), ("Clark", "Jaquez")], ..Setup::default() }).await;
    for name in ["Clark", "Jaquez"] {
        herd.start_server(herd.number(name)).await;
    }
    let jaquez = herd.number("Jaquez");
    herd.wait_for_links(jaquez).await;
    let mut bona = bona(&herd).await;
    let line = "AT Nowhere -00012.000000000 \u{e9}\\x +01.50-002.0 0099.12345678999";
    bona.send(format!("{line}\n")).await;
    eventually("Jaquez knows", || herd.server(jaquez).node.flood().store().clients() == 1).await;
    let answer = exchange_text(herd.clients_at(jaquez), "WHATSAT \u{e9}\\x 1 0\n").await;
    assert!(answer.starts_with(&format!("{line}\n")), "{answer}");
}

#[tokio::test]
async fn what_comes_right_behind_hello_is_not_lost() {
    let herd = clark().await;
    let mut bona = Client::connect(herd.peers_at(1)).await;
    bona.send("HELLO herd/1 Bona sync zstd\nAT Bona +1.000000000 early +1-1 1\n").await;
    assert_eq!(bona.line().await, "HELLO herd/1 Clark sync\n");
    eventually("the early update is known", || knows(&herd, "early")).await;
}

#[tokio::test]
async fn an_unfinished_line_is_discarded_when_the_connection_breaks() {
    let herd = clark().await;
    let mut first = bona(&herd).await;
    first.send("AT Bona +1.000000000 whole +1-1 1\nAT Bona +1.000000000 cut +1-1 12").await;
    drop(first);
    let mut again = bona(&herd).await;
    again.send("345\nDONE\n").await;
    eventually("the second connection is through", || herd.server(1).node.neighbours[0].link().caught_up).await;
    assert!(knows(&herd, "whole") && !knows(&herd, "cut"));
    assert_eq!(herd.server(1).metric("herd_peer_reconnects_total{peer=\"Bona\"}"), 1.0);
}

#[tokio::test]
async fn a_newer_connection_of_the_same_neighbour_replaces_the_older() {
    let herd = clark().await;
    let mut older = bona(&herd).await;
    let mut newer = bona(&herd).await;
    let rest = String::from_utf8(older.rest().await).unwrap();
    assert!(!rest.contains("REFUSED"), "{rest}");
    newer.send("AT Bona +1.000000000 new +1-1 1\n").await;
    eventually("the newer one is heard", || knows(&herd, "new")).await;
    exchange_text(herd.clients_at(1), "IAMAT told +1-1 1\n").await;
    while !newer.line().await.contains(" told ") {}
}

#[tokio::test]
async fn strangers_are_told_why_there_is_no_link() {
    let herd = clark().await;
    for (opening, expected) in [
        ("GET / HTTP/1.1\r\n", "REFUSED this is a port for servers: the first line must be HELLO herd/1 NAME\n"),
        ("HELLO herd/9 Bona\n", "REFUSED protocol herd/9 is not spoken here, only herd/1\n"),
        (
            "HELLO herd/1 B\u{e9}\n",
            "REFUSED HELLO needs a name of 1 to 63 letters, digits, dots, underscores and dashes\n",
        ),
        ("HELLO herd/1 Mallory\n", "REFUSED Mallory is no neighbour and no observer of Clark by its herd file\n"),
        ("HELLO herd/1 Clark\n", "REFUSED Clark is no neighbour and no observer of Clark by its herd file\n"),
    ] {
        assert_eq!(exchange_text(herd.peers_at(1), opening).await, expected);
    }
    for long in ["x".repeat(10_000), format!("Bona{}", " capability".repeat(100))] {
        let said = exchange_text(herd.peers_at(1), format!("HELLO herd/1 {long}\n")).await;
        assert_eq!(said, "REFUSED HELLO may be 1024 bytes long\n");
    }
}

#[tokio::test]
async fn a_neighbour_that_we_dial_may_not_dial_us() {
    let mut herd = RunningHerd::bind(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    herd.start_server(0).await;
    assert_eq!(
        exchange_text(herd.peers_at(0), "HELLO herd/1 Clark\n").await,
        "REFUSED Bona dials Clark, not the other way round: the name that sorts first dials\n"
    );
}

#[tokio::test]
async fn links_form_again_by_themselves() {
    let mut herd = RunningHerd::five().await;
    for server in 0..5 {
        herd.stop_server(server).await;
        herd.start_server(server).await;
        herd.wait_for_links(server).await;
    }
    for server in 0..5 {
        herd.wait_for_links(server).await;
    }
}

/// A server without sockets, in simulated time.
pub(crate) fn offline(name: &str) -> Node {
    let herd = Herd::built_in();
    let server = herd.find(name).unwrap();
    let metrics = Metrics::register(&recorder(&herd.servers()[server].name), &herd, &neighbour_names(&herd, server));
    Node::new(&herd, server, &Limits::default(), Clock::system(), metrics, IoLog::disabled())
}

/// A link that the test is the other end of.
pub(crate) fn accepted(node: &Arc<Node>) -> (DuplexStream, tokio::task::JoinHandle<Result<(), LinkError>>) {
    let (ours, theirs) = duplex(1 << 16);
    let node = Arc::clone(node);
    let accepting = async move { link::accept(&node, theirs, "test", &CancellationToken::new()).await };
    (ours, tokio::spawn(accepting))
}

#[tokio::test(start_paused = true)]
async fn who_does_not_say_hello_within_a_second_is_let_go() {
    let node = Arc::new(offline("Clark"));
    let (mut stranger, accepting) = accepted(&node);
    let started = tokio::time::Instant::now();
    let mut said = String::new();
    stranger.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "REFUSED no answer within 1 s\n");
    assert!(matches!(accepting.await.unwrap(), Err(LinkError::NoHello)));
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_silent_link_is_dead_after_five_seconds_and_signs_of_life_keep_it_up() {
    let node = Arc::new(offline("Clark"));
    let (mut bona, accepting) = accepted(&node);
    let started = tokio::time::Instant::now();
    bona.write_all(b"HELLO herd/1 Bona\n").await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        bona.write_all(b"PING\n").await.unwrap();
    }
    assert!(node.neighbours[0].link().up_since.is_some());
    let mut said = String::new();
    bona.read_to_string(&mut said).await.unwrap();
    accepting.await.unwrap().unwrap();
    assert!(node.neighbours[0].link().up_since.is_none());
    let silent = started.elapsed() - Duration::from_secs(40);
    assert!(silent >= Duration::from_secs(5) && silent <= Duration::from_secs(6), "{silent:?}");
    let pings = said.matches("PING\n").count();
    assert!((44..=46).contains(&pings), "one a second: {pings}");
}
