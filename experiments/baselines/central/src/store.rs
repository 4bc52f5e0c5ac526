//! Where clients are: written to the primary, read from the replica beside this server.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use herd::config::Address;
use herd::protocol::time::UnixTime;
use herd::protocol::update::{AtLine, Update};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ErrorKind, IntoConnectionInfo, Pipeline, RedisResult, Script, ServerErrorKind};

/// How long connecting, and an answer, may take; then a client is told by the end of its connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a replica may take to start and to get all that the primary knows.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How often it is asked whether it has.
const POLL: Duration = Duration::from_millis(10);
/// Digits before the AT line in what is kept.
const DIGITS: usize = 42;

/// The two Redis servers, and what one of them may not know yet.
pub(crate) struct Store {
    primary: ConnectionManager,
    replica: ConnectionManager,
    newest_wins: Script,
    /// Updates that this server was told, from before the primary has them until they are seen at
    /// the replica: who was told that an update was accepted must not get an older one here.
    ahead: Mutex<HashMap<Box<[u8]>, Update>>,
}

impl Store {
    /// Connects to both, and waits until the replica has caught up.
    pub(crate) async fn connect(primary: &Address, replica: &Address) -> anyhow::Result<Self> {
        let newest_wins = Script::new(include_str!("newest_wins.lua"));
        let primary = manager(primary).await.with_context(|| format!("cannot connect to the primary at {primary}"))?;
        let started = Instant::now();
        let replica = loop {
            match manager(replica).await {
                Ok(connected) => break connected,
                Err(error) if started.elapsed() > CATCH_UP => return Err(error).context("the replica did not start"),
                Err(_) => tokio::time::sleep(POLL).await,
            }
        };
        let store = Self { primary, replica, newest_wins, ahead: Mutex::default() };
        store.newest_wins.load_async(&mut store.primary.clone()).await?;
        while !store.is_caught_up().await? {
            if started.elapsed() > CATCH_UP {
                bail!("the replica did not get what the primary knows within {} s", CATCH_UP.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(store)
    }

    async fn is_caught_up(&self) -> RedisResult<bool> {
        let text: String = redis::cmd("INFO").arg("replication").query_async(&mut self.replica.clone()).await?;
        Ok(text.contains("master_link_status:up"))
    }

    /// Has the primary take these updates, as far as they win. All of them go out at once.
    pub(crate) async fn put(&self, updates: &[Update]) -> RedisResult<()> {
        for update in updates {
            self.note_ahead(update);
        }
        let mut pipeline = Pipeline::with_capacity(updates.len());
        for line in updates.iter().map(Update::line) {
            let script = pipeline.cmd("EVALSHA").arg(self.newest_wins.get_hash());
            script.arg(1).arg(line.id()).arg(to_value(&line)).ignore();
        }
        let mut primary = self.primary.clone();
        match pipeline.exec_async(&mut primary).await {
            // The primary has restarted.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.newest_wins.load_async(&mut primary).await?;
                pipeline.exec_async(&mut primary).await
            }
            done => done,
        }
    }

    /// What is known here of each of these clients.
    pub(crate) async fn get(&self, ids: &[&[u8]]) -> RedisResult<Vec<Option<Update>>> {
        let values: Vec<Option<Vec<u8>>> = redis::cmd("MGET").arg(ids).query_async(&mut self.replica.clone()).await?;
        Ok(ids.iter().zip(values).map(|(id, value)| self.newest(id, value.as_deref())).collect())
    }

    /// Forgets updates that have reached the replica, a few times a second, for ever.
    pub(crate) async fn prune(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let ids: Vec<_> = self.ahead().keys().cloned().collect();
            for ids in ids.chunks(1000) {
                let ids: Vec<_> = ids.iter().map(AsRef::as_ref).collect();
                // While the replica is away nothing can be forgotten.
                let _ = self.get(&ids).await;
            }
        }
    }

    fn note_ahead(&self, update: &Update) {
        let mut ahead = self.ahead();
        match ahead.get_mut(update.line().id()) {
            Some(known) if known.line() < update.line() => *known = update.clone(),
            Some(_) => {}
            None => drop(ahead.insert(update.line().id().into(), update.clone())),
        }
    }

    /// The greater one of what the replica has and what this server is ahead of it by, which is
    /// forgotten if it is not.
    fn newest(&self, id: &[u8], value: Option<&[u8]>) -> Option<Update> {
        let stored = value.and_then(|value| AtLine::parse(value.get(DIGITS..)?));
        let mut ahead = self.ahead();
        match (ahead.get(id), stored) {
            (Some(own), Some(stored)) if own.line() <= stored => {
                ahead.remove(id);
                Some(Update::new(stored))
            }
            (Some(own), _) => Some(own.clone()),
            (None, stored) => stored.map(Update::new),
        }
    }

    fn ahead(&self) -> std::sync::MutexGuard<'_, HashMap<Box<[u8]>, Update>> {
        self.ahead.lock().expect("nothing panics while it holds this lock")
    }
}

async fn manager(address: &Address) -> RedisResult<ConnectionManager> {
    // Without this a pipeline waits for the acknowledgement of the one before it.
    let settings = TcpSettings::default().set_nodelay(true);
    let info = format!("redis://{address}").into_connection_info()?.set_tcp_settings(settings);
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
        .set_number_of_retries(1);
    ConnectionManager::new_with_config(Client::open(info)?, config).await
}

/// What is kept of a client: stamp and time of receipt, so that a script can compare them, and the line.
fn to_value(line: &AtLine<'_>) -> Vec<u8> {
    let mut digits = String::with_capacity(DIGITS);
    for time in [line.stamp(), line.receipt()].map(UnixTime::since_epoch) {
        write!(digits, "{:012}{:09}", time.as_secs(), time.subsec_nanos()).expect("a String takes every write");
    }
    [digits.as_bytes(), line.bytes()].concat()
}
