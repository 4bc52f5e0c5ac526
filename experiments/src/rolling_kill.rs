//! Killing one server after the other under load: what is lost, what is wrong, and how soon the
//! server is back among the others.

mod report;

use std::time::{Duration, SystemTime};

use anyhow::ensure;
use herd::config::Herd;
use loadgen::report::CountsReport;
use loadgen::series::Second;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until};

use crate::agreement::{Look, wait_for_agreement};
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::load::Load;
use crate::ports;
use crate::processes::{HerdOptions, Processes};

/// What the load runs for before the first server is killed.
const WARM_UP: Duration = Duration::from_secs(2);
/// How often a server that returns is asked for its links.
const LOOK: Duration = Duration::from_millis(5);
/// How long servers may take to agree once the load has ended.
const END: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KillFactors {
    killed: Vec<String>,
    clients: u32,
    interval: Time,
    duration: Time,
    away: Time,
    links_within: Time,
}

impl Factors for KillFactors {
    fn check(&self) -> anyhow::Result<()> {
        for name in &self.killed {
            Herd::built_in().find(name)?;
        }
        ensure!(!self.killed.is_empty(), "killed must name at least one server");
        ensure!(self.away.0 < self.part() / 2, "a server must be back for half of its part of the time");
        Ok(())
    }
}

impl KillFactors {
    /// The time that each server has.
    fn part(&self) -> Duration {
        self.duration.0 / u32::try_from(self.killed.len()).unwrap_or(u32::MAX)
    }
}

/// What one trial has shown. Seconds count from when the load began.
#[derive(Debug, Serialize)]
struct Trial {
    seed: u64,
    kills: Vec<Kill>,
    counts: CountsReport,
    /// Sights of the propagation probe that did not come within 5 s, and that were cut short by
    /// a server's end.
    probe_lost: u64,
    probe_broken: u64,
    valid: bool,
    /// Whether all servers agreed when the load had ended.
    equal_at_end: bool,
    /// The first wrong answers.
    wrong: Vec<String>,
    #[serde(skip)]
    series: Vec<Second>,
    #[serde(skip)]
    origin: f64,
}

/// One server's end and return.
#[derive(Debug, Serialize)]
struct Kill {
    server: String,
    killed_at: f64,
    started_at: f64,
    /// When it said that it was ready.
    ready_at: f64,
    /// From when it listened until all its links were up.
    links_up_after_s: Option<f64>,
    /// From the start of its process until all servers agreed, under load.
    equal_after_s: Option<f64>,
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    let run = Run::<KillFactors>::begin(Experiment::RollingKill, surroundings.quick)?;
    let trials = run.trials(async |factors, seed, folder| trial(surroundings, factors, seed, folder).await).await?;
    report::figure(&trials[0]).draw(&run.folder.path().join("figure.svg"))?;
    run.finish(&trials, &report::table(&run.design.factors, &trials), &report::checks(&run.design.factors, &trials))
}

async fn trial(
    surroundings: &Surroundings,
    factors: &KillFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Trial> {
    let herd_file = folder.path().join("herd.toml");
    folder.write("herd.toml", &ports::herd_file()?)?;
    let server = surroundings.programs.path("server")?;
    let mut herd = Processes::start(&HerdOptions::new(server, &herd_file, folder.path()).with_small_logs()).await?;
    let load = Load {
        program: surroundings.programs.path("loadgen")?,
        herd_file: &herd_file,
        folder: folder.path(),
        name: "loadgen",
        through: &[],
        arguments: arguments(factors, seed),
        shown: false,
    };
    let origin = SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64();
    let (start, loading) = (Instant::now(), load.start()?);
    let mut kills = Vec::new();
    for (server, number) in factors.killed.iter().zip(0..) {
        sleep_until(start + WARM_UP + factors.part() * number).await;
        eprintln!("  {server}");
        kills.push(kill(&mut herd, server, factors, start).await?);
    }
    let loaded = loading.finish().await?;
    let equal_at_end = wait_for_agreement(&herd.http(), END).await.is_agreement();
    herd.stop().await?;
    let report = loaded.report;
    let probe = report.propagation.as_ref();
    Ok(Trial {
        seed,
        kills,
        counts: report.counts,
        probe_lost: probe.map_or(0, |seen| seen.lost),
        probe_broken: probe.map_or(0, |seen| seen.broken),
        valid: report.generator.valid,
        equal_at_end,
        wrong: report.wrong,
        series: loaded.series,
        origin,
    })
}

fn arguments(factors: &KillFactors, seed: u64) -> Vec<String> {
    let warm_up = humantime::format_duration(WARM_UP).to_string();
    let options = [
        ("--clients", factors.clients.to_string()),
        ("--interval", factors.interval.to_string()),
        ("--warm-up", warm_up),
        ("--duration", factors.duration.to_string()),
        ("--seed", seed.to_string()),
    ];
    options.into_iter().flat_map(|(option, value)| [option.to_owned(), value]).collect()
}

/// Kills a server, starts it again, and watches it come back.
async fn kill(herd: &mut Processes, server: &str, factors: &KillFactors, start: Instant) -> anyhow::Result<Kill> {
    let at = |moment: Instant| (moment - start).as_secs_f64();
    let killed_at = at(Instant::now());
    let give_up = Instant::now() + factors.part();
    herd.kill(server).await?;
    sleep(factors.away.0).await;
    let started = herd.restart(server).await?;
    let links_up_after_s = links_up(herd, server, give_up).await?;
    let look = wait_for_agreement(&herd.http(), give_up.saturating_duration_since(Instant::now())).await;
    Ok(Kill {
        server: server.into(),
        killed_at,
        started_at: at(started.spawned),
        ready_at: at(started.ready),
        links_up_after_s,
        equal_after_s: look.is_agreement().then(|| (look.at - started.spawned).as_secs_f64()),
    })
}

/// Asks a server until all its links are up, and how long after its listening they were.
async fn links_up(herd: &Processes, server: &str, give_up: Instant) -> anyhow::Result<Option<f64>> {
    let address = herd.http().swap_remove(herd.herd.find(server)?);
    while Instant::now() < give_up {
        let look = Look::at(std::slice::from_ref(&address)).await;
        if let Some(after) = look.statuses.iter().flatten().find_map(crate::scrape::Status::links_up_after) {
            return Ok(Some(after));
        }
        sleep(LOOK).await;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    #[test]
    fn the_design_is_valid() {
        for quick in [false, true] {
            Design::<KillFactors>::read(&Experiment::RollingKill.design_file(), quick).unwrap();
        }
    }
}
