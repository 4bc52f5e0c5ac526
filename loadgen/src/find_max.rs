//! `--find-max`: run after run, each at another rate.

use anyhow::{Context, bail};
use loadgen::plan::{Pace, Plan, Rate};
use loadgen::report::Report;
use loadgen::run;
use loadgen::search::Search;

use crate::cli::{self, Run};

/// Looks for the highest rate that meets the objectives. Returns the run that met at it, or the
/// last one if none did.
pub(crate) fn find_max(options: &Run) -> anyhow::Result<Report> {
    let plan = options.plan()?;
    let Pace::Open { rate, spacing } = plan.pace else { bail!("--find-max is for the open loop") };
    cli::raise_descriptor_limit(plan.own_clients().count())?;
    let slos: Vec<_> = options.find_max.iter().chain(&options.slo).cloned().collect();
    let mut search = Search::from(rate.from);
    let mut best: Option<Report> = None;
    let mut generator_was_late = false;
    while let Some(rate) = search.next() {
        let pace = Pace::Open { rate: Rate::constant(rate), spacing };
        let outcome = run::run(Plan { pace, run: cli::run_name(), ..plan.clone() }, |_, _| {})?;
        let report = Report::new(&outcome, &slos);
        if !report.is_right() {
            return Ok(report);
        }
        let met = report.generator.valid && report.slos.iter().all(|slo| slo.met);
        eprintln!("{}", line(rate, &report, met));
        search.tried(met);
        if met {
            best = Some(report);
        } else {
            generator_was_late = !report.generator.valid;
            if best.is_none() && search.next().is_none() {
                return Ok(report);
            }
        }
    }
    let (met, missed) = search.found();
    let names: Vec<_> = slos.iter().map(ToString::to_string).collect();
    let met = met.context("nothing was tried")?;
    println!("highest rate that meets {}: {met:.0} commands/s", names.join(" and "));
    if let Some(missed) = missed {
        let why = if generator_was_late { "this program, not the herd, could not do" } else { "missed at" };
        println!("{why} {missed:.0} commands/s\n");
    }
    best.context("nothing was tried")
}

/// One try in a line.
fn line(rate: f64, report: &Report, met: bool) -> String {
    let measured = report.slos.iter().map(|slo| {
        let measured = slo.measured.map_or("nothing measured".into(), loadgen::report::time);
        format!("{}: {measured}", slo.slo)
    });
    let verdict = match (met, report.generator.valid) {
        (true, _) => "met",
        (false, true) => "missed",
        (false, false) => "sent too late",
    };
    format!("{rate:>9.0} commands/s  {verdict:<13}  {}", measured.collect::<Vec<_>>().join("  "))
}
