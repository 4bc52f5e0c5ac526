//! More clients, connections and questions than there is room for: who is served is served well,
//! and whatever was short is used again once it is there.

use std::collections::BTreeMap;

use herd::config::Limits;
use herd::protocol::update::AtLine;
use herd::store::{BUCKETS, StoreLimits};
use rlimit::{Resource, prlimit};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStderr;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::{Client, NOTHING, exchange_text};
use crate::process::{Process, clark};
use crate::running::{FIVE, PATIENCE, RunningHerd, RunningServer, Setup, eventually};
use crate::stub::{Does, Stub};

/// Clark as a process without neighbours, who would take and free descriptors as they like.
async fn clark_alone(folder: &TempDir) -> (Process, Words) {
    let herd = folder.path().join("herd.toml");
    let addresses = "clients = \"127.0.0.1:1\"\npeers = \"127.0.0.1:2\"\nmetrics = \"127.0.0.1:3\"\n";
    std::fs::write(&herd, format!("links = []\n[servers.Clark]\n{addresses}")).unwrap();
    let mut command = clark(folder, &["--places-url", "mock", "--herd"]);
    command.arg(herd).env("RUST_LOG", "herd=debug");
    let mut clark = Process::start(command).await;
    let lines = BufReader::new(clark.child.stderr.take().unwrap()).lines();
    (clark, Words { lines, said: Vec::new() })
}

/// What a process says on its standard error.
struct Words {
    lines: Lines<BufReader<ChildStderr>>,
    said: Vec<String>,
}

impl Words {
    fn count(&self, text: &str) -> usize {
        self.said.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits until so many lines have held `text`.
    async fn wait_for(&mut self, text: &str, times: usize) {
        let started = Instant::now();
        while self.count(text) < times {
            let goes_on = self.hear().await && started.elapsed() < PATIENCE;
            assert!(goes_on, "{text} is missing in {:#?}", self.said);
        }
    }

    async fn rest(&mut self) {
        while self.hear().await {}
    }

    async fn hear(&mut self) -> bool {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("no more than this in time: {:#?}", self.said)).unwrap();
        self.said.extend(line.clone());
        line.is_some()
    }
}

/// Takes away every descriptor that a process does not use yet. The limit is the number of the
/// next one that it would get, so closing any that it has gives it one.
fn leave_no_descriptor(process: &Process) {
    let folder = format!("/proc/{}/fd", process.child.id().unwrap());
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let used: Vec<u64> = names.map(|name| name.to_str().unwrap().parse().unwrap()).collect();
    limit_descriptors(process, (0..).find(|number| !used.contains(number)).unwrap());
}

/// Gives a process as many descriptors as it may have.
fn give_descriptors(process: &Process) {
    limit_descriptors(process, u64::MAX);
}

fn limit_descriptors(process: &Process, limit: u64) {
    let process = i32::try_from(process.child.id().unwrap()).unwrap();
    let (mut soft, mut hard) = (0, 0);
    prlimit(process, Resource::NOFILE, None, Some((&mut soft, &mut hard))).unwrap();
    prlimit(process, Resource::NOFILE, Some((limit.min(hard), hard)), None).unwrap();
}

#[tokio::test]
async fn without_a_descriptor_who_is_connected_is_served_and_who_comes_waits_until_there_is_one() {
    let folder = TempDir::new().unwrap();
    let (mut clark, mut words) = clark_alone(&folder).await;
    let mut connected = Client::connect(clark.address("clients")).await;
    assert_eq!(connected.ask("before\n").await, "? before\n");
    leave_no_descriptor(&clark);
    let mut waiting = Vec::new();
    for (port, says) in [("clients", "hello\n"), ("peers", "hello\n"), ("metrics", "GET /readyz HTTP/1.0\r\n\r\n")] {
        let mut client = Client::connect(clark.address(port)).await;
        client.send(says).await;
        waiting.push(client);
    }
    let ports = ["a client", "a neighbour", "an HTTP connection"];
    for whom in ports {
        words.wait_for(&format!("still cannot accept {whom} "), 3).await;
    }
    assert_eq!(connected.ask("meanwhile\n").await, "? meanwhile\n");
    give_descriptors(&clark);
    for (client, expected) in waiting.iter_mut().zip(["? hello\n", "REFUSED this is a port", "HTTP/1.0 200 OK"]) {
        let line = client.line().await;
        assert!(line.starts_with(expected), "{line}");
    }
    clark.signal(Signal::TERM);
    assert_eq!(clark.exit_code().await, Some(0));
    words.rest().await;
    for whom in ports {
        assert_eq!(words.count(&format!(" cannot accept {whom}; ")), 1, "{:#?}", words.said);
    }
}

#[tokio::test]
async fn a_descriptor_that_one_client_gives_back_goes_to_the_next() {
    let folder = TempDir::new().unwrap();
    let (clark, mut words) = clark_alone(&folder).await;
    let mut first = Client::connect(clark.address("clients")).await;
    assert_eq!(first.ask("first\n").await, "? first\n");
    leave_no_descriptor(&clark);
    let mut second = Client::connect(clark.address("clients")).await;
    second.send("second\n").await;
    words.wait_for("cannot accept a client", 1).await;
    drop(first);
    assert_eq!(second.line().await, "? second\n");
}

#[tokio::test]
async fn a_server_without_a_descriptor_stops_like_any_other() {
    let folder = TempDir::new().unwrap();
    let (mut clark, mut words) = clark_alone(&folder).await;
    let mut connected = Client::connect(clark.address("clients")).await;
    assert_eq!(connected.ask("before\n").await, "? before\n");
    // Not even when the connected client is gone: there is room for the standard streams only.
    limit_descriptors(&clark, 3);
    let _waiting = Client::connect(clark.address("clients")).await;
    words.wait_for("cannot accept a client", 1).await;
    clark.signal(Signal::TERM);
    assert_eq!(connected.rest().await, b"");
    assert_eq!(clark.exit_code().await, Some(0));
}

#[tokio::test]
async fn beyond_the_limit_per_address_connections_are_closed_at_once_and_others_are_served() {
    let limits = Limits { connections_per_address: Some(2), ..Limits::default() };
    let herd = RunningHerd::alone(Setup { limits, ..Setup::default() }).await;
    let clark = herd.server(0);
    let (mut first, mut second) = (herd.client(0).await, herd.client(0).await);
    assert_eq!(first.ask("a\n").await, "? a\n");
    assert_eq!(second.ask("b\n").await, "? b\n");
    assert_eq!(herd.client(0).await.rest().await, b"");
    assert_eq!(clark.metric("herd_client_connections_rejected_total{reason=\"address\"}"), 1.0);
    assert_eq!(clark.metric("herd_client_connections_rejected_total{reason=\"limit\"}"), 0.0);
    let mut other = Client::connect_from("127.0.0.2", herd.clients_at(0)).await;
    assert_eq!(other.ask("c\n").await, "? c\n");
    first.done().await;
    first.rest().await;
    eventually("there is room again", || clark.service.open_connections() == 2).await;
    assert_eq!(herd.client(0).await.ask("d\n").await, "? d\n");
}

/// Clark with a Places stub that answers `{}`, under quotas of which no test sees the refill.
async fn with_quotas(own: Option<&str>, total: Option<&str>) -> (RunningHerd, Stub) {
    let stub = Stub::always(Does::Answer(200, b"{}".to_vec())).await;
    let rate = |text: &str| text.parse().unwrap();
    let limits = Limits { whatsat_quota: own.map(rate), whatsat_quota_total: total.map(rate), ..Limits::default() };
    let herd = RunningHerd::alone(Setup { places: stub.url(), limits, ..Setup::default() }).await;
    exchange_text(herd.clients_at(0), "IAMAT a +1-1 1\n").await;
    (herd, stub)
}

fn over_quota(server: &RunningServer) -> [f64; 2] {
    ["connection", "total"].map(|scope| server.metric(&format!("herd_whatsat_over_quota_total{{scope=\"{scope}\"}}")))
}

fn refusal(message: &str) -> String {
    let fields =
        ["\"error_message\" : \"", message, "\",\n   \"html_attributions\" : [],\n   \"results\" : []"].concat();
    format!("{{\n   {fields},\n   \"status\" : \"OVER_QUERY_LIMIT\"\n}}\n\n")
}

#[tokio::test]
async fn beyond_its_quota_a_connection_gets_the_line_and_a_refusal_in_order_and_places_is_not_asked() {
    let (herd, stub) = with_quotas(Some("1/h"), None).await;
    let mut client = herd.client(0).await;
    client.send("WHATSAT a 1 5\nWHATSAT a 2 5\nWHATSAT b 3 5\nWHATSAT a 4 0\nlast\n").await;
    let (line, body) = client.reply().await;
    assert_eq!(body, "{}\n\n");
    let (same, body) = client.reply().await;
    assert_eq!(same, line);
    assert_eq!(body, refusal("This connection asks more often than its quota of 1/h allows; ask again later."));
    assert_eq!(client.line().await, "? WHATSAT b 3 5\n");
    assert_eq!(client.reply().await, (line, NOTHING.to_owned()), "it asks nobody, so it needs no quota");
    assert_eq!(client.line().await, "? last\n");
    let clark = herd.server(0);
    assert_eq!(over_quota(clark), [1.0, 0.0]);
    assert_eq!(clark.metric("herd_messages_received_total{kind=\"whatsat\"}"), 3.0);
    let mut other = herd.client(0).await;
    other.send("WHATSAT a 5 5\n").await;
    assert_eq!(other.reply().await.1, "{}\n\n", "each connection has a quota of its own");
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn the_total_quota_is_shared_by_all_and_only_what_is_asked_counts() {
    let (herd, stub) = with_quotas(Some("2/s"), Some("1/h")).await;
    let mut client = herd.client(0).await;
    client.send("WHATSAT a 1 0\nWHATSAT b 1 5\nWHATSAT a 1 5\n").await;
    assert_eq!(client.reply().await.1, NOTHING);
    assert_eq!(client.line().await, "? WHATSAT b 1 5\n");
    assert_eq!(client.reply().await.1, "{}\n\n");
    let mut other = herd.client(0).await;
    for _ in 0..3 {
        other.send("WHATSAT a 2 5\n").await;
        let expected = refusal("This server is asked more often than its quota of 1/h allows; ask again later.");
        assert_eq!(other.reply().await.1, expected);
    }
    assert_eq!(over_quota(herd.server(0)), [0.0, 3.0], "what the total refuses takes nothing from the connection");
    assert_eq!(stub.requests().len(), 1);
}

#[tokio::test]
async fn a_limit_per_address_and_quotas_can_be_set_by_options() {
    let folder = TempDir::new().unwrap();
    let mut command = clark(&folder, &["--places-url", "mock", "--max-per-address", "1", "--whatsat-quota", "1/h"]);
    command.env("HERD_WHATSAT_QUOTA_TOTAL", "2/h");
    let clark = Process::start(command).await;
    let mut client = Client::connect(clark.address("clients")).await;
    client.send("IAMAT a +1-1 1\nWHATSAT a 1 5\nWHATSAT a 1 5\n").await;
    client.line().await;
    assert!(client.reply().await.1.ends_with("\"status\" : \"OK\"\n}\n\n"));
    assert!(client.reply().await.1.contains("This connection asks more often than its quota of 1/h"));
    assert_eq!(Client::connect(clark.address("clients")).await.rest().await, b"");
    let mut other = Client::connect_from("127.0.0.2", clark.address("clients")).await;
    other.send("WHATSAT a 1 5\n").await;
    assert!(other.reply().await.1.contains("This server is asked more often than its quota of 2/h"));
}

fn small() -> Limits {
    Limits { store: StoreLimits { clients: 10, bytes: 1 << 20 }, ..Limits::default() }
}

/// All AT lines that a server keeps, in order.
fn kept(server: &RunningServer) -> Vec<String> {
    let flood = server.node.flood();
    let updates = (0..BUCKETS).flat_map(|bucket| flood.store().bucket(bucket));
    let mut lines: Vec<_> = updates.map(|update| String::from_utf8(update.line().bytes().to_vec()).unwrap()).collect();
    lines.sort();
    lines
}

/// Reports 20 clients, each of them twice, to one server, and returns the newest line of each.
async fn report(mut client: Client, server: usize) -> BTreeMap<String, String> {
    let commands = |stamp| (0..20).map(move |number| format!("IAMAT s{server}c{number} +1-1 {stamp}\n"));
    let mut newest = BTreeMap::new();
    for command in commands(1).chain(commands(2)) {
        let line = client.ask(&command).await.trim_end().to_owned();
        newest.insert(command.split(' ').nth(1).unwrap().to_owned(), line);
    }
    newest
}

#[tokio::test]
async fn full_servers_keep_the_same_wherever_clients_report_and_in_whatever_order_that_spreads() {
    let herd = RunningHerd::start(Setup { links: FIVE.to_vec(), limits: small(), ..Setup::default() }).await;
    let mut reports = JoinSet::new();
    for server in 0..5 {
        reports.spawn(report(herd.client(server).await, server));
    }
    let mut newest: Vec<String> = reports.join_all().await.into_iter().flatten().map(|(_, line)| line).collect();
    newest.sort_by_key(|line| {
        let line = AtLine::parse(line.as_bytes()).unwrap();
        (line.receipt(), line.id().to_vec())
    });
    let mut expected = newest.split_off(newest.len() - 10);
    expected.sort();
    for server in 0..5 {
        eventually("the server keeps what was heard last", || kept(herd.server(server)) == expected).await;
    }
}

#[tokio::test]
async fn what_a_full_server_has_evicted_is_not_given_back_by_a_neighbour_that_still_has_it() {
    let mut herd = RunningHerd::bind(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    herd.start_server(0).await;
    herd.set_limits(small());
    herd.start_server(1).await;
    herd.wait_for_links(0).await;
    let (bona, clark) = (herd.server(0), herd.server(1));
    let mut client = herd.client(0).await;
    for number in 0..30 {
        client.ask(format!("IAMAT c{number:02} +1-1 1\n")).await;
    }
    eventually("Clark has taken the last one in", || clark.node.flood().store().get(b"c29").is_some()).await;
    let (before, evicted) = (kept(clark), clark.node.flood().store().evicted());
    assert_eq!((before.len(), evicted), (10, 20));
    // A connection in Bona's name takes her link over; she dials again, with all that she knows.
    let mut impostor = Client::connect(herd.peers_at(1)).await;
    impostor.send("HELLO herd/1 Bona\n").await;
    assert_eq!(impostor.line().await, "HELLO herd/1 Clark sync\n");
    eventually("Bona is back and has said all that she knows", || {
        let link = clark.node.neighbours[0].link();
        link.formed == 3 && link.caught_up
    })
    .await;
    let sent = bona.metric("herd_sync_sent_updates_total{peer=\"Clark\"}");
    assert!(sent <= 1.0, "she still has what Clark evicted, and sends at most what stands at his very floor");
    assert_eq!(kept(clark), before);
    assert_eq!(clark.node.flood().store().evicted(), evicted);
    assert_eq!(kept(bona).len(), 30);
}
