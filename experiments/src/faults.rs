//! Faults in sequence: networks, disks, processes and services fail one after the other, while
//! clients report and ask and every answer is judged. Each server has a network namespace of its
//! own, and so has the load generator.

mod fault;
mod report;
mod timeline;
mod watch;
mod world;

use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use herd::config::Herd;
use loadgen::report::CountsReport;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use self::fault::Fault;
use self::timeline::Moment;
use self::watch::{Seen, Watch};
use self::world::World;
use crate::agreement::wait_for_agreement;
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::load::Loaded;
use crate::namespaces::{self, Network};
use crate::seconds::{Seconds, Stretch};

/// What the load runs for before the first fault.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long servers may take to agree once the load has ended.
const END: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultFactors {
    order: Vec<Fault>,
    clients: u32,
    interval: Time,
    whatsat: String,
    lasts: Time,
    stop_lasts: Time,
    between: Time,
    link: [String; 2],
    one_way: [String; 2],
    halves: Vec<[String; 2]>,
    lossy: String,
    one_of: u32,
    killed: String,
    stopped: String,
    full: String,
    crowded: String,
    descriptors: u32,
    connections: usize,
}

impl Factors for FaultFactors {
    fn check(&self) -> anyhow::Result<()> {
        let herd = Herd::built_in();
        for [a, b] in self.halves.iter().chain([&self.link, &self.one_way]) {
            let mut link = [herd.find(a)?, herd.find(b)?];
            link.sort_unstable();
            ensure!(herd.links().contains(&link), "{a} and {b} are not linked");
        }
        for name in [&self.lossy, &self.killed, &self.stopped, &self.full, &self.crowded] {
            herd.find(name)?;
        }
        ensure!(!self.order.is_empty(), "order must name at least one fault");
        ensure!(self.one_of > 0, "one_of must be at least 1");
        Ok(())
    }
}

impl FaultFactors {
    fn lasts(&self, fault: Fault) -> Duration {
        if fault == Fault::Stop { self.stop_lasts.0 } else { self.lasts.0 }
    }

    /// How long the load runs behind its warm-up.
    fn duration(&self) -> Duration {
        self.order.iter().map(|&fault| self.lasts(fault) + self.between.0).sum()
    }
}

/// What one trial has shown. Seconds count from when the load began.
#[derive(Debug, Serialize)]
struct Trial {
    seed: u64,
    faults: Vec<Case>,
    counts: CountsReport,
    /// Answers at the very end that lacked an acknowledged update.
    lost_at_end: u64,
    /// Whether the load generator sent in time.
    valid: bool,
    equal_at_end: bool,
    /// The first wrong answers.
    wrong: Vec<String>,
    servers: Vec<String>,
    #[serde(skip)]
    timeline: Vec<Moment>,
    #[serde(skip)]
    series: Vec<loadgen::series::Second>,
    #[serde(skip)]
    seen: Vec<Seen>,
    #[serde(skip)]
    origin: f64,
}

/// What one fault has shown.
#[derive(Debug, Serialize)]
struct Case {
    fault: Fault,
    began_at: f64,
    ended_at: f64,
    /// While it lasted.
    during: Stretch,
    /// From its beginning to the beginning of the next.
    until_next: Stretch,
    /// From its end until all servers agreed, in seconds; absent if they did not before the next.
    equal_after_s: Option<f64>,
    /// What else there is to say.
    note: String,
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    if let Some(obstacle) = namespaces::obstacle() {
        println!("faults: SKIPPED: {obstacle}");
        return Ok(true);
    }
    let run = Run::<FaultFactors>::begin(Experiment::Faults, surroundings.quick)?;
    let one = async |factors: &FaultFactors, seed, folder: &Folder| {
        // A signal must not leave the namespaces behind: they go with the trial.
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let trial = tokio::select! {
            trial = trial(surroundings, factors, seed, folder) => trial?,
            _ = interrupt.recv() => bail!("interrupted"),
            _ = terminate.recv() => bail!("terminated"),
        };
        folder.write_lines("timeline.ndjson", &trial.timeline)?;
        Ok(trial)
    };
    let trials = run.trials(one).await?;
    report::figure(&trials[0]).draw(&run.folder.path().join("figure.svg"))?;
    run.finish(&trials, &report::table(&run.design.factors, &trials), &report::checks(&trials))
}

async fn trial(
    surroundings: &Surroundings,
    factors: &FaultFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Trial> {
    let herd = Herd::built_in();
    let names: Vec<&str> = herd.servers().iter().map(|server| server.name.as_str()).collect();
    let members: Vec<&str> = names.iter().copied().chain([world::LOAD, world::PLACES]).collect();
    let network = Network::build(&members).context("cannot make a network")?;
    let mut world = World::start(surroundings, factors, &network, folder).await?;
    let origin = SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64();
    let start = Instant::now();
    let watch = Watch::begin(world.herd.http(), start);
    let loading = world.load(surroundings, factors, seed)?;

    let (mut times, mut next) = (Vec::new(), start + WARM_UP);
    for &fault in &factors.order {
        sleep_until(next).await;
        eprintln!("  {}", fault.name());
        let began_at = start.elapsed().as_secs_f64();
        world.begin(fault, factors).await.with_context(|| format!("cannot begin {}", fault.name()))?;
        sleep_until(next + factors.lasts(fault)).await;
        let ended_at = start.elapsed().as_secs_f64();
        let note = world.end(fault, factors).await.with_context(|| format!("cannot end {}", fault.name()))?;
        times.push((fault, began_at..ended_at, note));
        next += factors.lasts(fault) + factors.between.0;
    }
    let loaded = loading.finish().await?;
    let equal_at_end = wait_for_agreement(&world.herd.http(), END).await.is_agreement();
    let seen = watch.finish();
    let servers = names.into_iter().map(String::from).collect();
    world.stop().await?;
    Ok(put_together(seed, times, loaded, seen, Setting { servers, origin, equal_at_end, between: factors.between.0 }))
}

/// What a trial's numbers have to be seen with.
struct Setting {
    servers: Vec<String>,
    origin: f64,
    equal_at_end: bool,
    between: Duration,
}

fn put_together(
    seed: u64,
    times: Vec<(Fault, std::ops::Range<f64>, String)>,
    loaded: Loaded,
    seen: Vec<Seen>,
    setting: Setting,
) -> Trial {
    let Setting { servers, origin, equal_at_end, between } = setting;
    let Loaded { report, series, .. } = loaded;
    let seconds = Seconds::new(&series, origin);
    let case = |(fault, time, note): (Fault, std::ops::Range<f64>, String)| {
        let next = time.end + between.as_secs_f64();
        Case {
            fault,
            began_at: time.start,
            ended_at: time.end,
            // A line tells of the second that ended with it.
            during: seconds.stretch(&(time.start + 0.5..time.end + 0.5)),
            until_next: seconds.stretch(&(time.start + 0.5..next + 0.5)),
            equal_after_s: watch::first_agreement(&seen, time.end..next).map(|at| at - time.end),
            note,
        }
    };
    let faults: Vec<Case> = times.into_iter().map(case).collect();
    let at_end = series.iter().filter(|second| second.phase == loadgen::series::Phase::Verify);
    Trial {
        seed,
        counts: report.counts,
        lost_at_end: at_end.map(|second| second.lost).sum(),
        valid: report.generator.valid,
        equal_at_end,
        wrong: report.wrong,
        timeline: timeline::of(&series, &seen, &faults, &servers, origin),
        faults,
        servers,
        series,
        seen,
        origin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    #[test]
    fn the_design_is_valid() {
        for quick in [false, true] {
            let design = Design::<FaultFactors>::read(&Experiment::Faults.design_file(), quick).unwrap();
            assert_eq!(design.factors.order, Fault::ALL);
        }
    }
}
