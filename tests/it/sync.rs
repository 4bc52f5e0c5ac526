//! SPEC 5 and PROTOCOL.md: how two servers bring their stores together. What the lines say is
//! tested beside `src/sync.rs`; here it is that they are said.

use herd::digest::Digest;
use herd::protocol::sync::GROUPS;
use herd::store::client_hash;

use crate::client::{Client, exchange_text};
use crate::running::{RunningHerd, Setup, eventually};

/// A herd of Bona, who dials, and Clark; only Clark is up, knows of kiwi, and the test is Bona.
async fn clark() -> (RunningHerd, String) {
    let mut herd = RunningHerd::bind(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    herd.start_server(1).await;
    let kiwi = exchange_text(herd.clients_at(1), "IAMAT kiwi +1-1 1\n").await;
    (herd, kiwi)
}

async fn bona(herd: &RunningHerd, capabilities: &str) -> Client {
    let mut bona = Client::connect(herd.peers_at(1)).await;
    bona.send(format!("HELLO herd/1 Bona{capabilities}\n")).await;
    assert_eq!(bona.line().await, "HELLO herd/1 Clark sync\n");
    bona
}

/// The next line that is not merely a sign of life.
async fn said(bona: &mut Client) -> String {
    loop {
        let line = bona.line().await;
        if line != "PING\n" {
            return line;
        }
    }
}

/// The digests of a store, of all groups or of one group's buckets, that knows of one client.
fn digests(place: usize, line: &str) -> String {
    let digest = |n| if n == place { Digest::of(line.as_bytes()) } else { Digest::default() };
    (0..GROUPS).map(|n| format!(" {}", digest(n))).collect()
}

fn bucket_of(id: &str) -> usize {
    usize::try_from(client_hash(id.as_bytes()) % 4096).unwrap()
}

/// One round in which Bona has `line` of a client and says so.
async fn round(bona: &mut Client, id: &str, line: &str) {
    let (bucket, hash) = (bucket_of(id), client_hash(id.as_bytes()));
    let line_hash = Digest::of(line.as_bytes()).low();
    bona.send(format!("SYNC GROUPS{}\nSYNC STEP 1\n", digests(bucket / 64, line))).await;
    let mut asked = said(bona).await;
    while !asked.starts_with(&format!("SYNC BUCKETS {} ", bucket / 64)) {
        asked = said(bona).await;
    }
    while said(bona).await != "SYNC STEP 2\n" {}
    bona.send(format!(
        "SYNC ENTRIES {bucket} 0000000000000000 ffffffffffffffff - {hash:016x}:{line_hash:016x}\nSYNC STEP 3\n"
    ))
    .await;
    assert_eq!(said(bona).await, format!("SYNC WANT {bucket} - {hash:016x}\n"));
    assert_eq!(said(bona).await, "SYNC STEP 4\n");
    bona.send(format!("SYNC HAVE {line}\nSYNC STEP 5\n")).await;
    assert_eq!(said(bona).await, "SYNC STEP 6\n");
}

#[tokio::test]
async fn a_neighbour_without_the_capability_gets_everything() {
    let (herd, kiwi) = clark().await;
    let mut bona = bona(&herd, " zstd").await;
    assert_eq!(said(&mut bona).await, kiwi);
    assert_eq!(said(&mut bona).await, "DONE\n");
    bona.send("SYNC STEP 1\nDONE\n").await;
    eventually("it has caught up", || herd.server(1).node.neighbours[0].link().caught_up).await;
    assert_eq!(herd.server(1).metric("herd_peer_unknown_lines_total{peer=\"Bona\"}"), 1.0);
}

#[tokio::test]
async fn what_is_missing_at_link_up_is_no_divergence_and_what_is_later_is() {
    let (herd, _) = clark().await;
    let mut bona = bona(&herd, " sync").await;
    round(&mut bona, "early", "AT Bona +1.000000000 early +1-1 1").await;
    let clark = herd.server(1);
    let divergence = "herd_store_divergence_total{peer=\"Bona\"}";
    assert!(clark.node.neighbours[0].link().caught_up);
    assert_eq!((clark.node.flood().store().clients(), clark.metric(divergence)), (2, 0.0));
    assert_eq!(clark.metric("herd_propagation_latency_seconds_count{origin=\"Bona\"}"), 0.0);

    round(&mut bona, "late", "AT Bona +1.000000000 late +1-1 1").await;
    assert_eq!((clark.node.flood().store().clients(), clark.metric(divergence)), (3, 1.0));
    assert_eq!(clark.metric("herd_sync_rounds_total{peer=\"Bona\"}"), 2.0);
    let notice = "Bona * 1 updates were missing here that Bona had: repaired";
    eventually("the repair is in the log", || herd.log("Clark").contains(notice)).await;
}

#[tokio::test]
async fn a_neighbour_that_asks_without_end_loses_its_link() {
    let mut setup = Setup { links: vec![("Bona", "Clark")], ..Setup::default() };
    setup.limits.store.clients = 10;
    let mut herd = RunningHerd::bind(setup).await;
    herd.start_server(1).await;
    let mut bona = bona(&herd, " sync").await;
    // Bona does not read, so that the answers pile up.
    let many = "SYNC STEP 1\n".repeat(2_000_000);
    let (mut read, mut write) = bona.stream.split();
    // Clark closes the connection before all of it is sent.
    let sent = tokio::io::AsyncWriteExt::write_all(&mut write, many.as_bytes()).await;
    assert!(sent.is_err());
    let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
    let reason = "Bona * link down: the neighbour asks for more than there is";
    eventually("the reason is in the log", || herd.log("Clark").contains(reason)).await;
}
