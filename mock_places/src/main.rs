//! The `mock_places` program: a stand-in for the Places Nearby Search API.

mod command_line;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use command_line::CommandLine;
use mock_places::MockPlaces;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    // Ends with 2 by itself if the usage is wrong.
    match run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mock_places: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command_line: CommandLine) -> anyhow::Result<()> {
    let options = command_line.options()?;
    // wiremock stops accepting for good where a connection finds no free file descriptor. Where the
    // limit cannot be raised the stub still serves fewer connections.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start; free some file descriptors")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let places = MockPlaces::start(options).await?;
        writeln!(std::io::stdout(), "ready mock_places http={}", places.url())
            .context("cannot write to standard output; keep it open")?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
