//! The measuring ground: how fast and how small a herd is, beside programs that do as little as
//! possible and beside Redis, which is known. All of it runs in one session, in rounds that run
//! every arm once, because rates move from minute to minute; what counts are ratios within rounds.

mod agree;
mod arm;
mod figure;
mod herd_arm;
mod measured;
mod memory_arm;
mod neighbours;
mod redis_arm;
mod report;
mod rows;
mod scale;

use std::cell::Cell;
use std::path::Path;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use self::arm::Arm;
use self::measured::Measured;
use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::programs::Programs;
use crate::redis;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroundFactors {
    warm_up: Time,
    duration: Time,
    latency_duration: Time,
    idle_interval: Time,
    replicas: u16,
    stub_requests: u64,
    connected_clients: usize,
    stored_clients: u32,
    memory_rounds: usize,
    allowance: f64,
}

impl Factors for GroundFactors {
    fn check(&self) -> anyhow::Result<()> {
        // The load generator first says when it began to send after a second.
        let short = [self.duration, self.latency_duration].into_iter().any(|time| time.0.as_millis() < 1000);
        ensure!(!short, "nothing can be told from less than a second");
        ensure!(self.connected_clients > 0 && self.stored_clients > 0, "memory is measured per client");
        ensure!((0.0..1.0).contains(&self.allowance), "the allowance is a part of a gate");
        Ok(())
    }
}

/// What one round has shown.
#[derive(Debug, Serialize)]
struct Round {
    seed: u64,
    /// Updates per second in the arms at half the herd's highest rate.
    half_rate: f64,
    /// In the order in which they ran.
    arms: Vec<(Arm, Measured)>,
}

impl Round {
    fn arm(&self, arm: Arm) -> Option<&Measured> {
        self.arms.iter().find(|(found, _)| *found == arm).map(|(_, measured)| measured)
    }
}

/// What the arms of a round have in common.
#[derive(Debug)]
struct Ground<'a> {
    surroundings: &'a Surroundings,
    factors: &'a GroundFactors,
    /// The client that finds out what the Places stub can do.
    soak: &'a Path,
    seed: u64,
    /// Updates per second in the arms at half the herd's highest rate.
    half_rate: f64,
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    let run = Run::<GroundFactors>::begin(Experiment::Ground, surroundings.quick)?;
    let soak = Programs::example("soak")?;
    let (number, half_rate) = (Cell::new(0), Cell::new(0.0));
    let rounds = run
        .trials(async |factors, seed, folder| {
            number.set(number.get() + 1);
            let ground = Ground { surroundings, factors, soak: &soak, seed, half_rate: half_rate.get() };
            let round = round(ground, number.get(), folder).await?;
            half_rate.set(round.half_rate);
            Ok(round)
        })
        .await?;
    figure::bars(&rounds).draw(&run.folder.path().join("figure.svg"))?;
    let report = report::report(&run.design.factors, &rounds);
    run.finish(&rounds, &report.tables, &report.checks)
}

/// Runs every arm once. Half the herd's highest rate is by what the first round has shown, in whose
/// order the herd comes before the arms at that rate; all rounds have the same.
async fn round(mut ground: Ground<'_>, number: usize, folder: &Folder) -> anyhow::Result<Round> {
    let mut round = Round { seed: ground.seed, half_rate: ground.half_rate, arms: Vec::new() };
    for arm in order(number, ground.factors, redis::is_installed()) {
        let measured = arm.run(&ground, &folder.within(&arm.folder())?).await?;
        eprintln!("  {arm}: {}", measured.in_short());
        if arm == Arm::MAXIMUM && number == 1 {
            ground.half_rate = measured.rate.map_or(0.0, |rate| (rate / 2.0).round());
        }
        round.arms.push((arm, measured));
    }
    round.half_rate = ground.half_rate;
    Ok(round)
}

/// The arms of a round, counted from 1: every other one runs them the other way round, so that
/// what changes slowly strikes all alike.
fn order(number: usize, factors: &GroundFactors, with_redis: bool) -> Vec<Arm> {
    let runs = |arm: &Arm| (with_redis || !arm.needs_redis()) && (number <= factors.memory_rounds || !arm.is_memory());
    let arms = Arm::ALL.into_iter().filter(runs);
    if number.is_multiple_of(2) { arms.rev().collect() } else { arms.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    fn factors(quick: bool) -> GroundFactors {
        Design::read(&Experiment::Ground.design_file(), quick).unwrap().factors
    }

    #[test]
    fn the_design_is_valid() {
        for quick in [false, true] {
            factors(quick);
        }
    }

    #[test]
    fn rounds_alternate_and_the_herds_maximum_is_known_before_its_half() {
        let factors = GroundFactors { memory_rounds: 1, ..factors(true) };
        let [first, second, third] = [1, 2, 3].map(|number| order(number, &factors, true));
        assert_eq!(first, Arm::ALL);
        assert_eq!(second.iter().rev().copied().collect::<Vec<_>>(), third);
        assert!(third.iter().all(|arm| !arm.is_memory()));
        let place = |arm| first.iter().position(|found| *found == arm).unwrap();
        assert!(place(Arm::MAXIMUM) < place(Arm::Half) && place(Arm::MAXIMUM) < place(Arm::HalfRedis));
        assert!(order(1, &factors, false).iter().all(|arm| !arm.needs_redis()));
    }
}
