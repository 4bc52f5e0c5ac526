//! DESIGN 2: SIGTERM and SIGINT, and what becomes of what was under way.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::client::{Client, exchange_text};
use crate::process::Process;
use crate::running::{RunningHerd, Setup, eventually};
use crate::stub::{Does, Stub};

#[tokio::test]
async fn a_stopping_server_answers_what_it_read_says_that_it_is_not_ready_and_exits_with_0() {
    let stub = Stub::always(Does::Hang).await;
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("key"), "k").unwrap();
    let key_file = folder.path().join("key").to_str().unwrap().to_owned();
    let mut clark = Process::clark(&folder, &["--places-url", &stub.url(), "--places-key-file", &key_file]).await;
    let [clients, metrics] = ["clients", "metrics"].map(|what| clark.address(what));
    let mut client = Client::connect(clients).await;
    let mut idle = Client::connect(clients).await;
    assert_eq!(idle.ask("idle\n").await, "? idle\n");
    client.send("IAMAT a +1-1 1\nWHATSAT a 10 5\nlast\n").await;
    assert!(client.line().await.starts_with("AT Clark "));
    eventually("Places is asked", || !stub.requests().is_empty()).await;
    clark.signal(Signal::INT);
    crate::process::gone(clients).await;
    let ready = exchange_text(metrics, "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(ready.ends_with("not ready: stopping\n"), "{ready}");
    let (_, body) = client.reply().await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((json["status"].as_str(), json["results"].as_array().map(Vec::len)), (Some("UNKNOWN_ERROR"), Some(0)));
    assert_eq!(client.rest().await, b"? last\n");
    assert_eq!(idle.rest().await, b"");
    assert_eq!(clark.exit_code().await, Some(0));
    let log = std::fs::read_to_string(folder.path().join("Clark.log")).unwrap();
    assert!(log.contains(" > ? last\n") && log.ends_with(" * closed: shutdown\n"), "{log}");
}

#[tokio::test]
async fn updates_that_were_acknowledged_reach_the_neighbours_of_a_server_that_stops() {
    let mut herd = RunningHerd::start(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    for round in 0..20 {
        let mut client = herd.client(1).await;
        let commands: String = (0..100).map(|id| format!("IAMAT c{id} +1-1 {round}\n")).collect();
        client.send(commands).await;
        for _ in 0..100 {
            client.line().await;
        }
        let known = herd.server(1).node.flood().store().digest();
        herd.stop_server(1).await;
        eventually("Bona has everything", || herd.server(0).node.flood().store().digest() == known).await;
        herd.start_server(1).await;
        herd.wait_for_links(1).await;
        herd.wait_for_agreement().await;
    }
}
