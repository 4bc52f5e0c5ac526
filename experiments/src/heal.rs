//! What it costs to bring a herd together again: after it was in two halves, and after a server
//! lost its memory. Every link runs through a relay that cuts it and counts its bytes.

mod cost;
mod report;
mod watch;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use herd::config::{Herd, Topology};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until};

use self::cost::{Reading, Traffic};
use self::watch::{Watched, watch};
use crate::agreement::{Look, wait_for_agreement};
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::feed::Feed;
use crate::processes::{HerdOptions, Processes};
use crate::relay::Passage;
use crate::relayed::RelayedHerd;

/// How long links are looked at after the servers agree, for what comes late.
const SETTLE: Duration = Duration::from_secs(3);
/// How long before a heal the last client moves, so that no update is merely on its way.
const QUIET: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealFactors {
    clients: u32,
    changed: u32,
    cut: Time,
    cut_links: Vec<[String; 2]>,
    cut_by: CutBy,
    forgets: String,
    away: Time,
    most_sent: f64,
    patience: Time,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CutBy {
    Silent,
    Refused,
}

impl Factors for HealFactors {
    fn check(&self) -> anyhow::Result<()> {
        Herd::built_in().find(&self.forgets)?;
        ensure!(self.changed * 2 <= self.clients, "more clients change than there are");
        ensure!(self.changed > 0, "changed must be at least 1");
        ensure!(self.cut.0 > QUIET, "cut must be longer than {} s", QUIET.as_secs());
        let [one, other] = self.sides()?;
        ensure!(!one.is_empty() && !other.is_empty(), "the herd stays in one piece without cut_links");
        Ok(())
    }
}

impl HealFactors {
    /// The places of the servers on either side of the cut.
    fn sides(&self) -> anyhow::Result<[Vec<usize>; 2]> {
        let herd = Herd::built_in();
        let mut links = herd.links().to_vec();
        for [a, b] in &self.cut_links {
            let mut cut = [herd.find(a)?, herd.find(b)?];
            cut.sort_unstable();
            let place = links.iter().position(|link| *link == cut);
            links.remove(place.with_context(|| format!("{a} and {b} are not linked, or cut twice"))?);
        }
        let hops = Topology::new(herd.servers().len(), &links).hops(0, &[]);
        let side = |reached: bool| (0..hops.len()).filter(|&server| hops[server].is_some() == reached).collect();
        Ok([side(true), side(false)])
    }
}

/// What one trial has shown.
#[derive(Debug, Serialize)]
struct Trial {
    seed: u64,
    /// After two halves, and after a lost memory.
    cases: [Case; 2],
}

/// What bringing the herd together has cost in one case.
#[derive(Debug, Serialize)]
struct Case {
    /// Entries that some server lacked.
    differed: u32,
    /// From the heal or the start of the server until all digests were equal, in seconds; absent
    /// if they did not get so in time.
    equal_after_s: Option<f64>,
    /// From its start until the server was ready for clients, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_after_s: Option<f64>,
    /// What each link carried, in each direction.
    traffic: Vec<Traffic>,
    #[serde(skip)]
    watched: Watched,
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    let run = Run::<HealFactors>::begin(Experiment::Heal, surroundings.quick)?;
    let trials = run.trials(async |factors, seed, folder| trial(surroundings, factors, seed, folder).await).await?;
    report::figure(&trials[0]).draw(&run.folder.path().join("figure.svg"))?;
    run.finish(&trials, &report::table(&run.design.factors, &trials), &report::checks(&run.design.factors, &trials))
}

async fn trial(
    surroundings: &Surroundings,
    factors: &HealFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Trial> {
    let relayed = RelayedHerd::start(folder.path()).await?;
    let server = surroundings.programs.path("server")?;
    let options = HerdOptions::new(server, &relayed.herd_file, folder.path()).with_small_logs();
    let options = HerdOptions { peculiar: relayed.peculiar.clone(), ..options };
    let mut herd = Processes::start(&options).await?;
    fill(&herd, factors, seed).await?;
    let halves = two_halves(&herd, &relayed, factors, seed).await?;
    folder.write_lines("two-halves.ndjson", &halves.watched.points)?;
    let memory = lost_memory(&mut herd, &relayed, factors).await?;
    folder.write_lines("lost-memory.ndjson", &memory.watched.points)?;
    herd.stop().await?;
    Ok(Trial { seed, cases: [halves, memory] })
}

/// Tells all servers of all clients, and waits until each knows all.
async fn fill(herd: &Processes, factors: &HealFactors, seed: u64) -> anyhow::Result<()> {
    let everywhere: Vec<usize> = (0..herd.herd.servers().len()).collect();
    tell(herd, &everywhere, 0..factors.clients, Duration::ZERO, seed).await?;
    let look = wait_for_agreement(&herd.http(), factors.patience.0).await;
    ensure!(look.is_agreement(), "the servers do not agree on what they were told at first");
    let known = look.statuses.iter().flatten().map(|status| status.known_clients).collect::<BTreeSet<_>>();
    ensure!(known == BTreeSet::from([factors.clients as usize]), "the servers know {known:?} clients");
    Ok(())
}

/// Tells some servers, in turn and at once, of some clients.
async fn tell(
    herd: &Processes,
    servers: &[usize],
    clients: std::ops::Range<u32>,
    every: Duration,
    seed: u64,
) -> anyhow::Result<()> {
    let count = u32::try_from(servers.len())?;
    let mut told = tokio::task::JoinSet::new();
    for (&server, turn) in servers.iter().zip(0..) {
        let address = herd.herd.servers()[server].clients.to_string();
        let clients = clients.clone().filter(|client| client % count == turn).collect();
        let feed = Feed { address, clients, every: every * count, seed: seed.wrapping_add(turn.into()) };
        told.spawn(async move { feed.tell().await });
    }
    while let Some(done) = told.join_next().await {
        done??;
    }
    Ok(())
}

/// Cuts the herd in two, lets different clients move on each side, and heals it.
async fn two_halves(herd: &Processes, relayed: &RelayedHerd, factors: &HealFactors, seed: u64) -> anyhow::Result<Case> {
    eprintln!("  in two halves for {}", factors.cut);
    let passage = match factors.cut_by {
        CutBy::Silent => Passage::Silent,
        CutBy::Refused => Passage::Refused,
    };
    set(relayed, factors, passage);
    let heal = Instant::now() + factors.cut.0;
    let changed = factors.changed;
    let every = (factors.cut.0 - QUIET) / changed;
    let [one, other] = factors.sides()?;
    tokio::try_join!(
        tell(herd, &one, 0..changed, every, seed + 100),
        tell(herd, &other, changed..2 * changed, every, seed + 200),
    )?;
    ensure!(Instant::now() < heal, "the clients took longer to move than the cut was to last");
    sleep_until(heal).await;
    ensure!(!Look::at(&herd.http()).await.is_agreement(), "the halves agree although they were told different things");
    let before = Reading::take(herd, relayed).await;
    set(relayed, factors, Passage::Open);
    let watched = watch(&herd.http(), relayed, Instant::now(), factors.patience.0, SETTLE).await;
    let after = Reading::take(herd, relayed).await;
    Ok(Case {
        differed: 2 * changed,
        equal_after_s: watched.equal_after_s,
        ready_after_s: None,
        traffic: cost::traffic(&before, &after, herd, relayed),
        watched,
    })
}

fn set(relayed: &RelayedHerd, factors: &HealFactors, passage: Passage) {
    for link in &relayed.links {
        let is_this = |[a, b]: &[String; 2]| {
            [a, b] == [&link.dialler, &link.acceptor] || [b, a] == [&link.dialler, &link.acceptor]
        };
        if factors.cut_links.iter().any(is_this) {
            link.relay.set(passage);
        }
    }
}

/// Kills a server and starts it again: it has to learn everything.
async fn lost_memory(herd: &mut Processes, relayed: &RelayedHerd, factors: &HealFactors) -> anyhow::Result<Case> {
    eprintln!("  {} loses its memory", factors.forgets);
    herd.kill(&factors.forgets).await?;
    sleep(factors.away.0).await;
    let before = Reading::take(herd, relayed).await;
    let addresses = herd.http();
    let start = Instant::now();
    let (started, watched) =
        tokio::join!(herd.restart(&factors.forgets), watch(&addresses, relayed, start, factors.patience.0, SETTLE),);
    let started = started.context("the server that lost its memory")?;
    let after = Reading::take(herd, relayed).await;
    Ok(Case {
        differed: factors.clients,
        equal_after_s: watched.equal_after_s,
        ready_after_s: Some((started.ready - started.spawned).as_secs_f64()),
        traffic: cost::traffic(&before, &after, herd, relayed),
        watched,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    #[test]
    fn the_design_is_valid_and_cuts_the_herd_in_two() {
        for quick in [false, true] {
            let design = Design::<HealFactors>::read(&Experiment::Heal.design_file(), quick).unwrap();
            assert_eq!(design.factors.sides().unwrap(), [vec![0, 1, 2], vec![3, 4]]);
        }
    }
}
