//! What an open and a closed loop say of a server that is asked for more than it can do.
//!
//! The server's capacity does not depend on this machine: Places takes its time for each question,
//! and the server asks it a few at a time.

mod report;

use std::time::Duration;

use anyhow::{Context, ensure};
use loadgen::report::{Report, table};
use loadgen::series::{Phase, Second};
use mock_places::{MockPlaces, Options};
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Factors, Folder, Run, Surroundings, Time};
use crate::herd_text::herd_text;
use crate::load::Load;
use crate::ports;
use crate::processes::{HerdOptions, Processes};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapacityFactors {
    clients: u32,
    places_takes: Time,
    places_in_flight: u32,
    offered: f64,
    duration: Time,
    objective: Time,
}

impl Factors for CapacityFactors {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.places_takes.0 > Duration::ZERO, "places_takes must be above 0");
        ensure!(self.offered > 1.0, "offered must be above 1: it is to be more than the server can do");
        ensure!(self.duration.0 >= Duration::from_secs(3), "duration must be at least 3 s, to see times grow");
        ensure!(
            self.closed_loop() < self.objective.0,
            "{} clients in a closed loop wait for {:?} each, which misses the objective",
            self.clients,
            self.closed_loop()
        );
        Ok(())
    }
}

impl CapacityFactors {
    /// Questions per second that the server can have answered.
    fn capacity(&self) -> f64 {
        f64::from(self.places_in_flight) / self.places_takes.0.as_secs_f64()
    }

    /// How long a client waits where each asks when it was answered.
    fn closed_loop(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.clients) / self.capacity())
    }
}

/// What one trial has shown.
#[derive(Debug, Serialize)]
struct Trial {
    seed: u64,
    open: Seen,
    closed: Seen,
}

/// What one loop has shown.
#[derive(Debug, Serialize)]
struct Seen {
    /// The exit code of the load generator.
    code: Option<i32>,
    /// While more was asked.
    answered_per_second: f64,
    /// Response times of WHATSAT, in microseconds.
    p50: f64,
    p99: f64,
    /// The median of the first and of the last second that was measured.
    first_second: Option<f64>,
    last_second: Option<f64>,
    valid: bool,
    wrong: u64,
    /// What the load generator has printed.
    #[serde(skip)]
    table: String,
}

impl Seen {
    fn new(code: Option<i32>, report: &Report, series: &[Second]) -> Self {
        let measured: Vec<&Second> = series.iter().filter(|second| second.phase == Phase::Measure).collect();
        #[allow(clippy::cast_precision_loss)]
        let answered = measured.iter().map(|second| second.replies).sum::<u64>() as f64;
        Self {
            code,
            answered_per_second: answered / report.plan.duration_s,
            p50: report.whatsat.response.p50,
            p99: report.whatsat.response.p99,
            first_second: measured.first().and_then(|second| second.response_p50),
            last_second: measured.last().and_then(|second| second.response_p50),
            valid: report.generator.valid,
            wrong: report.counts.wrong,
            table: table(report),
        }
    }
}

/// Runs the experiment.
///
/// # Errors
/// If it could not be run to its end.
pub async fn run(surroundings: &Surroundings) -> anyhow::Result<bool> {
    let run = Run::<CapacityFactors>::begin(Experiment::BeyondCapacity, surroundings.quick)?;
    let trials = run.trials(async |factors, seed, folder| trial(surroundings, factors, seed, folder).await).await?;
    run.finish(&trials, &report::table(&run.design.factors, &trials), &report::checks(&trials))
}

async fn trial(
    surroundings: &Surroundings,
    factors: &CapacityFactors,
    seed: u64,
    folder: &Folder,
) -> anyhow::Result<Trial> {
    let rate = factors.capacity() * factors.offered;
    let open = seen(surroundings, factors, seed, folder, "open", &format!("--rate {rate}")).await?;
    let closed = seen(surroundings, factors, seed, folder, "closed", "--closed").await?;
    Ok(Trial { seed, open, closed })
}

/// Loads a new server in one of the loops.
async fn seen(
    surroundings: &Surroundings,
    factors: &CapacityFactors,
    seed: u64,
    folder: &Folder,
    name: &str,
    pace: &str,
) -> anyhow::Result<Seen> {
    eprintln!("  {name} loop");
    let (mut servers, _) = ports::built_in_servers(0)?;
    servers.truncate(1);
    let herd_file = folder.path().join(format!("{name}.toml"));
    folder.write(&format!("{name}.toml"), &herd_text(&servers, &[]))?;
    let delay = factors.places_takes.to_string().parse().map_err(anyhow::Error::msg)?;
    let places = MockPlaces::start(Options { seed, delay, ..Options::default() }).await?;
    let mut options = HerdOptions::new(surroundings.programs.path("server")?, &herd_file, folder.path());
    options.places = places.url();
    options.environment.push(("GOOGLE_PLACES_API_KEY".into(), "none".into()));
    let in_flight = factors.places_in_flight.to_string();
    options.arguments = ["--places-in-flight", &in_flight, "--places-deadline", "1h"].map(String::from).into();
    let processes = Processes::start(&options).await?;

    let CapacityFactors { clients, duration, objective, .. } = factors;
    let words = format!(
        "--clients {clients} --seed {seed} --whatsat 100% --unknown 0% --bound 1..20 --no-verify --timeout 1m \
         --warm-up 0s --duration {duration} --slo whatsat.response.p99<{objective} {pace}"
    );
    let load = Load {
        program: surroundings.programs.path("loadgen")?,
        herd_file: &herd_file,
        folder: folder.path(),
        name,
        through: &[],
        arguments: words.split(' ').map(String::from).collect(),
        shown: false,
    };
    let loaded = load.start()?.finish().await.with_context(|| format!("in the {name} loop"))?;
    processes.stop().await?;
    Ok(Seen::new(loaded.code, &loaded.report, &loaded.series))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Design;

    #[test]
    fn the_design_is_valid() {
        for quick in [false, true] {
            let design = Design::<CapacityFactors>::read(&Experiment::BeyondCapacity.design_file(), quick).unwrap();
            assert!((design.factors.capacity() - 500.0).abs() < 1e-9);
        }
    }
}
