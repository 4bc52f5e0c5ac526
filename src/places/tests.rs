//! The rules of asking, without sockets and in simulated time.

use std::collections::VecDeque;

use metrics_exporter_prometheus::PrometheusRecorder;
use tokio::time::advance;

use super::*;
use crate::config::Herd;
use crate::metrics::{Metrics, recorder};
use crate::protocol::text::Name;

/// What the pretended service does with one request.
#[derive(Clone)]
enum Does {
    Answer(u16, &'static str),
    Fail(FetchError),
    Hang,
    Take(Duration, &'static str),
}

struct Pretend {
    script: Mutex<VecDeque<Does>>,
    asked: Arc<Mutex<Vec<Instant>>>,
}

impl Fetch for Pretend {
    fn fetch<'a>(&'a self, _query: &'a str) -> Fetching<'a> {
        self.asked.lock().unwrap().push(Instant::now());
        let next = self.script.lock().unwrap().pop_front().expect("no more requests than the script has");
        Box::pin(async move {
            match next {
                Does::Answer(status, body) => Ok(Response { status, body: body.into() }),
                Does::Fail(error) => Err(error),
                Does::Hang => std::future::pending().await,
                Does::Take(time, body) => {
                    sleep(time).await;
                    Ok(Response { status: 200, body: body.into() })
                }
            }
        })
    }
}

struct Bench {
    places: Places,
    asked: Arc<Mutex<Vec<Instant>>>,
    recorder: PrometheusRecorder,
}

fn bench(in_flight: usize, script: impl IntoIterator<Item = Does>) -> Bench {
    let recorder = recorder(&Name::new("Clark").unwrap());
    let metrics = Metrics::register(&recorder, &Herd::built_in(), &[]);
    let asked = Arc::default();
    let fetch = Pretend { script: Mutex::new(script.into_iter().collect()), asked: Arc::clone(&asked) };
    Bench { places: Places::new(fetch, Duration::from_secs(5), in_flight, metrics.places), asked, recorder }
}

impl Bench {
    async fn ask(&self) -> String {
        text(&self.places.ask(query("1")).await.unwrap())
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn counted(&self, outcome: &str) -> u64 {
        let line = format!("herd_places_requests_total{{server=\"Clark\",outcome=\"{outcome}\"}} ");
        let text = self.recorder.handle().render();
        text.lines().find_map(|printed| printed.strip_prefix(&line)).unwrap().parse().unwrap()
    }
}

fn query(radius: &str) -> Query {
    Query::new(Location::parse(b"+34.068930-118.445127").unwrap(), Radius::parse(radius.as_bytes()).unwrap())
}

fn text(answer: &PlacesBody) -> String {
    let mut out = Vec::new();
    answer.write(20, &mut out);
    String::from_utf8(out).unwrap()
}

fn says(body: &str, status: &str, message: &str) {
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((json["status"].as_str(), json["error_message"].as_str()), (Some(status), Some(message)));
    assert_eq!(json["results"], serde_json::json!([]));
}

#[test]
fn a_query_has_the_digits_as_given_and_the_radius_in_metres() {
    assert_eq!(query("1.5").0, "location=34.068930,-118.445127&radius=1500");
}

#[tokio::test(start_paused = true)]
async fn what_places_sends_is_passed_on_whatever_the_code() {
    for (code, body) in
        [(200, "{\"a\":1}"), (200, "{ \"status\" : \"REQUEST_DENIED\" }"), (400, "{}"), (403, "{\"x\" : 1}")]
    {
        let bench = bench(1, [Does::Answer(code, body)]);
        assert_eq!(bench.ask().await, body);
        assert_eq!(bench.requests(), 1, "{code} is final");
    }
}

#[tokio::test(start_paused = true)]
async fn statuses_without_json_by_table() {
    for (code, status, tries) in [
        (200, "UNKNOWN_ERROR", 1),
        (302, "UNKNOWN_ERROR", 1),
        (400, "INVALID_REQUEST", 1),
        (401, "REQUEST_DENIED", 1),
        (403, "REQUEST_DENIED", 1),
        (404, "UNKNOWN_ERROR", 1),
        (429, "OVER_QUERY_LIMIT", 3),
        (500, "UNKNOWN_ERROR", 3),
        (503, "UNKNOWN_ERROR", 3),
    ] {
        let bench = bench(1, vec![Does::Answer(code, "<html>"); tries]);
        says(&bench.ask().await, status, &format!("Places answered with HTTP status {code} and no JSON object."));
        assert_eq!(bench.requests(), tries, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_go_away_by_itself_is_tried_again_up_to_three_times() {
    let broken = || Does::Fail(FetchError::Transport("connection reset".into()));
    let bench_of_three = bench(1, [broken(), Does::Answer(503, ""), Does::Answer(200, "{}")]);
    assert_eq!(bench_of_three.ask().await, "{}");
    let gaps: Vec<_> = bench_of_three.asked.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps[0] <= PAUSE && gaps[1] <= 2 * PAUSE, "{gaps:?}");
    for (outcome, count) in [("transport", 1), ("server_error", 1), ("ok", 1), ("timeout", 0)] {
        assert_eq!(bench_of_three.counted(outcome), count, "{outcome}");
    }

    let hopeless = bench(1, [broken(), broken(), broken()]);
    says(&hopeless.ask().await, "UNKNOWN_ERROR", "Places could not be reached: connection reset.");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_final() {
    let bench = bench(1, [Does::Fail(FetchError::TooLarge)]);
    says(&bench.ask().await, "UNKNOWN_ERROR", "the answer of Places was too large.");
    assert_eq!(bench.counted("too_large"), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline() {
    let bench = bench(1, [Does::Hang]);
    let started = Instant::now();
    says(&bench.ask().await, "UNKNOWN_ERROR", "Places did not answer within 5 s.");
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!((bench.counted("timeout"), bench.requests()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_from_an_earlier_try_is_better_than_silence() {
    let bench = bench(1, [Does::Answer(503, "{\"status\":\"UNKNOWN_ERROR\",\"from\":\"Places\"}"), Does::Hang]);
    assert_eq!(bench.ask().await, "{\"status\":\"UNKNOWN_ERROR\",\"from\":\"Places\"}");
}

#[tokio::test(start_paused = true)]
async fn identical_questions_in_flight_share_one_request_and_later_ones_do_not() {
    let slow = || Does::Take(Duration::from_secs(1), "{}");
    let bench = bench(1, [slow(), slow()]);
    let all: Vec<_> = (0..100).map(|_| bench.places.ask(query("1"))).collect();
    for answer in all {
        assert_eq!(text(&answer.await.unwrap()), "{}");
    }
    assert_eq!(bench.requests(), 1);
    bench.ask().await;
    assert_eq!(bench.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_capped_and_waiting_for_a_slot_counts_toward_the_deadline() {
    let bench = bench(2, [(); 4].map(|()| Does::Take(Duration::from_secs(3), "{}")));
    let asked = Instant::now();
    let waiting: Vec<_> = (1..=4).map(|radius| bench.places.ask(query(&radius.to_string()))).collect();
    let mut answers = Vec::new();
    for answer in waiting {
        answers.push(text(&answer.await.unwrap()));
    }
    assert_eq!(asked.elapsed(), Duration::from_secs(5));
    assert_eq!(answers.iter().filter(|body| *body == "{}").count(), 2);
    for late in answers.iter().filter(|body| *body != "{}") {
        says(late, "UNKNOWN_ERROR", "Places did not answer within 5 s.");
    }
    assert_eq!(bench.requests(), 4, "two from the start, two when those were through");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_costs_the_others_nothing() {
    let bench = bench(1, [Does::Take(Duration::from_secs(1), "{}")]);
    drop(bench.places.ask(query("1")));
    let stays = bench.places.ask(query("1"));
    advance(Duration::from_secs(1)).await;
    assert_eq!(text(&stays.await.unwrap()), "{}");
}

#[tokio::test(start_paused = true)]
async fn questions_under_way_are_bounded() {
    let bench = bench(1, [Does::Hang]);
    let under_way: Vec<_> = (0..MAX_QUESTIONS).map(|n| bench.places.ask(query(&format!("1.{n:05}1")))).collect();
    let refused = bench.places.ask(query("2")).await.unwrap();
    says(&text(&refused), "OVER_QUERY_LIMIT", "This server has too many questions under way; ask again later.");
    drop(under_way);
}

#[tokio::test(start_paused = true)]
async fn a_question_longer_than_a_url_is_not_sent() {
    let bench = bench(1, []);
    let answer = bench.places.ask(query(&format!("1.{}1", "0".repeat(5000)))).await.unwrap();
    says(&text(&answer), "INVALID_REQUEST", "The location or the radius has more digits than Places takes.");
    assert_eq!(bench.requests(), 0);
}
