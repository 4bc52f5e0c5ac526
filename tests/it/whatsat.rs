//! SPEC 2 and 3: WHATSAT, and Places when it works and when it does not.

use std::time::Duration;

use herd::config::Limits;

use crate::client::{Client, NOTHING, exchange_text};
use crate::running::{KEY, RunningHerd, Setup, eventually};
use crate::stub::{Does, Stub};

const IAMAT: &str = "IAMAT a +34.068930-118.445127 1\n";

/// A body as Places writes it, with four results, hard to cut by anything but a JSON parser.
const FOUR: &str = "{\n   \"html_attributions\" : [],\n   \"results\" : [\n      { \"name\" : \"one ], }\" },\n      { \"name\" : \"t\\\"wo\\u00e9\", \"types\" : [ [ ], { } ] },\n      3.14159265358979323846,\n      \"four\"\n   ],\n   \"status\" : \"OK\"\n}\n";

async fn asking(stub: &Stub) -> (RunningHerd, Client) {
    let herd = RunningHerd::alone(Setup { places: stub.url(), ..Setup::default() }).await;
    let mut client = herd.client(0).await;
    client.ask(IAMAT).await;
    (herd, client)
}

/// The body that a client gets when Places does something.
async fn body_when(does: Does) -> String {
    let stub = Stub::always(does).await;
    let (_herd, mut client) = asking(&stub).await;
    client.send("WHATSAT a 10 5\n").await;
    client.reply().await.1
}

#[track_caller]
fn says(body: &str, status: &str, message: &str) {
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["status"], status, "{body}");
    assert_eq!(json["results"], serde_json::json!([]));
    assert!(json["error_message"].as_str().unwrap().starts_with(message), "{body}");
}

#[tokio::test]
async fn the_request_is_a_nearby_search_with_the_digits_as_given() {
    let stub = Stub::always(Does::Answer(200, b"{}".to_vec())).await;
    let (_herd, mut client) = asking(&stub).await;
    client.send("WHATSAT a 10 5\nIAMAT a -0.5+001.0 2\nWHATSAT a 0.25 5\n").await;
    client.reply().await;
    client.line().await;
    client.reply().await;
    let mut lines: Vec<_> = stub.requests().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            format!("GET /maps/api/place/nearbysearch/json?location=-0.5,001.0&radius=250&key={KEY} HTTP/1.1"),
            format!(
                "GET /maps/api/place/nearbysearch/json?location=34.068930,-118.445127&radius=10000&key={KEY} HTTP/1.1"
            ),
        ]
    );
    let head = &stub.requests()[0].to_ascii_lowercase();
    assert!(!head.contains("referer") && !head.contains("accept-encoding"), "{head}");
}

#[tokio::test]
async fn from_as_many_results_as_asked_for_every_byte_stays_below_it_is_cut_by_byte_range() {
    let stub = Stub::always(Does::Answer(200, FOUR.into())).await;
    let (_herd, mut client) = asking(&stub).await;
    let end = "\n   ],\n   \"status\" : \"OK\"\n}\n\n";
    for (bound, expected) in [
        (20, format!("{FOUR}\n")),
        (4, format!("{FOUR}\n")),
        (3, format!("{}{end}", &FOUR[..FOUR.find(",\n      \"four\"").unwrap()])),
        (2, format!("{}{end}", &FOUR[..FOUR.find(",\n      3.14").unwrap()])),
        (1, format!("{}{end}", &FOUR[..FOUR.find(",\n      { \"name\" : \"t").unwrap()])),
    ] {
        client.send(format!("WHATSAT a 10 {bound}\n")).await;
        let (line, body) = client.reply().await;
        assert!(line.ends_with(" a +34.068930-118.445127 1\n"));
        assert_eq!(body, expected, "bound {bound}");
    }
}

#[tokio::test]
async fn newlines_around_the_json_go_and_runs_become_one() {
    let body = body_when(Does::Answer(200, b"\n\n{\n\n\n\"a\"\n\n: 1}\n\n\n".to_vec())).await;
    assert_eq!(body, "{\n\"a\"\n: 1}\n\n");
}

#[tokio::test]
async fn a_bound_of_0_is_answered_without_asking_places() {
    let stub = Stub::always(Does::Hang).await;
    let (_herd, mut client) = asking(&stub).await;
    client.send("WHATSAT a 10 0\n").await;
    assert_eq!(client.reply().await.1, NOTHING);
    assert!(stub.requests().is_empty());
}

#[tokio::test]
async fn replies_keep_their_order_around_a_slow_whatsat() {
    let stub = Stub::by_request(|line| {
        if line.contains("radius=1000&") {
            Does::Wait(b"{\"slow\":1}".to_vec())
        } else {
            Does::Answer(200, b"{}".to_vec())
        }
    })
    .await;
    let (herd, mut client) = asking(&stub).await;
    client.send("before\nWHATSAT a 1 5\nIAMAT b +1-1 1\nWHATSAT a 2 5\nWHATSAT b 1 0\nafter\n").await;
    assert_eq!(client.line().await, "? before\n");
    // Everything behind the slow one has been executed before it is answered.
    eventually("the fast question is answered", || stub.requests().len() == 2).await;
    let mut other = herd.client(0).await;
    eventually("b is known", || herd.server(0).node.flood().store().get(b"b").is_some()).await;
    other.send("WHATSAT b 1 0\n").await;
    other.reply().await;
    stub.let_one_through();
    assert_eq!(client.reply().await.1, "{\"slow\":1}\n\n");
    assert!(client.line().await.ends_with(" b +1-1 1\n"));
    assert_eq!(client.reply().await.1, "{}\n\n");
    assert_eq!(client.reply().await.1, NOTHING);
    assert_eq!(client.line().await, "? after\n");
}

#[tokio::test]
async fn line_and_location_are_those_of_the_moment_of_the_command() {
    let stub = Stub::always(Does::Wait(b"{}".to_vec())).await;
    let (herd, mut client) = asking(&stub).await;
    client.send("WHATSAT a 10 5\n").await;
    eventually("Places is asked", || stub.requests().len() == 1).await;
    exchange_text(herd.clients_at(0), "IAMAT a +1-1 2\n").await;
    stub.let_one_through();
    assert!(client.reply().await.0.ends_with(" a +34.068930-118.445127 1\n"));
    assert!(stub.requests()[0].contains("location=34.068930,-118.445127&"));
}

#[tokio::test]
async fn after_the_half_close_a_slow_whatsat_is_still_answered() {
    let stub = Stub::always(Does::Wait(b"{}".to_vec())).await;
    let (_herd, mut client) = asking(&stub).await;
    client.send("WHATSAT a 10 5").await;
    client.done().await;
    eventually("Places is asked", || stub.requests().len() == 1).await;
    stub.let_one_through();
    assert!(String::from_utf8(client.rest().await).unwrap().ends_with("\n{}\n\n"));
}

#[tokio::test]
async fn identical_queries_in_flight_share_one_request() {
    let stub = Stub::always(Does::Wait(b"{}".to_vec())).await;
    let (herd, mut client) = asking(&stub).await;
    let mut others = Vec::new();
    for bound in 1..=5 {
        let mut other = herd.client(0).await;
        other.send(format!("WHATSAT a 10 {bound}\n")).await;
        others.push(other);
    }
    eventually("all have asked", || herd.server(0).metric("herd_messages_received_total{kind=\"whatsat\"}") == 5.0)
        .await;
    stub.let_one_through();
    for mut other in others {
        assert_eq!(other.reply().await.1, "{}\n\n");
    }
    assert_eq!(stub.requests().len(), 1);
    stub.let_one_through();
    client.send("WHATSAT a 10 1\n").await;
    client.reply().await;
    assert_eq!(stub.requests().len(), 2, "an answer is not kept");
}

#[tokio::test]
async fn what_places_says_itself_is_passed_on_with_any_code() {
    let denied = "{\n   \"error_message\" : \"no\",\n   \"results\" : [],\n   \"status\" : \"REQUEST_DENIED\"\n}";
    for code in [200, 403, 500] {
        assert_eq!(body_when(Does::Answer(code, denied.into())).await, format!("{denied}\n\n"), "{code}");
    }
}

#[tokio::test]
async fn failures_of_places_are_answered_in_its_own_shape_by_table() {
    let too_large = format!("{{\"results\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    let endless =
        b"HTTP/1.1 200 OK\r\n\r\n{\"x\":\"".iter().copied().chain(std::iter::repeat_n(b'x', 2 << 20)).collect();
    for (does, status, message) in [
        (
            Does::Answer(500, b"oops".to_vec()),
            "UNKNOWN_ERROR",
            "Places answered with HTTP status 500 and no JSON object.",
        ),
        (Does::Answer(429, b"".to_vec()), "OVER_QUERY_LIMIT", "Places answered with HTTP status 429"),
        (Does::Answer(403, b"<html>".to_vec()), "REQUEST_DENIED", "Places answered with HTTP status 403"),
        (Does::Answer(400, b"[]".to_vec()), "INVALID_REQUEST", "Places answered with HTTP status 400"),
        (Does::Answer(200, b"{\"results\":[".to_vec()), "UNKNOWN_ERROR", "Places answered with HTTP status 200"),
        (Does::Answer(200, b"[1]".to_vec()), "UNKNOWN_ERROR", "Places answered with HTTP status 200"),
        (Does::Answer(200, too_large.into_bytes()), "UNKNOWN_ERROR", "the answer of Places was too large."),
        (Does::Raw(endless), "UNKNOWN_ERROR", "the answer of Places was too large."),
        (Does::CutOff, "UNKNOWN_ERROR", "Places could not be reached: "),
        (Does::Close, "UNKNOWN_ERROR", "Places could not be reached: "),
        (Does::Raw(b"what is HTTP?\n".to_vec()), "UNKNOWN_ERROR", "Places could not be reached: "),
    ] {
        says(&body_when(does).await, status, message);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Stub::always(Does::Answer(200, b"{}".to_vec())).await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
    let body = body_when(Does::Raw(location.into_bytes())).await;
    says(&body, "UNKNOWN_ERROR", "Places answered with HTTP status 302");
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn places_that_refuses_connections_is_an_unknown_error() {
    let herd = RunningHerd::alone(Setup::default()).await;
    let mut client = herd.client(0).await;
    client.ask(IAMAT).await;
    client.send("WHATSAT a 10 5\n").await;
    says(&client.reply().await.1, "UNKNOWN_ERROR", "Places could not be reached: Connection refused");
    assert_eq!(herd.server(0).metric("herd_places_requests_total{outcome=\"transport\"}"), 3.0, "three tries");
}

#[tokio::test]
async fn places_that_hangs_is_given_up_at_the_deadline() {
    let stub = Stub::always(Does::Hang).await;
    let limits = Limits { places_deadline: Duration::from_millis(50), ..Limits::default() };
    let herd = RunningHerd::alone(Setup { places: stub.url(), limits, ..Setup::default() }).await;
    let mut client = herd.client(0).await;
    client.ask(IAMAT).await;
    client.send("WHATSAT a 10 5\nnext\n").await;
    says(&client.reply().await.1, "UNKNOWN_ERROR", "Places did not answer within 0.05 s.");
    assert_eq!(client.line().await, "? next\n");
    assert_eq!(herd.server(0).metric("herd_places_requests_total{outcome=\"timeout\"}"), 1.0);
    assert_eq!(herd.server(0).metric("herd_places_in_flight"), 0.0);
}

#[tokio::test]
async fn requests_in_flight_are_capped() {
    let stub = Stub::always(Does::Wait(b"{}".to_vec())).await;
    let limits = Limits { places_in_flight: 3, ..Limits::default() };
    let herd = RunningHerd::alone(Setup { places: stub.url(), limits, ..Setup::default() }).await;
    let mut client = herd.client(0).await;
    client.ask(IAMAT).await;
    for radius in 1..=10 {
        client.send(format!("WHATSAT a {radius} 5\n")).await;
    }
    eventually("three requests wait", || stub.requests().len() == 3).await;
    for answered in 1..=10 {
        stub.let_one_through();
        client.reply().await;
        assert!(stub.requests().len() <= 3 + answered);
    }
}

#[tokio::test]
async fn the_key_is_nowhere_but_in_the_request() {
    let echo = format!("{{ \"error_message\" : \"key {KEY} is bad\" }}");
    let stub = Stub::by_request(move |line| {
        if line.contains("radius=1000&") { Does::Answer(200, echo.clone().into_bytes()) } else { Does::CutOff }
    })
    .await;
    let herd = RunningHerd::alone(Setup { places: stub.url(), log_bodies: true, ..Setup::default() }).await;
    let mut client = herd.client(0).await;
    client.ask(IAMAT).await;
    client.send("WHATSAT a 1 5\nWHATSAT a 2 5\n").await;
    let echoed = client.reply().await.1;
    assert_eq!(echoed, "{ \"error_message\" : \"key [key] is bad\" }\n\n");
    let failed = client.reply().await.1;
    let http =
        |path: &'static str| exchange_text(herd.metrics_at(0), format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
    let (metrics, status) = (http("/metrics").await, http("/status").await);
    assert!(stub.requests().iter().all(|head| head.contains(KEY)));
    let logs = herd.stop().await;
    assert!(logs[0].contains("key [key] is bad"), "bodies are logged whole here");
    for (what, text) in [("reply", &failed), ("metrics", &metrics), ("status", &status), ("log", &logs[0])] {
        assert!(!text.contains(KEY), "the key is in the {what}:\n{text}");
    }
}
