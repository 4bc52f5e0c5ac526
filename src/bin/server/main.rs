//! The `server` program: wiring only.

mod all;
mod certs;
mod check;
mod cli;
mod lifeline;
mod start;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use self::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Whoever reads our standard error slowly, or not at all, does not hold us up.
    let (stderr, _flushed_at_the_end) = tracing_appender::non_blocking(std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false).init();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match (&cli.command, &cli.run.name) {
        (Some(Command::Check { herd }), _) => check::run(herd.as_deref()),
        (Some(Command::Certs(options)), _) => certs::run(options),
        (Some(Command::Completions { shell }), _) => {
            clap_complete::generate(*shell, &mut Cli::command(), "server", &mut std::io::stdout());
            Ok(())
        }
        (Some(Command::Man), _) => Ok(clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?),
        (None, Some(name)) => start::run(name, &cli.run),
        (None, None) => all::run(&cli.run),
    }
}
