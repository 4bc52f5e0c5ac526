//! The command line. Its texts are what `--help` prints.

mod plan;
mod run;
mod scenario;
mod values;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use self::plan::{raise_descriptor_limit, run_name};
pub(crate) use self::run::Run;
pub(crate) use self::scenario::arguments;

/// Simulates mobile clients of a herd: each reports its place on a schedule of its own, every
/// reply is checked, and latencies count from when a command was due.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, args_conflicts_with_subcommands = true, args_override_self = true)]
#[command(after_help = "Exit codes: 0 fine, 1 set-up failed, 2 usage, 3 wrong answers or lost updates, \
    4 this program could not keep up (the result is invalid), 99 an objective was missed; the first that applies. \
    130: the run was left before there was a result.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints a stored result; the exit code is that of its run.
    Report {
        /// A result, as --out wrote it.
        file: PathBuf,
        /// A folder for the percentiles of each histogram (.hgrm).
        #[arg(long, value_name = "DIR")]
        hgrm: Option<PathBuf>,
    },
    /// Compares two results: percentiles with 95 % confidence intervals, and their ratios.
    Diff {
        /// A result.
        a: PathBuf,
        /// Another one.
        b: PathBuf,
    },
    /// Puts the results of shards, or of several runs of one plan, together without loss, and prints
    /// what comes of it; the exit code is that of a run that has seen all of it.
    Merge {
        /// Results.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where the result goes, as JSON.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Measures servers of known behaviour on loopback, which takes some fifteen seconds, and compares:
    /// delays, a stall, replies that never come, lost updates, wrong answers. Exit codes: 0 all is
    /// measured right, 1 something is not, 4 the machine was too busy to tell.
    SelfTest {
        /// Where the result goes, as JSON; times are in nanoseconds.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}
