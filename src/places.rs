//! The Places client: every question is answered in bounded time, with the body that Places sent
//! or one of the same shape that says what went wrong (SPEC 3).
//!
//! One deadline covers waiting for a slot, up to three tries and the pauses between them.
//! Identical questions in flight share one answer; nothing is kept once it was given.

mod http;
mod key;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};

pub use self::http::{HttpPlaces, PlacesUrl, PlacesUrlError};
pub use self::key::{KeyError, PlacesKey};
use crate::metrics::{PlacesMetrics, PlacesOutcome};
use crate::protocol::command::{Location, Radius};
use crate::protocol::places_json::{PlacesBody, failure};

/// Tries per question, at most.
const TRIES: u32 = 3;
/// The pause before the second try is up to this long, before the third up to twice that.
const PAUSE: Duration = Duration::from_millis(200);
/// Different questions under way, those that wait for a slot included. Each is a small task.
const MAX_QUESTIONS: usize = 16_384;
/// A longer query string does not fit into a URL that servers accept.
const MAX_QUERY: usize = 4096;

/// What a Places service answered to one request.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Why a request got no answer. The text never holds the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke before the answer was whole.
    #[error("Places could not be reached: {0}")]
    Transport(String),
    /// The body is past the limit and was not read on.
    #[error("the answer of Places was too large")]
    TooLarge,
}

/// A future that a [`Fetch`] returns.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Response, FetchError>> + Send + 'a>>;

/// Asks a Places service once. HTTP does; tests and simulations have their own.
pub trait Fetch: Send + Sync + 'static {
    /// Sends one request with the given query string, without the key.
    fn fetch<'a>(&'a self, query: &'a str) -> Fetching<'a>;
}

/// The Places client of one server. Clones share it.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    fetch: Box<dyn Fetch>,
    deadline: Duration,
    slots: Semaphore,
    metrics: PlacesMetrics,
    /// Who waits for the answer to each question under way.
    questions: Mutex<HashMap<Query, Vec<oneshot::Sender<Answer>>>>,
}

/// An answer, shared by all who asked the same.
pub type Answer = Arc<PlacesBody>;

/// What is asked: `location=LAT,LNG&radius=METRES`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query(String);

impl Query {
    /// A Nearby Search around a location. Its digits go out as they were given.
    #[must_use]
    pub fn new(location: Location<'_>, radius: Radius<'_>) -> Self {
        let mut query = b"location=".to_vec();
        query.extend_from_slice(location.latitude());
        query.push(b',');
        query.extend_from_slice(location.longitude());
        query.extend_from_slice(b"&radius=");
        radius.write_metres(&mut query);
        Self(String::from_utf8(query).expect("locations and radii are ASCII"))
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

impl Places {
    /// A client that asks through `fetch`, at most `in_flight` requests at a time.
    #[must_use]
    pub fn new(fetch: impl Fetch, deadline: Duration, in_flight: usize, metrics: PlacesMetrics) -> Self {
        Self(Arc::new(Shared {
            fetch: Box::new(fetch),
            deadline,
            slots: Semaphore::new(in_flight),
            metrics,
            questions: Mutex::default(),
        }))
    }

    /// Asks. The answer comes within the deadline, whatever happens; who no longer wants it
    /// drops the receiver.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn ask(&self, query: Query) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut questions = self.0.questions.lock().expect("nothing panics while it holds this lock");
        let under_way = questions.len();
        match questions.entry(query) {
            Entry::Occupied(mut waiting) => waiting.get_mut().push(sender),
            Entry::Vacant(question) if question.key().0.len() <= MAX_QUERY && under_way < MAX_QUESTIONS => {
                let query = question.key().clone();
                question.insert(vec![sender]);
                tokio::spawn(self.clone().answer(query));
            }
            Entry::Vacant(question) => {
                let answer = if under_way < MAX_QUESTIONS {
                    refusal("INVALID_REQUEST", "The location or the radius has more digits than Places takes.")
                } else {
                    debug_assert!(question.key().0.len() <= MAX_QUERY);
                    refusal("OVER_QUERY_LIMIT", "This server has too many questions under way; ask again later.")
                };
                // The receiver is right here, so this cannot fail.
                let _ = sender.send(Arc::new(answer));
            }
        }
        receiver
    }

    /// Finds the answer to a question and gives it to all who asked until then.
    async fn answer(self, query: Query) {
        let answer = Arc::new(self.0.find(&query.0).await);
        let mut questions = self.0.questions.lock().expect("nothing panics while it holds this lock");
        for waiting in questions.remove(&query).unwrap_or_default() {
            // Whoever is gone does not want it.
            let _ = waiting.send(Arc::clone(&answer));
        }
    }
}

impl Shared {
    async fn find(&self, query: &str) -> PlacesBody {
        let mut latest = None;
        let in_time = timeout(self.deadline, self.try_until_final(query, &mut latest)).await;
        match latest {
            Some(attempt) if in_time.is_ok() || attempt.body.is_some() => attempt.into_answer(),
            _ => {
                let seconds = self.deadline.as_secs_f64();
                refusal("UNKNOWN_ERROR", &format!("Places did not answer within {seconds} s."))
            }
        }
    }

    /// Tries until an answer is final; `latest` is the last try that ended.
    async fn try_until_final(&self, query: &str, latest: &mut Option<Attempt>) {
        for earlier in 0..TRIES {
            if earlier > 0 {
                sleep(PAUSE.mul_f64(fastrand::f64() * f64::from(earlier))).await;
            }
            let attempt = self.attempt(query).await;
            let is_final = !attempt.is_worth_another_try();
            // A body that Places sent is a better answer than the next try's silence.
            if attempt.body.is_some() || latest.as_ref().is_none_or(|latest| latest.body.is_none()) {
                *latest = Some(attempt);
            }
            if is_final {
                return;
            }
        }
    }

    async fn attempt(&self, query: &str) -> Attempt {
        let _slot = self.slots.acquire().await.expect("the slots are never closed");
        let mut request = Request::start(&self.metrics);
        let attempt = Attempt::new(self.fetch.fetch(query).await);
        request.outcome = attempt.outcome;
        attempt
    }
}

/// A request under way: counted when it ends, also when it is given up at the deadline.
struct Request<'a> {
    metrics: &'a PlacesMetrics,
    started: Instant,
    outcome: PlacesOutcome,
}

impl<'a> Request<'a> {
    fn start(metrics: &'a PlacesMetrics) -> Self {
        metrics.in_flight.increment(1.0);
        Self { metrics, started: Instant::now(), outcome: PlacesOutcome::Timeout }
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement(1.0);
        self.metrics.requests.of(self.outcome).increment(1);
        self.metrics.request_duration.record(self.started.elapsed());
    }
}

/// How one try ended.
struct Attempt {
    outcome: PlacesOutcome,
    /// The JSON object that Places sent, if it sent one.
    body: Option<PlacesBody>,
    /// What to say if it did not: a status of Places' own and a sentence.
    status: &'static str,
    message: String,
}

impl Attempt {
    fn new(result: Result<Response, FetchError>) -> Self {
        let (outcome, status, message, body) = match result {
            Ok(response) => {
                let (outcome, status) = classify(response.status);
                let message = format!("Places answered with HTTP status {} and no JSON object.", response.status);
                (outcome, status, message, PlacesBody::new(response.body).ok())
            }
            Err(error) => {
                let outcome = match error {
                    FetchError::Transport(_) => PlacesOutcome::Transport,
                    FetchError::TooLarge => PlacesOutcome::TooLarge,
                };
                (outcome, "UNKNOWN_ERROR", format!("{error}."), None)
            }
        };
        let outcome = match outcome {
            PlacesOutcome::Ok if body.is_none() => PlacesOutcome::NotJson,
            outcome => outcome,
        };
        Self { outcome, body, status, message }
    }

    /// Only 429, 5xx and transport errors may go away by themselves.
    fn is_worth_another_try(&self) -> bool {
        use PlacesOutcome::{ServerError, Throttled, Transport};
        matches!(self.outcome, Throttled | ServerError | Transport)
    }

    fn into_answer(self) -> PlacesBody {
        self.body.unwrap_or_else(|| refusal(self.status, &self.message))
    }
}

/// What a status code means, and the status that the classic Places API has for it.
fn classify(code: u16) -> (PlacesOutcome, &'static str) {
    match code {
        200..=299 => (PlacesOutcome::Ok, "UNKNOWN_ERROR"),
        429 => (PlacesOutcome::Throttled, "OVER_QUERY_LIMIT"),
        400 => (PlacesOutcome::ClientError, "INVALID_REQUEST"),
        401 | 403 => (PlacesOutcome::ClientError, "REQUEST_DENIED"),
        500.. => (PlacesOutcome::ServerError, "UNKNOWN_ERROR"),
        _ => (PlacesOutcome::ClientError, "UNKNOWN_ERROR"),
    }
}

/// The answer of a server that stops before Places has answered.
#[must_use]
pub fn cut_short() -> Answer {
    Arc::new(refusal("UNKNOWN_ERROR", "The server stopped before Places answered."))
}

fn refusal(status: &str, message: &str) -> PlacesBody {
    PlacesBody::new(failure(status, message)).expect("our own bodies are JSON objects")
}

#[cfg(test)]
mod tests;
