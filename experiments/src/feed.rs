//! Tells servers where many clients are, over few connections: the way to fill a herd, where
//! how long each reply takes is of no interest.

use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use fastrand::Rng;
use loadgen::movement::Walk;
use loadgen::wire::write_iamat;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, sleep_until, timeout};

/// Updates that are written at a time where there is no pace.
const BATCH: usize = 256;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be told to one server.
#[derive(Debug)]
pub struct Feed {
    /// Where it listens for clients.
    pub address: String,
    /// Who moves, in this order, by number.
    pub clients: Vec<u32>,
    /// Time between two updates, on an absolute schedule; zero for as fast as they are taken.
    pub every: Duration,
    /// What places follow from.
    pub seed: u64,
}

impl Feed {
    /// Tells the server, and waits until all of it is acknowledged.
    ///
    /// # Errors
    /// If the connection breaks or something is not acknowledged.
    pub async fn tell(&self) -> anyhow::Result<()> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        let (replies, mut commands) = stream.into_split();
        let write = async {
            let mut rng = Rng::with_seed(self.seed);
            let (start, mut batch) = (Instant::now(), Vec::new());
            let size = if self.every.is_zero() { BATCH } else { 1 };
            let mut due = start;
            for clients in self.clients.chunks(size) {
                sleep_until(due).await;
                due += self.every;
                batch.clear();
                for &client in clients {
                    let place = Walk::new(&mut rng).advance(0.0, &mut rng);
                    write_iamat(&mut batch, client_name(client).as_bytes(), place, now());
                }
                commands.write_all(&batch).await?;
            }
            anyhow::Ok(())
        };
        tokio::try_join!(write, read(replies, self.clients.len(), self.every))?;
        Ok(())
    }
}

/// Reads so many acknowledgements.
async fn read(replies: OwnedReadHalf, count: usize, every: Duration) -> anyhow::Result<()> {
    let mut replies = BufReader::new(replies);
    let mut line = Vec::new();
    for _ in 0..count {
        line.clear();
        let read = timeout(every + PATIENCE, replies.read_until(b'\n', &mut line)).await;
        read.context("an update was not acknowledged in time")??;
        ensure!(line.starts_with(b"AT "), "an update was not acknowledged: {}", line.escape_ascii());
    }
    Ok(())
}

/// The name of a client.
#[must_use]
pub fn client_name(client: u32) -> String {
    format!("c{client}.fed.load")
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Feeds a server that answers every line with `reply`; returns what it was told.
    async fn told(clients: Vec<u32>, reply: &'static [u8]) -> (anyhow::Result<()>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (commands, mut replies) = stream.split();
            let mut lines = BufReader::new(commands).lines();
            let mut told = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                told.push(line);
                if replies.write_all(reply).await.is_err() {
                    break;
                }
            }
            told
        });
        let result = Feed { address, clients, every: Duration::ZERO, seed: 1 }.tell().await;
        (result, server.await.unwrap())
    }

    #[tokio::test]
    async fn every_client_is_told_once_and_in_order() {
        let (result, told) = told((5..1000).collect(), b"AT it is\n").await;
        result.unwrap();
        assert_eq!(told.len(), 995);
        assert!(told[0].starts_with("IAMAT c5.fed.load ") && told[994].starts_with("IAMAT c999.fed.load "));
    }

    #[tokio::test]
    async fn what_is_not_acknowledged_is_an_error() {
        let (result, _) = told(vec![1], b"? what\n").await;
        assert_eq!(result.unwrap_err().to_string(), "an update was not acknowledged: ? what\\n");
    }
}
