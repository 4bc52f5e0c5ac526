//! A request's parameters in, a reply out: everything but HTTP.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::draw::Draw;
use crate::faults::Fault;
use crate::nearby::{World, nearby_search};
use crate::options::Options;
use crate::query::Query;
use crate::refusal::envelope;

const JSON: &str = "application/json; charset=UTF-8";
const HTML: &str = "text/html; charset=UTF-8";
const ERROR_PAGE: &str = "<!DOCTYPE html>\n<html lang=en>\n<title>Error (Server Error)</title>\n\
    <p>The server encountered a temporary error and could not complete your request.\n";

/// What to send back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What the body claims to be.
    pub(crate) content_type: &'static str,
    /// The bytes to send.
    pub(crate) body: Vec<u8>,
    /// The length to announce where it is not the body's; the connection then ends after the body.
    pub(crate) announced_length: Option<usize>,
    /// When to send it.
    pub(crate) delay: Duration,
}

/// The stub's rules and its count of requests, shared by all threads.
#[derive(Debug)]
pub(crate) struct Service {
    options: Options,
    answered: AtomicU64,
    mounts: AtomicU64,
}

impl Service {
    /// A service that has not answered yet.
    pub(crate) fn new(options: Options) -> Self {
        Self { options, answered: AtomicU64::new(0), mounts: AtomicU64::new(0) }
    }

    /// Counts one more mount of this service.
    pub(crate) fn count_mount(&self) {
        self.mounts.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was mounted.
    pub(crate) fn mounts(&self) -> u64 {
        self.mounts.load(Ordering::Relaxed)
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Answers the next request.
    pub(crate) fn answer<'url>(&self, parameters: impl Iterator<Item = (Cow<'url, str>, Cow<'url, str>)>) -> Reply {
        let request = self.answered.fetch_add(1, Ordering::Relaxed);
        let seed = self.options.seed;
        let reply = Reply {
            status: 200,
            content_type: JSON,
            body: self.body(parameters).into_bytes(),
            announced_length: None,
            delay: self.options.delay.draw(seed, request),
        };
        match self.options.faults.draw(seed, request) {
            None => reply,
            Some((fault, mut draw)) => spoil(reply, fault, &mut draw),
        }
    }

    fn body<'url>(&self, parameters: impl Iterator<Item = (Cow<'url, str>, Cow<'url, str>)>) -> String {
        let world = World { seed: self.options.seed, empty_ocean: self.options.empty_ocean };
        match Query::check(parameters, self.options.key.as_deref()) {
            Ok(query) => nearby_search(world, query.location, query.radius),
            Err(refusal) => refusal.body(),
        }
    }
}

/// Makes a good reply fail.
fn spoil(reply: Reply, fault: Fault, draw: &mut Draw) -> Reply {
    match fault {
        Fault::Status(429) => Reply {
            status: 429,
            body: envelope("You have exceeded your rate-limit for this API.", "OVER_QUERY_LIMIT").into_bytes(),
            ..reply
        },
        Fault::Status(status) => Reply { status, content_type: HTML, body: ERROR_PAGE.into(), ..reply },
        Fault::Cut => Reply { announced_length: Some(reply.body.len()), body: part(&reply.body, draw), ..reply },
        Fault::Garbage => Reply { body: garbage(&reply.body, draw), ..reply },
        Fault::Slow(delay) => Reply { delay: reply.delay + delay, ..reply },
    }
}

/// Some of the bytes from the start: at least one, and never so many that it is whole JSON.
fn part(body: &[u8], draw: &mut Draw) -> Vec<u8> {
    let last_brace = body.iter().rposition(|byte| *byte == b'}').unwrap_or(1);
    let choices = u32::try_from(last_brace).unwrap_or(u32::MAX);
    let length = 1 + draw.below(choices) as usize;
    body[..length.min(body.len())].to_vec()
}

fn garbage(body: &[u8], draw: &mut Draw) -> Vec<u8> {
    match draw.below(3) {
        0 => ERROR_PAGE.into(),
        1 => part(body, draw),
        _ => (0..64).flat_map(|_| draw.bits().to_le_bytes()).chain([0xff]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::Duration;

    use super::{Reply, Service};
    use crate::options::Options;

    fn answers(faults: &str, delay: &str, count: usize) -> Vec<Reply> {
        let service = Service::new(Options {
            faults: faults.parse().expect("faults"),
            delay: delay.parse().expect("a delay"),
            ..Options::default()
        });
        let parameters = [("location", "34,-118"), ("radius", "9000"), ("key", "any")];
        let answer =
            || service.answer(parameters.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))));
        let replies = (0..count).map(|_| answer()).collect();
        assert_eq!(service.answered(), count as u64);
        replies
    }

    fn is_json(reply: &Reply) -> bool {
        serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok()
    }

    #[test]
    fn the_same_requests_get_the_same_replies() {
        let mix = "500:20%,429:10%,cut:20%,garbage:20%,slow:10%";
        assert_eq!(answers(mix, "exp:50ms", 100), answers(mix, "exp:50ms", 100));
    }

    #[test]
    fn a_cut_reply_announces_more_than_it_has() {
        for reply in answers("cut:100%", "none", 200) {
            let announced = reply.announced_length.expect("a length");
            assert!(!reply.body.is_empty() && reply.body.len() < announced);
            assert!(!is_json(&reply));
        }
    }

    #[test]
    fn garbage_is_complete_but_never_json() {
        for reply in answers("garbage:100%", "none", 200) {
            assert_eq!((reply.status, reply.announced_length), (200, None));
            assert!(!is_json(&reply), "{:?}", String::from_utf8_lossy(&reply.body));
        }
    }

    #[test]
    fn errors_have_their_status_and_slow_answers_are_right() {
        let good = answers("none", "10ms", 1).remove(0);
        assert_eq!(good.delay, Duration::from_millis(10));
        let slow = answers("slow=2s:100%", "10ms", 1).remove(0);
        assert_eq!(slow.delay, Duration::from_millis(2_010));
        assert_eq!(slow.body, good.body);
        let unavailable = answers("503:100%", "none", 1).remove(0);
        assert_eq!((unavailable.status, is_json(&unavailable)), (503, false));
        let limited = answers("429:100%", "none", 1).remove(0);
        assert_eq!((limited.status, is_json(&limited)), (429, true));
    }
}
