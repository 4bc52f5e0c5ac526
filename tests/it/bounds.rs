//! DESIGN 5: nothing that is fed from outside grows without bound, and nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use herd::clock::Clock;
use herd::config::{Herd, Limits};
use herd::io_log::IoLog;
use herd::metrics::{Closed, Metrics, recorder};
use herd::node::{Node, neighbour_names};
use herd::places::{Fetch, Fetching, Places, Response};
use herd::session::{self, Service};
use herd::store::StoreLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, exchange_text};
use crate::running::{RunningHerd, Setup, eventually};

/// Places that never answers and counts who asks.
struct Silent(Arc<AtomicUsize>);

impl Fetch for Silent {
    fn fetch<'a>(&'a self, _query: &'a str) -> Fetching<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending::<Result<Response, _>>())
    }
}

/// A session in simulated time, over a pipe that holds so many bytes each way.
/// Bytes of a session between two turns.
const SESSION: usize = 552;

struct Bench {
    client: DuplexStream,
    session: JoinHandle<Closed>,
    asked: Arc<AtomicUsize>,
    stop: CancellationToken,
}

fn bench(pipe: usize) -> Bench {
    bench_with(pipe, Limits::default())
}

fn bench_with(pipe: usize, limits: Limits) -> Bench {
    let asked = Arc::default();
    let service = service(limits, &asked);
    let (client, mut theirs) = duplex(pipe);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let session = tokio::spawn(async move { session::run(&mut theirs, &service, 1, &stopped).await });
    Bench { client, session, asked, stop }
}

fn service(limits: Limits, asked: &Arc<AtomicUsize>) -> Service {
    let herd = Herd::built_in();
    let metrics = Metrics::register(&recorder(&herd.servers()[3].name), &herd, &neighbour_names(&herd, 3));
    let places = Silent(Arc::clone(asked));
    let places = Places::new(places, Duration::from_secs(3600), 1000, metrics.places.clone());
    let node = Arc::new(Node::new(&herd, 3, &limits, Clock::system(), metrics, IoLog::disabled()));
    Service::new(node, places, limits, false)
}

/// There is one for each connection, so a byte here is a megabyte of a million clients.
#[tokio::test]
async fn a_session_takes_no_more_memory_than_it_did() {
    let (_client, mut theirs) = duplex(64);
    let service = service(Limits::default(), &Arc::default());
    let stop = CancellationToken::new();
    let size = size_of_val(&session::run(&mut theirs, &service, 1, &stop));
    assert!(size <= SESSION, "{size} bytes, {SESSION} are pinned");
}

async fn line(client: &mut DuplexStream) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_line_that_stays_unfinished_for_60_s_ends_its_connection_however_it_trickles() {
    let mut bench = bench(4096);
    let started = Instant::now();
    let mut sent = 0;
    while bench.client.write_all(b"x").await.is_ok() {
        sent += 1;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(bench.session.await.unwrap(), Closed::UnfinishedLine);
    assert!((59..=61).contains(&sent), "{sent} bytes in {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_an_unfinished_line_may_be_idle_for_ever() {
    let mut bench = bench(4096);
    for _ in 0..3 {
        bench.client.write_all(b"hello").await.unwrap();
        sleep(Duration::from_secs(59)).await;
        bench.client.write_all(b" world\n").await.unwrap();
        assert_eq!(line(&mut bench.client).await, "? hello world\n");
        sleep(Duration::from_secs(100_000)).await;
    }
    assert!(!bench.session.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_no_longer_read_from_and_closed_after_60_s() {
    let mut bench = bench(4096);
    let started = Instant::now();
    let chunk = "0123456789\n".repeat(100);
    let mut sent = 0;
    while bench.client.write_all(chunk.as_bytes()).await.is_ok() {
        sent += chunk.len();
    }
    assert_eq!(bench.session.await.unwrap(), Closed::UnreadReplies);
    let limit = Limits::default().unread_replies;
    assert!(sent < limit + (64 << 10), "{sent} bytes were taken");
    assert!(started.elapsed() >= Duration::from_secs(60) && started.elapsed() <= Duration::from_secs(62));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_is_served_to_the_end() {
    let bench = bench(1024);
    let (mut read, mut write) = tokio::io::split(bench.client);
    let writing = tokio::spawn(async move {
        for number in 0..20_000 {
            write.write_all(format!("line {number}\n").as_bytes()).await.unwrap();
        }
        write.shutdown().await.unwrap();
    });
    let mut replies = Vec::new();
    let mut buffer = [0; 512];
    loop {
        let count = read.read(&mut buffer).await.unwrap();
        if count == 0 {
            break;
        }
        replies.extend_from_slice(&buffer[..count]);
        sleep(Duration::from_secs(1)).await;
    }
    writing.await.unwrap();
    let expected: String = (0..20_000).map(|number| format!("? line {number}\n")).collect();
    assert!(replies == expected.as_bytes());
    assert_eq!(bench.session.await.unwrap(), Closed::Client);
}

#[tokio::test(start_paused = true)]
async fn of_one_connection_64_commands_are_in_work_at_most() {
    let mut bench = bench(1 << 20);
    bench.client.write_all(b"IAMAT a +1-1 1\n").await.unwrap();
    line(&mut bench.client).await;
    for radius in 0..100 {
        bench.client.write_all(format!("WHATSAT a 1.{radius:02}1 5\n").as_bytes()).await.unwrap();
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.asked.load(Ordering::Relaxed), 64);
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_questions_fills_again_at_its_rate_and_a_refusal_takes_nothing_from_it() {
    let quota = Some("120/min".parse().unwrap());
    for limits in [
        Limits { whatsat_quota: quota, ..Limits::default() },
        Limits { whatsat_quota_total: quota, ..Limits::default() },
    ] {
        let mut bench = bench_with(1 << 20, limits);
        bench.client.write_all(b"IAMAT a +1-1 1\n").await.unwrap();
        line(&mut bench.client).await;
        let mut asked = Vec::new();
        for round in 0..10 {
            bench.client.write_all(format!("WHATSAT a {round}.1 5\nWHATSAT a {round}.2 5\n").as_bytes()).await.unwrap();
            sleep(Duration::from_millis(125)).await;
            asked.push(bench.asked.load(Ordering::Relaxed));
        }
        assert_eq!(asked, [2, 2, 2, 2, 3, 3, 3, 3, 4, 4], "two at once, and one every half second");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_server_stops_places_is_cut_at_2_s_and_every_command_that_was_read_is_answered() {
    let mut bench = bench(1 << 20);
    bench.client.write_all(b"IAMAT a +1-1 1\nWHATSAT a 1 5\nWHATSAT a 2 5\nlast\nunfinish").await.unwrap();
    line(&mut bench.client).await;
    while bench.asked.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    let stopped = Instant::now();
    bench.stop.cancel();
    let mut rest = String::new();
    bench.client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(stopped.elapsed(), Duration::from_secs(2));
    assert_eq!(rest.matches("The server stopped before Places answered.").count(), 2);
    assert!(rest.ends_with("\n\n? last\n"), "{rest}");
    drop(bench.client);
    assert_eq!(bench.session.await.unwrap(), Closed::Shutdown);
}

#[tokio::test]
async fn beyond_the_limit_of_connections_clients_are_let_go_at_once() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let herd = RunningHerd::alone(Setup { limits, ..Setup::default() }).await;
    let (mut first, mut second) = (herd.client(0).await, herd.client(0).await);
    assert_eq!(first.ask("a\n").await, "? a\n");
    assert_eq!(second.ask("b\n").await, "? b\n");
    assert_eq!(herd.client(0).await.rest().await, b"");
    assert_eq!(herd.server(0).metric("herd_client_connections_rejected_total{reason=\"limit\"}"), 1.0);
    assert_eq!(herd.server(0).metric("herd_client_connections"), 2.0);
    first.done().await;
    first.rest().await;
    eventually("there is room again", || herd.server(0).service.open_connections() == 1).await;
    assert_eq!(herd.client(0).await.ask("c\n").await, "? c\n");
}

#[tokio::test]
async fn past_the_limit_of_clients_the_one_heard_from_longest_ago_is_forgotten_everywhere() {
    let store = StoreLimits { clients: 10, bytes: 1 << 20 };
    let limits = Limits { store, ..Limits::default() };
    let herd = RunningHerd::start(Setup { links: vec![("Bona", "Clark")], limits, ..Setup::default() }).await;
    let mut client = herd.client(0).await;
    for number in 0..30 {
        client.ask(format!("IAMAT c{number} +1-1 1\n")).await;
    }
    herd.wait_for_agreement().await;
    for server in 0..2 {
        assert_eq!(herd.server(server).node.flood().store().clients(), 10);
        let at = herd.clients_at(server);
        assert_eq!(exchange_text(at, "WHATSAT c19 1 0\n").await, "? WHATSAT c19 1 0\n");
        assert!(exchange_text(at, "WHATSAT c20 1 0\n").await.starts_with("AT "));
        let metrics = exchange_text(herd.metrics_at(server), "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let name = &herd.names()[server];
        assert!(metrics.contains(&format!("herd_evicted_clients_total{{server=\"{name}\"}} 20\n")), "{metrics}");
    }
}

#[tokio::test]
async fn http_connections_are_bounded_in_number_and_in_the_time_of_their_head() {
    let limits = Limits { http_connections: 3, http_head: Duration::from_millis(100), ..Limits::default() };
    let herd = RunningHerd::alone(Setup { limits, ..Setup::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(herd.metrics_at(0)).await;
        client.send("GET /healthz").await;
        idle.push(client);
    }
    assert_eq!(exchange_text(herd.metrics_at(0), "").await, "", "a fourth is closed at once");
    for mut client in idle {
        let said = String::from_utf8(client.rest().await).unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    let answer = exchange_text(herd.metrics_at(0), "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_thousand_lines_of_garbage_are_answered_one_by_one() {
    let herd = RunningHerd::alone(Setup::default()).await;
    let mut client = herd.client(0).await;
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..1000 {
        let length = random.usize(..200);
        let garbage: Vec<u8> = (0..length).map(|_| random.u8(..)).filter(|byte| *byte != b'\n').collect();
        client.send([&garbage[..], b"\n"].concat()).await;
        let copy = garbage.strip_suffix(b"\r").unwrap_or(&garbage);
        assert_eq!(client.until(b"\n").await, [b"? ", copy, b"\n"].concat());
    }
    assert_eq!(herd.server(0).metric("herd_messages_received_total{kind=\"invalid\"}"), 1000.0);
}
