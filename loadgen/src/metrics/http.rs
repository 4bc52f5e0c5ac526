//! HTTP for Prometheus: a thread that serves the text of a registry.

use std::convert::Infallible;
use std::io;
use std::net;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// How long a head may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a whole exchange may take.
const EXCHANGE: Duration = Duration::from_secs(30);
/// The pause after a connection could not be accepted: no descriptor may be free.
const PAUSE: Duration = Duration::from_millis(100);
const TEXT: &str = "text/plain; charset=utf-8";
const INDEX: &str = "/metrics  for Prometheus\n";

/// Serves until the program ends.
///
/// # Errors
/// If there is no thread or event loop for it.
pub(super) fn serve(listener: net::TcpListener, registry: Registry) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(listener)?
    };
    thread::Builder::new().name("metrics".into()).spawn(move || runtime.block_on(accept(listener, registry)))?;
    Ok(())
}

async fn accept(listener: TcpListener, registry: Registry) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else { continue };
        let registry = registry.clone();
        tokio::spawn(async move {
            exchange(stream, registry).await;
            drop(permit);
        });
    }
}

async fn exchange(stream: TcpStream, registry: Registry) {
    let service = service_fn(|request| {
        let response = answer(&request, &registry);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    // Who has nothing more to say may still want to hear.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false).half_close(true);
    // Whatever goes wrong on this connection concerns nobody else.
    let _ = timeout(EXCHANGE, http.serve_connection(TokioIo::new(stream), service)).await;
}

fn answer(request: &Request<Incoming>, registry: &Registry) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is allowed here\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/metrics" => match TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => respond(StatusCode::OK, TEXT_FORMAT, text),
            Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        "/" => respond(StatusCode::OK, TEXT, INDEX),
        _ => respond(StatusCode::NOT_FOUND, TEXT, INDEX),
    }
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
