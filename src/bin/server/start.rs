//! One server, from its options to its end.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use herd::clock::Clock;
use herd::config::{Herd, Limits};
use herd::io_log::{IoLog, LogOptions, LogWriter};
use herd::link;
use herd::metrics::{Metrics, recorder};
use herd::node::{Node, neighbour_names};
use herd::places::{HttpPlaces, Places, PlacesKey, PlacesUrl};
use herd::protocol::text::Name;
use herd::server::{Listeners, Server};
use herd::session::Service;
use herd::store::StoreLimits;
use herd::tls::{Identity, TlsFiles};
use metrics::Counter;
use mock_places::MockPlaces;
use tokio::runtime::{Builder, Runtime};

use super::cli::{LogArgs, PlacesOptions, Run, TlsOptions};
use super::{check, lifeline};

/// The variable that holds the key to Places.
const KEY_VARIABLE: &str = "GOOGLE_PLACES_API_KEY";
/// Descriptors that are kept for anything but clients, Places and HTTP.
const RESERVE: usize = 128;

pub(crate) fn run(name: &str, options: &Run) -> anyhow::Result<()> {
    let herd = check::read(options.herd.as_deref())?;
    let server = herd.find(name)?;
    let limits = limits(options)?;
    runtime(options.threads)?.block_on(serve(&herd, server, limits, options))
}

fn runtime(threads: u16) -> anyhow::Result<Runtime> {
    let mut builder = if threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if threads > 1 {
        builder.worker_threads(threads.into());
    }
    builder.enable_all().build().context("cannot start the runtime")
}

async fn serve(herd: &Herd, server: usize, limits: Limits, options: &Run) -> anyhow::Result<()> {
    let mut entry = herd.servers()[server].clone();
    for (address, other) in [
        (&mut entry.clients, &options.clients),
        (&mut entry.peers, &options.peers),
        (&mut entry.metrics, &options.metrics),
    ] {
        if let Some(other) = other {
            address.clone_from(other);
        }
    }
    let tls = load_identity(&options.tls, &entry.name)?;
    let listeners = Listeners::bind(&entry, tls.as_ref()).await?;
    let recorder = recorder(&entry.name);
    let metrics = Metrics::register(&recorder, herd, &neighbour_names(herd, server));
    let (log, writer) = open_log(entry.name.as_str(), &options.log, &metrics.server.log_dropped_lines)?;
    let (fetch, _mock) = connect_places(&options.places).await?;
    let places = Places::new(fetch, limits.places_deadline, limits.places_in_flight, metrics.places.clone());
    let node = Arc::new(Node::new(herd, server, &limits, Clock::system(), metrics, log).with_tls(tls));
    link::check_neighbours(&node)?;
    let service = Arc::new(Service::new(node, places, limits, options.close_after_reply));

    let stop = lifeline::watch(options.stop_at_end_of_input)?;
    let [clients, peers, http] = listeners.addresses()?;
    tokio::select! {
        server = Server::start(listeners, service, recorder) => {
            // Whoever started us need not listen.
            let _ = writeln!(std::io::stdout(), "ready {} clients={clients} peers={peers} metrics={http}", entry.name);
            server.run(stop).await;
        }
        () = stop.cancelled() => {}
    }
    if let Some(writer) = writer {
        writer.finish();
    }
    Ok(())
}

fn limits(options: &Run) -> anyhow::Result<Limits> {
    let bytes = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    let Run { bounds, places, .. } = options;
    // A question to Places takes two descriptors where the stub is in this process too.
    let reserve = RESERVE + 2 * places.places_in_flight + bounds.max_http;
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).context("cannot read the limit of open files")?;
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    if descriptors <= reserve {
        bail!(
            "the limit of open files, {descriptors}, is below the {reserve} that a server needs besides clients: raise it (ulimit -n)"
        );
    }
    Ok(Limits {
        line: bytes(bounds.max_line),
        connections: bounds.max_connections.unwrap_or(descriptors - reserve).min(descriptors - reserve),
        connections_per_address: bounds.max_per_address,
        unfinished_line: bounds.unfinished_line.into(),
        unread_replies: bytes(bounds.max_unread),
        unread_timeout: bounds.unread_timeout.into(),
        pipelined: bounds.max_pipelined,
        store: StoreLimits { clients: bounds.max_clients, bytes: bytes(bounds.max_stored) },
        places_in_flight: places.places_in_flight,
        places_deadline: places.places_deadline.into(),
        whatsat_quota: places.whatsat_quota,
        whatsat_quota_total: places.whatsat_quota_total,
        http_connections: bounds.max_http,
        http_head: bounds.http_head.into(),
    })
}

/// What links are secured with, if they are: clap has seen to it that all files are named or none.
fn load_identity(options: &TlsOptions, name: &Name) -> anyhow::Result<Option<Identity>> {
    let TlsOptions { tls_cert: Some(cert), tls_key: Some(key), tls_ca: Some(ca) } = options else { return Ok(None) };
    let files = TlsFiles { cert: cert.clone(), key: key.clone(), ca: ca.clone() };
    Ok(Some(Identity::load(files, name)?))
}

fn open_log(name: &str, args: &LogArgs, dropped: &Counter) -> anyhow::Result<(IoLog, Option<LogWriter>)> {
    if args.no_log {
        return Ok((IoLog::disabled(), None));
    }
    let options = LogOptions {
        directory: args.log_dir.clone(),
        rotate_at: args.log_rotate.as_u64(),
        keep: args.log_keep.as_u64(),
        bodies: args.log_bodies,
    };
    let (log, writer) = IoLog::start(name, &options, dropped.clone()).with_context(|| {
        format!(
            "cannot write the log {}/{name}.log: choose another folder with --log-dir, or none with --no-log",
            args.log_dir.display()
        )
    })?;
    Ok((log, Some(writer)))
}

/// The way to Places, and the stub if there is one; it lives as long as it is held.
async fn connect_places(options: &PlacesOptions) -> anyhow::Result<(HttpPlaces, Option<MockPlaces>)> {
    let (url, key, mock) = if options.places_url == "mock" {
        let mock = MockPlaces::start(mock_places::Options::default()).await.context("cannot start the Places stub")?;
        (mock.url().parse()?, PlacesKey::new(mock_places::DUMMY_KEY, "the stub")?, Some(mock))
    } else {
        let url: PlacesUrl =
            options.places_url.parse().with_context(|| format!("--places-url {}", options.places_url))?;
        (url, find_key(options.places_key_file.as_deref())?, None)
    };
    let fetch = HttpPlaces::new(&url, key, options.places_in_flight)
        .map_err(|reason| anyhow::anyhow!("cannot prepare TLS for {url}: {reason}"))?;
    Ok((fetch, mock))
}

fn find_key(file: Option<&Path>) -> anyhow::Result<PlacesKey> {
    if let Some(file) = file {
        return Ok(PlacesKey::read(file)?);
    }
    match std::env::var(KEY_VARIABLE) {
        Ok(key) => Ok(PlacesKey::new(&key, KEY_VARIABLE)?),
        Err(_) => bail!(
            "there is no key to Places: set {KEY_VARIABLE}, or name a file that holds it with --places-key-file, or use the built-in stub with --places-url mock"
        ),
    }
}
