//! A Places service whose answers take their time, fail, or never come, as chance has it.

use std::sync::Mutex;
use std::time::Duration;

use fastrand::Rng;
use herd::places::{Fetch, FetchError, Fetching, Response};
use tokio::time::sleep;

/// Answers with the question, so that a client sees whether it got the answer to its own.
pub(crate) struct FicklePlaces(Mutex<Rng>);

impl FicklePlaces {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(Rng::with_seed(seed)))
    }
}

impl Fetch for FicklePlaces {
    fn fetch<'a>(&'a self, query: &'a str) -> Fetching<'a> {
        let mut random = self.0.lock().unwrap();
        let delay = match random.u32(..100) {
            0 => Duration::from_secs(3600),
            1..10 => Duration::from_millis(random.u64(500..4000)),
            _ => Duration::from_millis(random.u64(1..300)),
        };
        let fails = random.u32(..10) == 0;
        Box::pin(async move {
            sleep(delay).await;
            if fails {
                return Err(FetchError::Transport("simulated".into()));
            }
            let body = format!("{{\n   \"results\" : [ \"{query}\" ],\n   \"status\" : \"OK\"\n}}\n");
            Ok(Response { status: 200, body: body.into_bytes() })
        })
    }
}
