//! The architecture that a herd is the alternative to: the same clients and the same protocol, but
//! servers that do not speak to each other. They write to one Redis primary, and each reads from
//! a replica beside it.
//!
//! All that is not about where locations are kept is the herd's own code.

mod replica;
mod replies;
mod session;
mod store;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use herd::clock::Clock;
use herd::config::{Address, Herd, Limits};
use herd::io_log::{IoLog, LogOptions};
use herd::metrics::{Metrics, recorder};
use herd::net;
use herd::node::neighbour_names;
use herd::places::{HttpPlaces, Places, PlacesKey, PlacesUrl};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::replica::Replica;
use crate::session::Service;
use crate::store::Store;

/// The variable that holds the key to Places.
const KEY_VARIABLE: &str = "GOOGLE_PLACES_API_KEY";
/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(10);

/// A server in front of one Redis primary, with a replica of its own, which it starts.
#[derive(Parser)]
struct Options {
    /// The server of the herd file that this is; its replica listens at `peers`.
    name: String,
    /// The primary.
    #[arg(long, value_name = "ADDR")]
    primary: Address,
    /// The herd file; its links mean nothing here [default: the five servers of the assignment]
    #[arg(long, value_name = "FILE")]
    herd: Option<PathBuf>,
    /// The Places service.
    #[arg(long, value_name = "URL", default_value = "https://maps.googleapis.com")]
    places_url: String,
    /// The folder for NAME.log.
    #[arg(long, value_name = "DIR", default_value = "logs")]
    log_dir: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let herd = options.herd.as_deref().map_or_else(|| Ok(Herd::built_in()), Herd::read)?;
    let place = herd.find(&options.name)?;
    let entry = &herd.servers()[place];
    let recorder = recorder(&entry.name);
    let metrics = Metrics::register(&recorder, &herd, &neighbour_names(&herd, place));
    let logs = LogOptions { directory: options.log_dir.clone(), rotate_at: 64 << 20, keep: 1 << 30, bodies: false };
    let (log, writer) = IoLog::start(entry.name.as_str(), &logs, metrics.server.log_dropped_lines.clone())
        .with_context(|| format!("cannot write a log in {}", options.log_dir.display()))?;

    let clients = net::listen(&entry.clients).await.with_context(|| format!("cannot listen at {}", entry.clients))?;
    let _replica = Replica::start(&entry.peers, &options.primary, &options.log_dir)?;
    let store = Store::connect(&options.primary, &entry.peers).await?;
    let key = std::env::var(KEY_VARIABLE).with_context(|| format!("{KEY_VARIABLE} has no key to Places"))?;
    let limits = Limits::default();
    let url: PlacesUrl = options.places_url.parse()?;
    let fetch = HttpPlaces::new(&url, PlacesKey::new(&key, KEY_VARIABLE)?, limits.places_in_flight)
        .map_err(anyhow::Error::msg)?;
    let places = Places::new(fetch, limits.places_deadline, limits.places_in_flight, metrics.places.clone());
    let service = Arc::new(Service { name: entry.name.clone(), store, places, limits, clock: Clock::system(), log });

    let mut stopped = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    // Whoever started us need not listen.
    let _ = writeln!(std::io::stdout(), "ready {} clients={}", entry.name, clients.local_addr()?);
    tokio::select! {
        () = serve(&clients, &service) => {}
        () = service.store.prune() => {}
        _ = stopped.recv() => {}
        _ = interrupted.recv() => {}
    }
    writer.finish();
    Ok(())
}

/// Gives each connection a task, for ever.
async fn serve(listener: &TcpListener, service: &Arc<Service>) {
    let mut accepted = 0;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                accepted += 1;
                tokio::spawn(session::serve(stream, address, accepted, Arc::clone(service)));
            }
            // Out of descriptors, most likely: some may be free in a while.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
