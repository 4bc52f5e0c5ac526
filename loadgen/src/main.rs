//! The `loadgen` program: wiring only.

mod cli;
mod files;
mod find_max;
mod metrics;
mod progress;
mod view;
mod watcher;

use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use loadgen::report::{Report, diff, merge, table};
use loadgen::run::{self, RunError};
use loadgen::self_test::{self, Verdict};

use self::cli::{Cli, Command, Run};
use self::watcher::Watcher;

/// Wrong answers were seen.
const WRONG: u8 = 3;
/// The generator itself could not keep up.
const INVALID: u8 = 4;
/// An objective was missed.
const SLO_MISSED: u8 = 99;
/// Who watched the run did not wait for a result; shells say the same of what Ctrl-C ended.
const LEFT: u8 = 130;

fn main() -> ExitCode {
    let arguments = match cli::arguments(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            return failed(&error);
        }
    };
    let cli = Cli::parse_from(arguments);
    let done: anyhow::Result<ExitCode> = match cli.command {
        None if cli.run.find_max.is_some() => {
            find_max::find_max(&cli.run).and_then(|report| kept(report, &cli.run)).map(|report| verdict(&report))
        }
        None => load(&cli.run).map(|report| verdict(&report)),
        Some(Command::Report { file, hgrm }) => {
            files::read(&file).and_then(|report| show(report, hgrm.as_deref())).map(|report| verdict(&report))
        }
        Some(Command::Merge { files, out }) => merged(&files, out.as_deref()).map(|report| verdict(&report)),
        Some(Command::Diff { a, b }) => compared(&a, &b).map(|()| ExitCode::SUCCESS),
        Some(Command::SelfTest { out }) => self_test(out.as_deref()),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "loadgen", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man) => {
            let page = clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout());
            page.map(|()| ExitCode::SUCCESS).context("cannot print the manual page")
        }
    };
    done.unwrap_or_else(|error| failed(&error))
}

/// Says what went wrong, if anybody is there to read it.
fn failed(error: &anyhow::Error) -> ExitCode {
    let _ = writeln!(stderr(), "loadgen: {error:#}");
    let is_left = matches!(error.downcast_ref(), Some(RunError::Left));
    if is_left { ExitCode::from(LEFT) } else { ExitCode::FAILURE }
}

/// The exit code of a run.
fn verdict(report: &Report) -> ExitCode {
    if !report.is_right() {
        ExitCode::from(WRONG)
    } else if !report.generator.valid {
        ExitCode::from(INVALID)
    } else if report.slos.iter().any(|slo| !slo.met) {
        ExitCode::from(SLO_MISSED)
    } else {
        ExitCode::SUCCESS
    }
}

fn load(options: &Run) -> anyhow::Result<Report> {
    let plan = options.plan()?;
    cli::raise_descriptor_limit(plan.own_clients().count())?;
    let mut watcher = Watcher::new(options, &plan)?;
    let outcome = run::watched(plan, &mut watcher)?;
    watcher.finish()?;
    kept(Report::new(&outcome, &options.slo), options)
}

/// Writes a report where that is asked for, and prints it.
fn kept(report: Report, options: &Run) -> anyhow::Result<Report> {
    if let Some(path) = &options.out {
        files::write(&report, path)?;
    }
    show(report, options.hgrm.as_deref())
}

fn show(report: Report, hgrm: Option<&Path>) -> anyhow::Result<Report> {
    if let Some(folder) = hgrm {
        files::write_percentiles(&report, folder)?;
    }
    print(&table(&report))?;
    Ok(report)
}

fn merged(paths: &[PathBuf], out: Option<&Path>) -> anyhow::Result<Report> {
    let reports = paths.iter().map(|path| files::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let report = merge(&reports)?;
    if let Some(path) = out {
        files::write(&report, path)?;
    }
    show(report, None)
}

fn compared(a: &Path, b: &Path) -> anyhow::Result<()> {
    print(&diff(&files::read(a)?, &files::read(b)?)?)
}

/// Prints a text; whoever does not want to read all of it need not.
fn print(text: &str) -> anyhow::Result<()> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print the result"),
        _ => Ok(()),
    }
}

/// Whether this program measures right.
fn self_test(out: Option<&Path>) -> anyhow::Result<ExitCode> {
    cli::raise_descriptor_limit(self_test::CONNECTIONS)?;
    let result = self_test::run()?;
    if let Some(path) = out {
        files::write(&result, path)?;
    }
    print!("{}", self_test::table(&result));
    Ok(match result.verdict() {
        Verdict::Ok => ExitCode::SUCCESS,
        Verdict::Invalid => ExitCode::from(INVALID),
        Verdict::Failed => ExitCode::FAILURE,
    })
}
