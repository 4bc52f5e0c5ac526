//! More clients, connections and questions than there is room for: who is served is served well,
//! and whatever was short is used again once it is there.

use rlimit::{Resource, prlimit};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStderr;
use tokio::time::{Instant, timeout};

use crate::client::Client;
use crate::process::{Process, clark};
use crate::running::PATIENCE;

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
