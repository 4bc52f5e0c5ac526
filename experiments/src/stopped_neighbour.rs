//! What a server that is stopped (SIGSTOP) costs the others, whose clients report all the time.

mod report;

use std::time::{Duration, SystemTime};

use anyhow::ensure;
use herd::config::Herd;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use crate::agreement::wait_for_agreement;
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::herd_text::herd_text;
use crate::load::{Load, Loaded, Loading};
use crate::memory::{MemoryPoint, MemoryWatch};
use crate::ports;
use crate::processes::{HerdOptions, Processes};
use crate::seconds::{Seconds, Stretch};

/// How long load generators may take to connect their clients.
const CONNECT: Duration = Duration::from_secs(30);
/// How long all servers may take to agree once the load has ended.
const END: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopFactors {
    clients: usize,
    generators: usize,
    interval: Time,
    stopped: String,
    warm_up: Time,
    before: Time,
    pause: Time,
    after: Time,
    most_slower: f64,
    not_below: Time,
    most_growth: f64,
    patience: Time,
}

impl Factors for StopFactors {
    fn check(&self) -> anyhow::Result<()> {
        let herd = Herd::built_in();
        let stopped = herd.find(&self.stopped)?;
        ensure!(herd.topology().is_connected_without(&[stopped]), "the others do not reach each other");
        ensure!(self.generators > 0 && self.clients >= self.generators, "each generator needs a client");
        ensure!(self.patience <= self.after, "patience is longer than the load goes on afterwards");
        Ok(())
    }
}

/// What one trial has shown. Seconds count from its beginning.
#[derive(Debug, Serialize)]
struct Trial {
    seed: u64,
    stopped_at: f64,
    continued_at: f64,
    before: Stretch,
    during: Stretch,
    after: Stretch,
    /// From when the server went on until all digests were equal, in seconds, with the load on;
    /// absent if they did not get so in time.
    equal_after_s: Option<f64>,
    /// Whether they were when the load had ended.
    equal_at_end: bool,
    /// Of all generators together.
    counts: Counts,
    servers: Vec<String>,
    memory: Vec<MemoryPoint>,
    #[serde(skip)]
    series: Vec<loadgen::series::Second>,
    #[serde(skip)]
    origin: f64,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    answered: u64,
    failed: u64,
    wrong: u64,
    lost: u64,
    /// Whether every generator sent in time.
    valid: bool,
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    let run = Run::<StopFactors>::begin(Experiment::StoppedNeighbour, surroundings.quick)?;
    let trials = run.trials(async |factors, seed, folder| trial(surroundings, factors, seed, folder).await).await?;
    report::figure(&trials[0]).draw(&run.folder.path().join("figure.svg"))?;
    run.finish(&trials, &report::table(&run.design.factors, &trials), &report::checks(&run.design.factors, &trials))
}

async fn trial(
    surroundings: &Surroundings,
    factors: &StopFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Trial> {
    let (servers, _) = ports::built_in_servers(0)?;
    let herd_file = folder.path().join("herd.toml");
    let herd = Herd::built_in();
    folder.write("herd.toml", &herd_text(&servers, herd.links()))?;
    let stopped = herd.find(&factors.stopped)?;
    folder.write("others.toml", &herd_without(&servers, herd.links(), stopped))?;
    let server = surroundings.programs.path("server")?;
    let herd = Processes::start(&HerdOptions::new(server, &herd_file, folder.path()).with_small_logs()).await?;

    let (start, origin) = (Instant::now(), since_epoch());
    let memory = MemoryWatch::begin(herd.ids().into_iter().map(|(_, id)| id).collect(), start);
    let generators = generators(surroundings, factors, seed, folder)?;
    wait_for_clients(&herd, factors).await?;
    let stop = Instant::now() + factors.warm_up.0 + factors.before.0;
    sleep_until(stop).await;
    herd.signal(&factors.stopped, Signal::STOP)?;
    let stopped_at = start.elapsed().as_secs_f64();
    sleep_until(stop + factors.pause.0).await;
    herd.signal(&factors.stopped, Signal::CONT)?;
    let continued = Instant::now();
    let look = wait_for_agreement(&herd.http(), factors.patience.0).await;
    let equal_after_s = look.is_agreement().then(|| (look.at - continued).as_secs_f64());

    let mut loaded = Vec::new();
    for generator in generators {
        loaded.push(generator.finish().await?);
    }
    let equal_at_end = wait_for_agreement(&herd.http(), END).await.is_agreement();
    let servers = herd.ids().into_iter().map(|(name, _)| name).collect();
    let memory = memory.finish();
    folder.write_lines("memory.ndjson", &memory)?;
    herd.stop().await?;
    let continued_at = (continued - start).as_secs_f64();
    let counts = count(&loaded);
    let series = loaded.swap_remove(0).series;
    let seconds = Seconds::new(&series, origin);
    Ok(Trial {
        seed,
        stopped_at,
        continued_at,
        before: seconds.stretch(&(stopped_at - factors.before.0.as_secs_f64()..stopped_at)),
        during: seconds.stretch(&(stopped_at + 1.0..continued_at)),
        after: seconds.stretch(&(continued_at + 1.0..continued_at + factors.after.0.as_secs_f64())),
        equal_after_s,
        equal_at_end,
        counts,
        servers,
        memory,
        series,
        origin,
    })
}

/// The herd file of all servers but one.
fn herd_without(servers: &[herd::config::ServerEntry], links: &[[usize; 2]], without: usize) -> String {
    let others: Vec<_> =
        (0..servers.len()).filter(|&server| server != without).map(|server| servers[server].clone()).collect();
    let place = |server: usize| server - usize::from(server > without);
    let links = links.iter().filter(|link| !link.contains(&without)).map(|link| link.map(place));
    herd_text(&others, &links.collect::<Vec<_>>())
}

/// Starts the load generators; the first has the propagation probe.
fn generators(
    surroundings: &Surroundings,
    factors: &StopFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Vec<Loading>> {
    let program = surroundings.programs.path("loadgen")?;
    let duration = factors.before.0 + factors.pause.0 + factors.after.0;
    (0..factors.generators)
        .map(|number| {
            let clients = factors.clients / factors.generators;
            let mut arguments: Vec<String> = [
                ("--clients", clients.to_string()),
                ("--interval", factors.interval.to_string()),
                ("--warm-up", factors.warm_up.to_string()),
                ("--duration", humantime::format_duration(duration).to_string()),
                ("--seed", (seed * 1000 + number as u64).to_string()),
            ]
            .into_iter()
            .flat_map(|(option, value)| [option.to_owned(), value])
            .collect();
            if number > 0 {
                arguments.push("--no-probe".into());
            }
            let herd_file = &folder.path().join("others.toml");
            let name = &format!("loadgen-{}", number + 1);
            Load { program, herd_file, folder: folder.path(), name, through: &[], arguments, shown: false }.start()
        })
        .collect()
}

/// Waits until all clients are connected: from about then on they report.
async fn wait_for_clients(herd: &Processes, factors: &StopFactors) -> anyhow::Result<()> {
    let deadline = Instant::now() + CONNECT;
    let all = factors.clients / factors.generators * factors.generators;
    loop {
        let mut connected = 0.0;
        for address in herd.http() {
            let metrics = crate::scrape::get(&address, "/metrics").await?;
            connected += crate::scrape::sum(&metrics, "herd_client_connections", &[]);
        }
        #[allow(clippy::cast_precision_loss)]
        if connected >= all as f64 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "only {connected} of {all} clients are connected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn count(loaded: &[Loaded]) -> Counts {
    let mut sum = Counts { valid: true, ..Counts::default() };
    for Loaded { report, .. } in loaded {
        let probe = report.propagation.as_ref().map_or(0, |seen| seen.lost + seen.unexpected);
        sum.answered += report.counts.answered;
        sum.failed += report.counts.failed;
        sum.wrong += report.counts.wrong - report.counts.lost;
        sum.lost += report.counts.lost + probe;
        sum.valid &= report.generator.valid;
    }
    sum
}

fn since_epoch() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    #[test]
    fn the_design_is_valid() {
        for quick in [false, true] {
            Design::<StopFactors>::read(&Experiment::StoppedNeighbour.design_file(), quick).unwrap();
        }
    }

    #[test]
    fn the_herd_of_the_others_lacks_one_server_and_its_links() {
        let herd = Herd::built_in();
        let bona = herd.find("Bona").unwrap();
        let others = Herd::parse(&herd_without(herd.servers(), herd.links(), bona)).unwrap();
        let name = |server: usize| others.servers()[server].name.as_str();
        let links: Vec<_> = others.links().iter().map(|&[a, b]| (name(a), name(b))).collect();
        assert_eq!(links.len(), 3);
        assert!(links.contains(&("Clark", "Jaquez")) && links.contains(&("Campbell", "Jaquez")));
    }
}
