//! What the load generator itself costs, and how fast it can be: it loads a null responder in a
//! closed loop, and holds many connections to it in an open one.

mod bench;
mod report;
mod responder;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use self::bench::Bench;
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};

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
    /// The share of the time for which its one thread used a core, and for which it waited for
    /// one that others had.
    generator_busy: f64,
    generator_waited: f64,
    responder_busy: f64,
    responder_waited: f64,
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
