//! HTTP for people and Prometheus, on the metrics address: `/metrics`, `/healthz`, `/readyz` and
//! `/status`. Read-only.

mod status;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::PrometheusRecorder;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval, timeout};

use self::status::Status;
use crate::metrics::count;
use crate::net::{Acceptor, TcpListener, TcpStream};
use crate::session::Service;

/// How long a whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(30);
/// How often samples of histograms are put into buckets; they queue up until then.
const UPKEEP: Duration = Duration::from_secs(1);
/// The type of what Prometheus scrapes.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";
const JSON_TYPE: &str = "application/json";
const INDEX: &str = "/metrics  for Prometheus\n/healthz  200 while the server runs\n/readyz   200 once it knows what its neighbours know\n/status   links, counts and the store's digest, as JSON\n";

/// What the HTTP port shows.
#[derive(Debug)]
pub struct Admin {
    service: Arc<Service>,
    recorder: PrometheusRecorder,
    process: metrics_process::Collector,
    started: Instant,
    phase: Mutex<Phase>,
}

/// What a server is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It catches up with its neighbours, and clients wait.
    Starting,
    /// It serves clients.
    Serving,
    /// It answers what it has read, and takes no more.
    Stopping,
}

impl Admin {
    /// Shows a server, whose metrics `recorder` holds.
    #[must_use]
    pub fn new(service: Arc<Service>, recorder: PrometheusRecorder) -> Self {
        let process = metrics_process::Collector::default();
        metrics::with_local_recorder(&recorder, || process.describe());
        Self { service, recorder, process, started: Instant::now(), phase: Mutex::new(Phase::Starting) }
    }

    /// The server enters a phase.
    ///
    /// # Panics
    /// Never: nothing panics while it holds the phase.
    pub fn enter(&self, phase: Phase) {
        *self.phase.lock().expect("nothing panics while it holds the phase") = phase;
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().expect("nothing panics while it holds the phase")
    }

    /// Serves HTTP, and keeps the histograms small, for as long as it is polled.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let connections = Arc::new(Semaphore::new(self.service.limits.http_connections));
        let mut acceptor = Acceptor::new(listener, "an HTTP connection");
        let mut upkeep = interval(UPKEEP);
        loop {
            tokio::select! {
                (stream, _) = acceptor.accept() => self.accept(stream, &connections),
                _ = upkeep.tick() => {
                    let handle = self.recorder.handle();
                    // Its result is nothing, and it takes too long to wait for it here.
                    drop(tokio::task::spawn_blocking(move || handle.run_upkeep()));
                }
            }
        }
    }

    /// Serves a connection in a task of its own, unless there are too many.
    fn accept(self: &Arc<Self>, stream: TcpStream, connections: &Arc<Semaphore>) {
        let Ok(permit) = Arc::clone(connections).try_acquire_owned() else { return };
        let admin = Arc::clone(self);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let admin = Arc::clone(&admin);
                async move { Ok::<_, Infallible>(admin.answer(&request).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(admin.service.limits.http_head).keep_alive(false);
            // Who has nothing more to say may still want to hear.
            http.half_close(true);
            // Whatever goes wrong on this connection concerns nobody else.
            let _ = timeout(EXCHANGE, http.serve_connection(TokioIo::new(stream), service)).await;
            drop(permit);
        });
    }

    async fn answer(self: Arc<Self>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT_TYPE, "only GET is allowed here\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match request.uri().path() {
            "/" => respond(StatusCode::OK, TEXT_TYPE, INDEX),
            "/healthz" => respond(StatusCode::OK, TEXT_TYPE, "ok\n"),
            "/readyz" => match self.phase() {
                Phase::Starting => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE, "not ready: catching up\n"),
                Phase::Serving => respond(StatusCode::OK, TEXT_TYPE, "ready\n"),
                Phase::Stopping => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE, "not ready: stopping\n"),
            },
            "/status" => {
                let status = Status::of(&self.service, self.started, self.phase());
                respond(StatusCode::OK, JSON_TYPE, status.to_json())
            }
            "/metrics" => {
                self.service.node.metrics.runtime.observe();
                let rendered = tokio::task::spawn_blocking(move || self.render()).await;
                match rendered {
                    Ok(text) => respond(StatusCode::OK, METRICS_TYPE, text),
                    Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT_TYPE, "rendering panicked\n"),
                }
            }
            _ => respond(StatusCode::NOT_FOUND, TEXT_TYPE, INDEX),
        }
    }

    /// The text that Prometheus scrapes.
    fn render(&self) -> String {
        let node = &self.service.node;
        {
            let flood = node.flood();
            node.metrics.server.known_clients.set(count(flood.store().clients()));
            node.metrics.server.evicted_clients.absolute(flood.store().evicted());
            for (id, peer) in node.metrics.peers.iter().enumerate() {
                peer.pending.set(count(flood.pending(id)));
            }
        }
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        self.recorder.handle().render()
    }
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
