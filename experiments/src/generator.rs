//! What the load generator itself costs, and how fast it can be: it loads a null responder in a
//! closed loop, and holds many connections to it in an open one.

mod report;
mod responder;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use loadgen::report::Report;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::responder::Responder;
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::herd_text::herd_text;
use crate::load::Load;
use crate::memory::MemoryWatch;
use crate::ports;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratorFactors {
    connections: Vec<u32>,
    pipelines: Vec<u16>,
    warm_up: Time,
    duration: Time,
    most_processor_us: f64,
    judged: Arm,
    held: u32,
    interval: Time,
    held_for: Time,
    most_memory: f64,
}

/// One way to load the responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arm {
    connections: u32,
    pipeline: u16,
}

impl Factors for GeneratorFactors {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.connections.iter().all(|&connections| connections > 0), "connections must be at least 1");
        ensure!(self.arms().contains(&self.judged), "the arm that is judged is not among those that are tried");
        ensure!(self.held > 1, "held must be at least 2");
        ensure!(self.held_for > self.interval, "each client reports only once: held_for must be longer than interval");
        Ok(())
    }
}

impl GeneratorFactors {
    fn arms(&self) -> Vec<Arm> {
        let arm = |&connections: &u32| self.pipelines.iter().map(move |&pipeline| Arm { connections, pipeline });
        self.connections.iter().flat_map(arm).collect()
    }
}

/// What one round over all arms has shown.
#[derive(Debug, Serialize)]
struct Trial {
    seed: u64,
    /// In the order of the design, whatever the order was in which they ran.
    arms: Vec<Speed>,
    memory: Held,
}

/// How fast the generator was in one arm.
#[derive(Debug, Serialize)]
struct Speed {
    #[serde(flatten)]
    arm: Arm,
    per_second: f64,
    /// Processor time for an operation, in microseconds.
    generator_us: f64,
    responder_us: f64,
    /// The share of a core that its one thread used.
    generator_busy: f64,
    responder_busy: f64,
    wrong: u64,
    failed: u64,
}

/// What it took to hold many connections.
#[derive(Debug, Serialize)]
struct Held {
    connections: u32,
    /// Replies on each of them, on average.
    replies_each: f64,
    /// Memory of the generator at most, in MiB.
    resident_mib: f64,
    /// The same with one connection.
    with_one_mib: f64,
    /// Growth for each connection, in bytes.
    bytes_each: f64,
    wrong: u64,
    failed: u64,
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    let run = Run::<GeneratorFactors>::begin(Experiment::Generator, surroundings.quick)?;
    let trials = run.trials(async |factors, seed, folder| trial(surroundings, factors, seed, folder).await).await?;
    run.finish(&trials, &report::table(&run.design.factors, &trials), &report::checks(&run.design.factors, &trials))
}

async fn trial(
    surroundings: &Surroundings,
    factors: &GeneratorFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Trial> {
    let bench = Bench::new(surroundings, factors, seed, folder)?;
    let mut order: Vec<(usize, Arm)> = factors.arms().into_iter().enumerate().collect();
    // There and back again over the trials, so that what drifts meets all arms alike.
    if seed.is_multiple_of(2) {
        order.reverse();
    }
    let mut arms = Vec::new();
    for (place, arm) in order {
        arms.push((place, bench.speed(arm).await?));
    }
    arms.sort_by_key(|(place, _)| *place);
    Ok(Trial { seed, arms: arms.into_iter().map(|(_, speed)| speed).collect(), memory: bench.held().await? })
}

/// What all loads of a trial have in common.
struct Bench<'a> {
    factors: &'a GeneratorFactors,
    seed: u64,
    folder: &'a Path,
    loadgen: &'a Path,
    experiments: &'a Path,
    /// A herd of one server, the responder.
    herd_file: PathBuf,
    address: String,
    name: String,
}

impl<'a> Bench<'a> {
    fn new(
        surroundings: &'a Surroundings,
        factors: &'a GeneratorFactors,
        seed: u64,
        folder: &'a Folder,
    ) -> anyhow::Result<Self> {
        let (mut servers, _) = ports::built_in_servers(0)?;
        servers.truncate(1);
        folder.write("herd.toml", &herd_text(&servers, &[]))?;
        Ok(Self {
            factors,
            seed,
            folder: folder.path(),
            loadgen: surroundings.programs.path("loadgen")?,
            experiments: surroundings.programs.path("experiments")?,
            herd_file: folder.path().join("herd.toml"),
            address: servers[0].clients.to_string(),
            name: servers[0].name.to_string(),
        })
    }

    /// Loads a new responder as fast as it goes.
    async fn speed(&self, arm: Arm) -> anyhow::Result<Speed> {
        let Arm { connections, pipeline } = arm;
        eprintln!("  {connections} connections, {pipeline} commands under way on each");
        let GeneratorFactors { warm_up, duration, .. } = self.factors;
        let responder = Responder::start(self.experiments, &self.address, &self.name).await?;
        let before = responder.processor_time()?;
        let words =
            format!("--closed --pipeline {pipeline} --warm-up {} --duration {}", short(*warm_up), short(*duration));
        let (report, _) = self.load(&format!("{connections}x{pipeline}"), connections, &words).await?;
        let responder_s = (responder.processor_time()? - before).as_secs_f64();
        responder.stop().await?;
        #[allow(clippy::cast_precision_loss)]
        let answered = report.counts.answered.max(1) as f64;
        Ok(Speed {
            arm,
            per_second: report.iamat.per_second,
            generator_us: report.generator.cpu_per_operation,
            responder_us: responder_s * 1e6 / answered,
            generator_busy: report.generator.busy.first().copied().context("the generator had no thread")?,
            responder_busy: responder_s / (warm_up.0 + duration.0).as_secs_f64(),
            wrong: report.counts.wrong,
            failed: report.counts.failed,
        })
    }

    /// Holds many connections, and one.
    async fn held(&self) -> anyhow::Result<Held> {
        let GeneratorFactors { held, interval, held_for, .. } = self.factors;
        eprintln!("  {held} connections that are held");
        let responder = Responder::start(self.experiments, &self.address, &self.name).await?;
        let words =
            format!("--interval {} --warm-up 0s --duration {} --max-lag 1h", short(*interval), short(*held_for));
        let (_, with_one_mib) = self.load("held-one", 1, &words).await?;
        let (report, resident_mib) = self.load("held", *held, &words).await?;
        responder.stop().await?;
        #[allow(clippy::cast_precision_loss)]
        let replies_each = report.counts.answered as f64 / f64::from(*held);
        Ok(Held {
            connections: *held,
            replies_each,
            resident_mib,
            with_one_mib,
            bytes_each: (resident_mib - with_one_mib) * f64::from(1 << 20) / f64::from(held - 1),
            wrong: report.counts.wrong,
            failed: report.counts.failed,
        })
    }

    /// Runs the generator, without questions and probe; returns what it found, and how much
    /// memory it took at most, in MiB.
    async fn load(&self, name: &str, clients: u32, words: &str) -> anyhow::Result<(Report, f64)> {
        let seed = self.seed;
        let words = format!("--clients {clients} --seed {seed} --whatsat 0% --no-probe {words}");
        let load = Load {
            program: self.loadgen,
            herd_file: &self.herd_file,
            folder: self.folder,
            name,
            through: &[],
            arguments: words.split(' ').map(String::from).collect(),
            shown: false,
        };
        let loading = load.start()?;
        let memory = MemoryWatch::begin(loading.id().into_iter().collect(), Instant::now());
        let report = loading.finish().await?.report;
        let resident = memory.finish().into_iter().filter_map(|point| point.resident_mib[0]);
        Ok((report, resident.fold(0.0, f64::max)))
    }
}

/// A time in one word, as an argument.
fn short(time: Time) -> String {
    time.to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    #[test]
    fn the_design_is_valid() {
        for quick in [false, true] {
            let design = Design::<GeneratorFactors>::read(&Experiment::Generator.design_file(), quick).unwrap();
            assert_eq!(design.factors.arms().len(), 6);
        }
    }
}
