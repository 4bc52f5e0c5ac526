//! Replies over wiremock, at constant memory.
//!
//! A mounted mock keeps a copy of every request that it matched, and only resetting its server
//! frees them. A request that comes between the reset and the next mount would be answered 404, so
//! there must be no such request:
//!
//! * wiremock keeps a server's mocks in a tokio `RwLock`, which is first come, first served; each
//!   request takes it for writing, and so do `reset` and `register`.
//! * A server has one thread, which runs a tokio runtime of its own, and [`Respond::respond`] runs
//!   on it. A task spawned there runs on the same thread, between two polls of requests' tasks.
//! * The task asks for the lock twice in one poll, for the reset and then for the mount. Either
//!   nobody has the lock, then both happen within this poll. Or somebody has (a request's task may
//!   be suspended with it, tokio makes tasks take turns), then both queue up next to each other.
//!
//! Either way no request gets the lock between the two.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::service::{Reply, Service};

/// The path that is served; wiremock answers 404 to all others.
const PATH: &str = "/maps/api/place/nearbysearch/json";

/// Mounts the service on a server that has no mocks.
pub(crate) async fn mount(server: &Arc<MockServer>, service: Arc<Service>, kept_requests: u32) {
    let mounted = Mounted::new(Arc::downgrade(server), service, kept_requests);
    server.register(mounted.into_mock()).await;
}

/// A service while it is mounted; replaced by a fresh one now and then.
struct Mounted {
    /// Weak, because the server owns its mocks.
    server: Weak<MockServer>,
    service: Arc<Service>,
    kept_requests: u32,
    /// How many requests this mount has answered, which is how many wiremock keeps for it.
    answered: AtomicU32,
}

impl Mounted {
    fn new(server: Weak<MockServer>, service: Arc<Service>, kept_requests: u32) -> Self {
        service.count_mount();
        Self { server, service, kept_requests, answered: AtomicU32::new(0) }
    }

    fn into_mock(self) -> Mock {
        Mock::given(method("GET")).and(path(PATH)).respond_with(self)
    }

    /// Frees the requests kept so far, as soon as the one being answered is.
    fn replace(&self) {
        let (Some(server), Ok(runtime)) = (self.server.upgrade(), Handle::try_current()) else {
            // The server is being dropped, and all that it keeps with it.
            return;
        };
        let service = Arc::clone(&self.service);
        let fresh = Self::new(Weak::clone(&self.server), service, self.kept_requests);
        runtime.spawn(async move {
            // Biased: the order in which the two ask for the lock is what matters.
            tokio::join!(biased; server.reset(), server.register(fresh.into_mock()));
        });
    }
}

impl Respond for Mounted {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let reply = self.service.answer(request.url.query_pairs());
        // Exactly once, also if more requests come before the replacement's turn.
        if self.answered.fetch_add(1, Ordering::Relaxed) + 1 == self.kept_requests {
            self.replace();
        }
        template(reply)
    }
}

fn template(reply: Reply) -> ResponseTemplate {
    let mut template = ResponseTemplate::new(reply.status).set_body_raw(reply.body, reply.content_type);
    if let Some(length) = reply.announced_length {
        // hyper sends an announced length as it is, but debug builds assert that it is the body's.
        // They do not read a number with a space behind it, which HTTP allows and clients ignore
        // (RFC 9110, section 5.5). Without closing, the client would wait for the rest.
        template = template.insert_header("content-length", format!("{length} ")).insert_header("connection", "close");
    }
    if !reply.delay.is_zero() {
        template = template.set_delay(reply.delay);
    }
    template
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Arc;

    use wiremock::MockServer;

    use super::mount;
    use crate::options::Options;
    use crate::service::Service;

    #[tokio::test]
    async fn a_mount_goes_when_its_successor_comes() {
        let service = Arc::new(Service::new(Options::default()));
        let server = Arc::new(MockServer::builder().start().await);
        mount(&server, Arc::clone(&service), 5).await;
        let mut stream = TcpStream::connect(server.address()).expect("connected");
        for _ in 0..23 {
            let request = b"GET /maps/api/place/nearbysearch/json HTTP/1.1\r\nhost: stub\r\n\r\n";
            stream.write_all(request).expect("sent");
            assert!(stream.read(&mut [0; 4096]).expect("an answer") > 0);
        }
        assert_eq!(service.mounts(), 1 + 23 / 5);
        // This test's and the only mount's.
        assert_eq!(Arc::strong_count(&service), 2);
        // wiremock's own list of requests, which is on here, was emptied with the mocks.
        assert_eq!(server.received_requests().await.map(|requests| requests.len()), Some(23 % 5));
    }
}
