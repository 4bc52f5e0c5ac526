//! The `experiments` program: wiring only.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use experiments::demo::{self, DemoOptions};

/// Runs the herd under load and reports what it measured.
#[derive(Debug, Parser)]
#[command(name = "experiments", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The first look: five servers, simulated clients, and whether all of it was right.
    /// Exits with 0 only if it was.
    Demo {
        /// Simulated clients.
        #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        clients: u32,
        /// How long is measured.
        #[arg(long, default_value = "10s", value_name = "TIME")]
        duration: humantime::Duration,
        /// Leave the herd up, and say how to talk to it and how to stop it.
        #[arg(long)]
        keep: bool,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Command::Demo { clients, duration, keep } = Cli::parse().command;
    match demo::run(&DemoOptions { clients, duration, keep }).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("experiments: {error:#}");
            ExitCode::FAILURE
        }
    }
}
