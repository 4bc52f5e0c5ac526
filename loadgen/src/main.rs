//! The `loadgen` program: wiring only.

mod cli;
mod progress;

use std::fs;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use loadgen::report::{Report, table};
use loadgen::run;
use loadgen::series::Phase;

use self::cli::Cli;
use self::progress::Progress;

/// Wrong answers were seen.
const WRONG: u8 = 3;
/// The generator itself could not keep up.
const INVALID: u8 = 4;
/// An objective was missed.
const SLO_MISSED: u8 = 99;

fn main() -> ExitCode {
    match load(&Cli::parse()) {
        Ok(report) if !report.is_right() => ExitCode::from(WRONG),
        Ok(report) if !report.generator.valid => ExitCode::from(INVALID),
        Ok(report) if report.slos.iter().any(|slo| !slo.met) => ExitCode::from(SLO_MISSED),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn load(cli: &Cli) -> anyhow::Result<Report> {
    let plan = cli.plan()?;
    cli::raise_descriptor_limit(plan.clients)?;
    let (warm_up, duration) = (plan.warm_up, plan.duration);
    let mut progress = Progress::new(warm_up + duration);
    let mut series = cli.series()?;
    let mut written = Ok(());
    let outcome = run::run(plan, |elapsed, glance| {
        let phase = Phase::at(elapsed, warm_up, duration);
        progress.show(elapsed, phase, &glance);
        if let (Some(series), Ok(())) = (&mut series, &written) {
            written = series.write(elapsed, phase, &glance);
        }
    })?;
    progress.finish();
    written.context("cannot write the series")?;
    let report = Report::new(&outcome, &cli.slo);
    if let Some(path) = &cli.out {
        let json = serde_json::to_string_pretty(&report)? + "\n";
        fs::write(path, json).with_context(|| format!("cannot write the result to {}", path.display()))?;
    }
    print!("{}", table(&report));
    Ok(report)
}
