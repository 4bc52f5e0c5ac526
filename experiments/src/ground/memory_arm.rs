//! What a client costs in memory: connected to its own server, and stored by the others.

mod crowd;

use std::time::Duration;

use anyhow::{Context, ensure};
use herd::config::Herd;

use self::crowd::Crowd;
use super::herd_arm::remove_logs;
use super::{Ground, Measured};
use crate::agreement::wait_for_agreement;
use crate::experiment::Folder;
use crate::feed::Feed;
use crate::herd_text::herd_text;
use crate::memory::resident_mib;
use crate::ports;
use crate::processes::{HerdOptions, Processes};

/// How long servers may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);
/// The server that is told.
const OWN: &str = "Clark";
/// Connections that a server is told of many clients over.
const FEEDS: u32 = 4;
const BYTES_PER_MIB: f64 = 1_048_576.0;

/// One server, and clients that each have a connection and have reported once.
pub(super) async fn connected(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let (servers, _) = ports::built_in_servers(0)?;
    let own: Vec<_> = servers.into_iter().filter(|server| server.name.as_str() == OWN).collect();
    let herd = start(ground, folder, &herd_text(&own, &[])).await?;
    let clients = ground.factors.connected_clients;
    let before = resident(&herd)?;
    let crowd = Crowd::connect(&herd.herd.servers()[0].clients.to_string(), clients).await?;
    let after = resident(&herd)?;
    drop(crowd);
    let growth = growth(&before, &after, |_| true);
    finish(herd, folder, after, growth / to_f64(clients), clients as u64).await
}

/// Five servers, one of which is told of clients: what each of the others takes for one.
pub(super) async fn stored(ground: &Ground<'_>, folder: &Folder) -> anyhow::Result<Measured> {
    let (servers, _) = ports::built_in_servers(0)?;
    let herd = start(ground, folder, &herd_text(&servers, Herd::built_in().links())).await?;
    let clients = ground.factors.stored_clients;
    let before = resident(&herd)?;
    let own = &herd.herd.servers()[herd.herd.find(OWN)?];
    let (address, each) = (own.clients.to_string(), clients.div_ceil(FEEDS));
    let feeds = (0..FEEDS).map(|feed| {
        let clients = (feed * each..((feed + 1) * each).min(clients)).collect();
        Feed { address: address.clone(), clients, every: Duration::ZERO, seed: ground.seed * 1000 + u64::from(feed) }
    });
    let mut telling = tokio::task::JoinSet::new();
    feeds.for_each(|feed| drop(telling.spawn(async move { feed.tell().await })));
    while let Some(told) = telling.join_next().await {
        told??;
    }
    let look = wait_for_agreement(&herd.http(), PATIENCE).await;
    let known = look.statuses.iter().flatten().map(|status| status.known_clients).min();
    ensure!(look.is_agreement() && known == Some(clients as usize), "the servers do not know all clients");
    let after = resident(&herd)?;
    let others = to_f64(herd.herd.servers().len() - 1);
    let growth = growth(&before, &after, |name| name != OWN) / others;
    finish(herd, folder, after, growth / f64::from(clients), clients.into()).await
}

async fn start(ground: &Ground<'_>, folder: &Folder, herd_text: &str) -> anyhow::Result<Processes> {
    folder.write("herd.toml", herd_text)?;
    let server = ground.surroundings.programs.path("server")?;
    Processes::start(&HerdOptions::new(server, &folder.path().join("herd.toml"), folder.path())).await
}

async fn finish(
    herd: Processes,
    folder: &Folder,
    resident_mib: Vec<(String, f64)>,
    client_bytes: f64,
    answered: u64,
) -> anyhow::Result<Measured> {
    herd.stop().await?;
    remove_logs(folder)?;
    let resident_mib = resident_mib.into_iter().collect();
    Ok(Measured { client_bytes: Some(client_bytes), resident_mib, answered, ..Measured::default() })
}

/// By server what is resident, in MiB.
fn resident(herd: &Processes) -> anyhow::Result<Vec<(String, f64)>> {
    let of = |(name, id)| Ok((name, resident_mib(id).context("a server is gone")?));
    herd.ids().into_iter().map(of).collect()
}

/// By how many bytes some servers have grown together.
fn growth(before: &[(String, f64)], after: &[(String, f64)], which: impl Fn(&str) -> bool) -> f64 {
    let pairs = before.iter().zip(after).filter(|((name, _), _)| which(name));
    pairs.map(|((_, before), (_, after))| (after - before) * BYTES_PER_MIB).sum()
}

#[allow(clippy::cast_precision_loss)]
fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_of_the_chosen_servers() {
        let at = |clark, bona| [("Clark".to_owned(), clark), ("Bona".to_owned(), bona)];
        assert_eq!(growth(&at(1.0, 2.0), &at(9.0, 2.5), |name| name != "Clark"), 0.5 * BYTES_PER_MIB);
    }
}
