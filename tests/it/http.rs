//! DESIGN 6: what people and Prometheus get over HTTP.

use serde_json::Value;

use crate::client::{Client, exchange_text};
use crate::running::{RunningHerd, Setup, eventually};

/// The status, the head and the body of a page.
async fn get(herd: &RunningHerd, server: usize, path: &str) -> (u16, String, String) {
    request(herd, server, "GET", path).await
}

async fn request(herd: &RunningHerd, server: usize, method: &str, path: &str) -> (u16, String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let response = exchange_text(herd.metrics_at(server), request).await;
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn pages_by_table() {
    let herd = RunningHerd::alone(Setup::default()).await;
    for (method, path, status, kind, begins) in [
        ("GET", "/healthz", 200, "text/plain", "ok\n"),
        ("GET", "/readyz", 200, "text/plain", "ready\n"),
        ("GET", "/status", 200, "application/json", "{\n  \"name\": \"Clark\","),
        ("GET", "/metrics", 200, "text/plain; version=0.0.4", "#"),
        ("GET", "/", 200, "text/plain", "/metrics  for Prometheus\n"),
        ("GET", "/favicon.ico", 404, "text/plain", "/metrics"),
        ("POST", "/status", 405, "text/plain", "only GET is allowed here\n"),
        ("HEAD", "/healthz", 200, "text/plain", ""),
    ] {
        let (got, head, body) = request(&herd, 0, method, path).await;
        assert_eq!(got, status, "{method} {path}");
        assert!(head.contains(&format!("content-type: {kind}")), "{head}");
        assert!(body.starts_with(begins), "{body}");
    }
}

#[tokio::test]
async fn a_server_serves_clients_when_it_knows_what_its_neighbours_know() {
    let mut herd = RunningHerd::bind(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    // The test is Bona, who listens, so that she is waited for, dials and says hello but not yet all
    // that she knows.
    let _listens = herd.take_listeners(0);
    herd.start_server(1).await;
    let mut bona = Client::connect(herd.peers_at(1)).await;
    bona.send("HELLO herd/1 Bona\nAT Bona +1.000000000 old +1-1 1\n").await;
    assert_eq!(bona.line().await, "HELLO herd/1 Clark sync\n");
    let mut client = herd.client(1).await;
    client.send("WHATSAT new 1 0\n").await;
    eventually("the first update is learnt", || herd.server(1).node.flood().store().clients() == 1).await;
    let (status, _, body) = get(&herd, 1, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "not ready: catching up\n"));
    assert_eq!(herd.server(1).metric("herd_client_connections_accepted_total"), 0.0);
    bona.send("AT Bona +1.000000000 new +1-1 1\nDONE\n").await;
    assert_eq!(client.reply().await.0, "AT Bona +1.000000000 new +1-1 1\n");
    assert_eq!(get(&herd, 1, "/readyz").await.0, 200);
    let status: Value = serde_json::from_str(&get(&herd, 1, "/status").await.2).unwrap();
    assert_eq!(status["phase"], "serving");
}

#[tokio::test]
async fn the_status_shows_links_counts_and_equal_digests_for_equal_stores() {
    let herd = RunningHerd::five().await;
    exchange_text(herd.clients_at(0), "IAMAT a +1-1 1\nIAMAT b +1-1 1\n").await;
    herd.wait_for_agreement().await;
    let mut digests = Vec::new();
    for server in 0..5 {
        let status: Value = serde_json::from_str(&get(&herd, server, "/status").await.2).unwrap();
        assert_eq!(status["name"], herd.names()[server]);
        assert_eq!(status["known_clients"], 2);
        let links = status["links"].as_array().unwrap();
        assert_eq!(links.len(), herd.herd().neighbours(server).len());
        assert!(
            links.iter().all(|link| link["up"] == true && link["caught_up"] == true && link["pending_updates"] == 0)
        );
        digests.push(status["digest"].as_str().unwrap().to_owned());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0] && digest.len() == 32), "{digests:?}");
    exchange_text(herd.clients_at(0), "IAMAT a +1-1 2\n").await;
    let status: Value = serde_json::from_str(&get(&herd, 0, "/status").await.2).unwrap();
    assert_ne!(status["digest"], digests[0].as_str());
}

#[tokio::test]
async fn what_happens_is_counted() {
    let herd = RunningHerd::start(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    let iamat = "IAMAT a +1-1 1\n";
    let reply = exchange_text(herd.clients_at(1), iamat).await;
    herd.wait_for_agreement().await;
    let clark = herd.server(1);
    eventually("the connection is closed", || clark.metric("herd_client_connections") == 0.0).await;
    for (series, expected) in [
        ("herd_build_info{version=\"0.1.0\",commit=\"COMMIT\"}", 1.0),
        ("herd_client_connections_accepted_total", 1.0),
        ("herd_client_connections_closed_total{reason=\"client\"}", 1.0),
        ("herd_messages_received_total{kind=\"iamat\"}", 1.0),
        ("herd_request_duration_seconds_count{kind=\"iamat\"}", 1.0),
        ("herd_received_bytes_total{link=\"client\"}", iamat.len() as f64),
        ("herd_sent_bytes_total{link=\"client\"}", reply.len() as f64),
        ("herd_peer_link_up{peer=\"Bona\"}", 1.0),
        ("herd_peer_reconnects_total{peer=\"Bona\"}", 0.0),
        ("herd_flood_sent_total{peer=\"Bona\"}", 1.0),
        ("herd_sync_rounds_total{peer=\"Bona\"}", 1.0),
        ("herd_sync_sent_updates_total{peer=\"Bona\"}", 0.0),
        ("herd_store_divergence_total{peer=\"Bona\"}", 0.0),
        ("herd_log_dropped_lines_total", 0.0),
    ] {
        let series = series.replace("COMMIT", herd::COMMIT);
        assert_eq!(clark.metric(&series), expected, "{series}");
    }
    let bona = herd.server(0);
    assert_eq!(bona.metric("herd_flood_received_total{peer=\"Clark\",outcome=\"fresh\"}"), 1.0);
    assert_eq!(bona.metric("herd_propagation_latency_seconds_count{origin=\"Clark\"}"), 1.0);
    let (_, _, page) = get(&herd, 0, "/metrics").await;
    for line in [
        "# TYPE herd_propagation_latency_seconds histogram",
        "herd_known_clients{server=\"Bona\"} 1",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE herd_runtime_tasks gauge",
    ] {
        assert!(page.lines().any(|printed| printed == line), "{line} is missing in\n{page}");
    }
}

#[tokio::test]
async fn an_update_from_a_clock_ahead_of_ours_is_an_anomaly() {
    let herd = RunningHerd::start(Setup { links: vec![("Bona", "Clark")], ..Setup::default() }).await;
    // Received, by its origin's clock, in the year 2286.
    let clark = herd.server(1);
    let future = "AT Bona +9999999999.000000000 a +1-1 0";
    let line = herd::protocol::update::AtLine::parse(future.as_bytes()).unwrap();
    let (_, wake) = clark.node.flood().offer(line, None);
    clark.node.wake(wake);
    herd.wait_for_agreement().await;
    let bona = herd.server(0);
    assert_eq!(bona.metric("herd_clock_anomalies_total{origin=\"Bona\"}"), 1.0);
    assert_eq!(bona.metric("herd_propagation_latency_seconds_count{origin=\"Bona\"}"), 0.0);
}
