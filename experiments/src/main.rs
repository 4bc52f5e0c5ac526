//! The `experiments` program: wiring only.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use experiments::demo::{self, DemoOptions};
use experiments::experiment::{Experiment, Surroundings};
use experiments::programs::Programs;
use experiments::redis::{self, RedisLoadOptions};
use experiments::{byte_relay, null_responder};

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
    /// One experiment, or all, by the designs in experiments/*.toml. What is found goes to a new
    /// folder in runs/. Exits with 0 only if what the design asks for holds.
    Run {
        /// Which one.
        name: Which,
        /// A small version of it, in minutes.
        #[arg(long)]
        quick: bool,
    },
    /// A server that does next to nothing, to measure the load generator with. It says `ready` and
    /// where it listens, and ends with its input.
    #[command(hide = true)]
    NullResponder {
        /// Where it is to listen.
        address: SocketAddr,
        /// The server that it is in the load generator's herd file.
        #[arg(long, default_value = "Clark")]
        name: String,
    },
    /// One of the processes in a row that pass bytes on. It says `ready` and where it listens.
    #[command(hide = true)]
    ByteRelay {
        /// Where it is to listen.
        address: SocketAddr,
        /// Where the next one is.
        #[arg(long)]
        next: Option<SocketAddr>,
    },
    /// Loads Redis as the load generator loads a herd, and says what it has found as JSON.
    #[command(hide = true)]
    RedisLoad(RedisLoadOptions),
}

/// An experiment, or all of them.
#[derive(Debug, Clone, Copy)]
struct Which(Option<Experiment>);

impl ValueEnum for Which {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [Which; Experiment::ALL.len() + 1] = {
            let mut all = [Which(None); Experiment::ALL.len() + 1];
            let mut place = 0;
            while place < Experiment::ALL.len() {
                all[place] = Which(Some(Experiment::ALL[place]));
                place += 1;
            }
            all
        };
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        self.0.map_or_else(|| Some("all".into()), |experiment| experiment.to_possible_value())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo { clients, duration, keep } => demo::run(&DemoOptions { clients, duration, keep }).await,
        Command::Run { name, quick } => run(name, quick).await,
        // These have threads and event loops of their own; nothing else runs on this one.
        Command::NullResponder { address, name } => null_responder::program(address, &name).map(|()| true),
        Command::ByteRelay { address, next } => byte_relay::program(address, next).map(|()| true),
        Command::RedisLoad(options) => redis::program(&options).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("experiments: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Which(name): Which, quick: bool) -> anyhow::Result<bool> {
    let surroundings = Surroundings { programs: Programs::build()?, quick };
    let mut all_hold = true;
    for experiment in name.map_or(Experiment::ALL.to_vec(), |experiment| vec![experiment]) {
        all_hold &= experiment.run(&surroundings).await?;
    }
    Ok(all_hold)
}
