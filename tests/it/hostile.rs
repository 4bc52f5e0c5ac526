//! Clients that misbehave: nobody else notices, and memory stays flat.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{Client, exchange_text};
use crate::process::Process;

/// How much memory may go up and down while all of them are at work, in KiB: what waits for the
/// log's disk is most of it.
const ROOM: usize = 8 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_clients_that_misbehave_and_memory_stays_flat() {
    let folder = TempDir::new().unwrap();
    let clark = Process::clark(
        &folder,
        &[
            "--places-url",
            "mock",
            "--max-unread",
            "64KiB",
            // However slow the machine is, those who trickle and those who do not read stay to the end.
            "--unfinished-line",
            "1h",
            "--unread-timeout",
            "1h",
            "--log-rotate",
            "1MiB",
            "--log-keep",
            "8MiB",
        ],
    )
    .await;
    let [clients, peers, metrics] = ["clients", "peers", "metrics"].map(|what| clark.address(what));
    let mut good = Client::connect(clients).await;
    for number in 0..1000 {
        good.ask(format!("IAMAT warm{number} +1-1 1\n")).await;
    }
    let mut bad = JoinSet::new();
    for _ in 0..10 {
        // Never reads: writes until nothing is taken any more.
        bad.spawn(async move {
            let mut client = Client::connect(clients).await;
            let chunk = "unread\n".repeat(1000);
            while timeout(Duration::from_millis(200), client.stream.write_all(chunk.as_bytes())).await.is_ok() {}
            std::future::pending::<()>().await;
        });
        // A byte at a time, for ever.
        bad.spawn(async move {
            let mut client = Client::connect(clients).await;
            loop {
                client.send("x").await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        // Lines without end.
        bad.spawn(async move {
            let mut client = Client::connect(clients).await;
            let chunk = vec![b'x'; 1 << 20];
            for _ in 0..10 {
                client.send(&chunk).await;
            }
            std::future::pending::<()>().await;
        });
        // Garbage.
        bad.spawn(async move {
            loop {
                let garbage: String = (0..1000).map(|number| format!("garbage \0{number}\n")).collect();
                exchange_text(clients, garbage).await;
            }
        });
        // Strangers on the other ports.
        bad.spawn(async move {
            loop {
                exchange_text(peers, "HELLO herd/1 Bona; DROP TABLE\n").await;
                exchange_text(metrics, "BREW / HTCPCP/1.0\r\n\r\n").await;
            }
        });
    }
    let mut before = 0;
    for number in 0..2000 {
        if number == 500 {
            before = clark.resident();
        }
        let reply = timeout(Duration::from_secs(5), good.ask(format!("IAMAT good{number} +1-1 1\n"))).await;
        let reply = reply.expect("the good client is served in the meantime");
        assert!(reply.starts_with("AT Clark ") && reply.ends_with(&format!(" good{number} +1-1 1\n")), "{reply}");
    }
    assert!(bad.try_join_next().is_none(), "the misbehaving go on until they are stopped");
    let after = clark.resident();
    bad.shutdown().await;
    assert!(after < before + ROOM, "{before} KiB became {after} KiB");
}
