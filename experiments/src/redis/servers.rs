//! Redis processes: a primary and its replicas, which keep nothing on disk.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use super::{PROGRAM, offsets};
use crate::companion::Companion;
use crate::ports;

/// How long one may take until it answers, and until it has joined its primary.
const START: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(10);

/// A primary with replicas, all up and joined.
#[derive(Debug)]
pub struct RedisServers {
    /// Where the primary is, and behind it its replicas.
    pub addresses: Vec<SocketAddr>,
    processes: Vec<Companion>,
}

impl RedisServers {
    /// Starts a primary with so many replicas.
    ///
    /// # Errors
    /// If one does not start; why is in its file in the folder.
    pub async fn start(replicas: u16, folder: &Path) -> anyhow::Result<Self> {
        let first = ports::free(replicas + 1)?;
        let mut servers = Self { addresses: Vec::new(), processes: Vec::new() };
        for port in first..=first + replicas {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let name = if port == first { "redis-primary".into() } else { format!("redis-replica-{}", port - first) };
            servers.processes.push(Companion::start(&name, &words(port, first), folder)?);
            servers.addresses.push(address);
            until(&name, || Ok(offsets::answers(address))).await?;
            if port != first {
                until(&name, || Ok(offsets::has_joined(address)?)).await?;
            }
        }
        Ok(servers)
    }

    /// Their names and process numbers.
    #[must_use]
    pub fn ids(&self) -> Vec<(String, u32)> {
        self.processes.iter().filter_map(Companion::id).collect()
    }

    /// Ends them, the replicas first.
    ///
    /// # Errors
    /// If one had ended by itself, or does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        while let Some(process) = self.processes.pop() {
            process.stop().await?;
        }
        Ok(())
    }
}

/// The command line of the server at a port, whose primary, if it is not one, is at another.
fn words(port: u16, primary: u16) -> Vec<String> {
    let mut words = vec![PROGRAM.to_owned()];
    for (option, value) in [
        ("--port", port.to_string()),
        ("--bind", Ipv4Addr::LOCALHOST.to_string()),
        ("--save", String::new()),
        ("--appendonly", "no".into()),
        ("--repl-diskless-sync-delay", "0".into()),
    ] {
        words.extend([option.to_owned(), value]);
    }
    if port != primary {
        words.extend(["--replicaof".into(), Ipv4Addr::LOCALHOST.to_string(), primary.to_string()]);
    }
    words
}

async fn until(name: &str, holds: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + START;
    while !holds()? {
        ensure!(Instant::now() < deadline, "{name} does not get ready");
        sleep(LOOK).await;
    }
    Ok(())
}
