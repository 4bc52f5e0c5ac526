//! A null responder and the generator that loads it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use loadgen::report::Report;
use tokio::time::Instant;

use super::responder::Responder;
use super::{Arm, GeneratorFactors, Held, Speed};
use crate::experiment::{Folder, Surroundings, Time};
use crate::herd_text::herd_text;
use crate::load::Load;
use crate::memory::MemoryWatch;
use crate::ports;

/// What all loads of a trial have in common.
pub(super) struct Bench<'a> {
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
    pub(super) fn new(
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
    pub(super) async fn speed(&self, arm: Arm) -> anyhow::Result<Speed> {
        let Arm { connections, pipeline } = arm;
        eprintln!("  {connections} connections, {pipeline} commands under way on each");
        let GeneratorFactors { warm_up, duration, .. } = self.factors;
        let responder = Responder::start(self.experiments, &self.address, &self.name).await?;
        let before = responder.spent()?;
        let words =
            format!("--closed --pipeline {pipeline} --warm-up {} --duration {}", short(*warm_up), short(*duration));
        let (report, _) = self.load(&format!("{connections}x{pipeline}"), connections, &words).await?;
        let after = responder.spent()?;
        responder.stop().await?;
        #[allow(clippy::cast_precision_loss)]
        let answered = report.counts.answered.max(1) as f64;
        let share = |seconds: f64| seconds / (warm_up.0 + duration.0).as_secs_f64();
        let (busy, waited) = (after.busy - before.busy, after.waited - before.waited);
        let generator = &report.generator;
        let thread = generator.busy.first().zip(generator.waited.first()).context("the generator had no thread")?;
        Ok(Speed {
            arm,
            per_second: report.iamat.per_second,
            generator_us: generator.cpu_per_operation,
            responder_us: busy * 1e6 / answered,
            generator_busy: *thread.0,
            generator_waited: *thread.1,
            responder_busy: share(busy),
            responder_waited: share(waited),
            wrong: report.counts.wrong,
            failed: report.counts.failed,
        })
    }

    /// Holds many connections, and one.
    pub(super) async fn held(&self) -> anyhow::Result<Held> {
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
