//! Many clients that are connected, have reported once, and stay.

use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Clients that connect at a time, so that no backlog overflows.
const AT_A_TIME: usize = 200;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients with their connections.
#[derive(Debug)]
pub(super) struct Crowd {
    _connections: Vec<TcpStream>,
}

impl Crowd {
    /// Connects clients to an address. Each says where it is, and has its answer.
    ///
    /// # Errors
    /// If one cannot connect, or is not acknowledged.
    pub(super) async fn connect(address: &str, clients: usize) -> anyhow::Result<Self> {
        let most = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
        let mut connections = Vec::with_capacity(clients);
        let mut joining = JoinSet::new();
        for client in 0..clients {
            if joining.len() == AT_A_TIME {
                connections.push(joined(&mut joining).await?);
            }
            joining.spawn(join(address.to_owned(), client));
        }
        while !joining.is_empty() {
            connections.push(joined(&mut joining).await?);
        }
        Ok(Self { _connections: connections })
    }
}

async fn joined(joining: &mut JoinSet<anyhow::Result<TcpStream>>) -> anyhow::Result<TcpStream> {
    joining.join_next().await.context("nobody is joining")??
}

async fn join(address: String, client: usize) -> anyhow::Result<TcpStream> {
    let exchange = async {
        let mut stream = TcpStream::connect(&address).await?;
        let line = format!("IAMAT c{client}.crowd.load +34.068930-118.445127 1621464827.959498503\n");
        stream.write_all(line.as_bytes()).await?;
        let mut reply = String::new();
        BufReader::with_capacity(256, &mut stream).read_line(&mut reply).await?;
        ensure!(reply.starts_with("AT "), "a client was not acknowledged: {}", reply.trim());
        Ok(stream)
    };
    timeout(PATIENCE, exchange).await.with_context(|| format!("client {client} had no answer in time"))?
}
