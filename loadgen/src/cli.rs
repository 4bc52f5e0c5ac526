//! The command line. Its texts are what `--help` prints.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use herd::config::{self, Herd};
use humantime::Duration;
use loadgen::hlog::IntervalLog;
use loadgen::plan::{Pace, Plan, Shard, Target};
use loadgen::series::Series;
use loadgen::slo::Slo;

use crate::metrics::Address;

/// Descriptors besides those of clients.
const OTHER_DESCRIPTORS: u64 = 64;

/// Simulates mobile clients of a herd: each reports its place on a schedule of its own, every
/// reply is checked, and latencies count from when a command was due.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, args_conflicts_with_subcommands = true)]
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
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Simulated clients, each with a connection of its own, dealt out to the servers in turn.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,
    /// The herd file [default: the five servers of the assignment on 127.0.0.1].
    #[arg(long, env = "HERD_FILE", value_name = "FILE")]
    herd: Option<PathBuf>,
    /// How long is measured.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    duration: Duration,
    /// How long commands are sent before that without being measured.
    #[arg(long, default_value = "2s", value_name = "TIME")]
    warm_up: Duration,
    /// Commands per second of all clients together (open loop) [default: one per client].
    #[arg(long, value_name = "R", conflicts_with_all = ["interval", "closed"])]
    rate: Option<f64>,
    /// Time between two commands of a client (open loop) [default: 1s].
    #[arg(long, value_name = "TIME", conflicts_with = "closed")]
    interval: Option<Duration>,
    /// Send as fast as replies come (closed loop), for the highest throughput: response times
    /// then hide what clients would have waited.
    #[arg(long)]
    closed: bool,
    /// Commands of a client under way at a time, with --closed.
    #[arg(long, default_value_t = 1, value_name = "P", requires = "closed", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pipeline: u16,
    /// The share of WHATSATs among the commands.
    #[arg(long, default_value = "1%", value_name = "PERCENT")]
    whatsat: Percent,
    /// The share of WHATSATs that ask about clients that do not exist.
    #[arg(long, default_value = "1%", value_name = "PERCENT")]
    unknown: Percent,
    /// How long a reply may take before its connection is given up.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    timeout: Duration,
    /// What everything random follows from.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Simulate every N-th client only, from the K-th on: N runs, on several machines, are one, and
    /// `loadgen merge` puts their results together. --clients and --rate are those of all.
    #[arg(long, default_value = "1/1", value_name = "K/N")]
    shard: Shard,
    /// Threads that clients are spread over.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Time between two writes of the propagation probe.
    #[arg(long, default_value = "20ms", value_name = "TIME")]
    probe_interval: Duration,
    /// No propagation probe.
    #[arg(long)]
    no_probe: bool,
    /// Do not ask every server about every client at the end.
    #[arg(long)]
    no_verify: bool,
    /// How far clocks of servers may be off from this machine's [default: 1ms on loopback, else
    /// 1s].
    #[arg(long, value_name = "TIME")]
    max_skew: Option<Duration>,
    /// How late commands may be sent, by the 99th percentile, for the run to be valid.
    #[arg(long, default_value = "10ms", value_name = "TIME")]
    max_lag: Duration,
    /// Where the result goes, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where the run goes second by second, as NDJSON: replies, failures and wrong answers since
    /// the line before, and percentiles of response, send lag and propagation in microseconds.
    #[arg(long, value_name = "FILE")]
    ndjson: Option<PathBuf>,
    /// Where response times go second by second, as an HdrHistogram log.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// A folder for the percentiles of each histogram (.hgrm).
    #[arg(long, value_name = "DIR")]
    pub(crate) hgrm: Option<PathBuf>,
    /// Serve figures for Prometheus while the run is under way, as /metrics: a port of loopback, or
    /// HOST:PORT; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<Address>,
    /// A line each second instead of the live view, as where standard error is no terminal.
    #[arg(long)]
    pub(crate) plain: bool,
    /// An objective, such as iamat.response.p99<5ms: OPERATION.response|service|lag.pN<TIME.
    /// Missing one makes the exit code 99. May be given more than once.
    #[arg(long, value_name = "EXPR")]
    pub(crate) slo: Vec<Slo>,
}

/// A share, written like `1%` or `0.5%`.
#[derive(Debug, Clone, Copy)]
struct Percent(f64);

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
        let share = number.map(|number| number / 100.0).filter(|share| (0.0..=1.0).contains(share));
        share.map(Self).ok_or_else(|| "must be between 0% and 100%, such as 1% or 0.5%".into())
    }
}

impl Run {
    /// The plan that the options describe.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let herd = self.herd.as_deref().map(Herd::read).transpose()?.unwrap_or_else(Herd::built_in);
        let topology = herd.topology();
        let hops = |server| topology.hops(server, &[]).into_iter().map(Option::unwrap_or_default).collect();
        let servers = herd
            .servers()
            .iter()
            .map(|server| Ok(Target { name: server.name.to_string(), address: resolve(&server.clients)? }))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let on_loopback = servers.iter().all(|server| server.address.ip().is_loopback());
        let max_skew =
            if on_loopback { std::time::Duration::from_millis(1) } else { std::time::Duration::from_secs(1) };
        let all_clients = self.clients as usize;
        let mut plan = Plan {
            hops: (0..servers.len()).map(hops).collect(),
            servers,
            clients: all_clients,
            shard: self.shard,
            pace: self.pace()?,
            whatsat: self.whatsat.0,
            unknown: self.unknown.0,
            warm_up: self.warm_up.into(),
            duration: self.duration.into(),
            timeout: self.timeout.into(),
            seed: self.seed,
            threads: usize::from(self.threads),
            max_skew: self.max_skew.map_or(max_skew, Into::into),
            max_lag: self.max_lag.into(),
            probe: (!self.no_probe && self.shard.is_first() && herd.servers().len() > 1)
                .then(|| self.probe_interval.into()),
            verify: !self.no_verify,
            run: run_name(),
        };
        let own_clients = plan.own_clients().count();
        if own_clients == 0 {
            bail!("shard {} of {all_clients} clients has none: simulate more, or use fewer shards", self.shard);
        }
        plan.threads = plan.threads.min(own_clients);
        Ok(plan)
    }

    /// The log of response times that is asked for.
    pub(crate) fn interval_log(&self) -> anyhow::Result<Option<IntervalLog>> {
        let Some(path) = &self.hlog else { return Ok(None) };
        IntervalLog::create(path).map(Some).with_context(|| format!("cannot write the log to {}", path.display()))
    }

    /// The series that is asked for.
    pub(crate) fn series(&self) -> anyhow::Result<Option<Series>> {
        let Some(path) = &self.ndjson else { return Ok(None) };
        let series = Series::create(path);
        series.map(Some).with_context(|| format!("cannot write the series to {}", path.display()))
    }

    fn pace(&self) -> anyhow::Result<Pace> {
        if self.closed {
            return Ok(Pace::Closed { pipeline: self.pipeline.into() });
        }
        let interval = match self.rate {
            Some(rate) if rate > 0.0 && rate.is_finite() => {
                std::time::Duration::try_from_secs_f64(f64::from(self.clients) / rate)?
            }
            Some(_) => bail!("--rate must be above 0"),
            None => self.interval.map_or(std::time::Duration::from_secs(1), Into::into),
        };
        if interval.is_zero() {
            bail!("--interval must be above 0");
        }
        Ok(Pace::Open { interval })
    }
}

fn resolve(address: &config::Address) -> anyhow::Result<SocketAddr> {
    let mut resolved =
        (address.host(), address.port()).to_socket_addrs().with_context(|| format!("cannot resolve {address}"))?;
    resolved.next().with_context(|| format!("{address} has no address"))
}

/// A part of clients' names that no other run has.
fn run_name() -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("r{:x}", now.as_nanos() & 0xffff_ffff_ffff)
}

/// Makes sure that all clients can have a connection.
pub(crate) fn raise_descriptor_limit(clients: usize) -> anyhow::Result<()> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).context("cannot read the limit of open files")?;
    let needed = clients as u64 + OTHER_DESCRIPTORS;
    if limit < needed {
        bail!(
            "{clients} clients need {needed} open files and the limit is {limit}: raise it (ulimit -n), or simulate fewer clients"
        );
    }
    Ok(())
}
