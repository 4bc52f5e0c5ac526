//! The options of a run.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use herd::protocol::text::Name;
use humantime::Duration;
use loadgen::hlog::IntervalLog;
use loadgen::plan::{Shard, Sources, Whole};
use loadgen::series::Series;
use loadgen::slo::Slo;

use crate::metrics::Address;

use super::values::{Percent, RateRange, SpacingOption, observer_name};

const CLIENTS: &str = "Clients";
const PACE: &str = "Pace";
const SAYINGS: &str = "What clients say";
const CHECKS: &str = "Checks";
const RESULTS: &str = "Results";

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The herd file [default: the five servers of the assignment on 127.0.0.1].
    #[arg(long, env = "HERD_FILE", value_name = "FILE")]
    pub(super) herd: Option<PathBuf>,
    /// A file of options in TOML, such as `clients = 1000`: a key is the name of an option, and
    /// what the command line says as well counts more.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Simulated clients, each with a connection of its own, dealt out to the servers in turn.
    #[arg(long, help_heading = CLIENTS, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) clients: u32,
    /// Connections that are opened per second before the run starts [default: as fast as can be].
    #[arg(long, help_heading = CLIENTS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connect_rate: Option<u32>,
    /// Addresses to connect from, such as 127.1.0.0/16: one address has no more ports than 64 k
    /// for each server [default: the system's choice].
    #[arg(long, help_heading = CLIENTS, value_name = "NETWORK")]
    pub(super) source: Option<Sources>,
    /// How long clients stay with a server, on average, before they leave it for another one and
    /// report there (open loop) [default: for ever].
    #[arg(long, help_heading = CLIENTS, value_name = "TIME", conflicts_with = "closed")]
    pub(super) roam: Option<Duration>,
    /// How long a reply may take before its connection is given up.
    #[arg(long, help_heading = CLIENTS, default_value = "10s", value_name = "TIME")]
    pub(super) timeout: Duration,
    /// What everything random follows from.
    #[arg(long, help_heading = CLIENTS, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// Simulate every N-th client only, from the K-th on: N runs, on several machines, are one, and
    /// `loadgen merge` puts their results together. --clients and --rate are those of all.
    #[arg(long, help_heading = CLIENTS, default_value = "1/1", value_name = "K/N")]
    pub(super) shard: Shard,
    /// Threads that clients are spread over.
    #[arg(long, help_heading = CLIENTS, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: u16,
    /// How long is measured [default: 10s, or as long as the rate changes].
    #[arg(long, help_heading = PACE, value_name = "TIME")]
    pub(super) duration: Option<Duration>,
    /// How long commands are sent before that without being measured.
    #[arg(long, help_heading = PACE, default_value = "2s", value_name = "TIME")]
    pub(super) warm_up: Duration,
    /// Commands per second of all clients together (open loop), such as 5000, or 1000..50000 for a
    /// rate that changes [default: one per client].
    #[arg(long, help_heading = PACE, value_name = "R", conflicts_with_all = ["interval", "closed"])]
    pub(super) rate: Option<RateRange>,
    /// How long a rate that changes takes for that, from the end of the warm-up on [default: all
    /// the measured time].
    #[arg(long, help_heading = PACE, value_name = "TIME", requires = "rate")]
    pub(super) over: Option<Duration>,
    /// Looks for the highest rate at which an objective is met, such as iamat.response.p99<5ms:
    /// measures for --duration at --rate, then at others, until the answer is within 5 %.
    #[arg(long, help_heading = PACE, value_name = "EXPR", conflicts_with_all = ["closed", "interval", "over", "ndjson", "hlog"])]
    pub(crate) find_max: Option<Slo>,
    /// Time between two commands of a client (open loop) [default: 1s].
    #[arg(long, help_heading = PACE, value_name = "TIME", conflicts_with = "closed")]
    pub(super) interval: Option<Duration>,
    /// How evenly a client sends (open loop).
    #[arg(long, help_heading = PACE, default_value = "fixed", value_name = "HOW", conflicts_with = "closed")]
    pub(super) spacing: SpacingOption,
    /// Send as fast as replies come (closed loop), for the highest throughput: response times
    /// then hide what clients would have waited.
    #[arg(long, help_heading = PACE)]
    pub(super) closed: bool,
    /// Commands of a client under way at a time, with --closed.
    #[arg(long, help_heading = PACE, default_value_t = 1, value_name = "P", requires = "closed", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) pipeline: u16,
    /// The share of WHATSATs among the commands.
    #[arg(long, help_heading = SAYINGS, default_value = "1%", value_name = "PERCENT")]
    pub(super) whatsat: Percent,
    /// The share of WHATSATs that ask about clients that do not exist.
    #[arg(long, help_heading = SAYINGS, default_value = "1%", value_name = "PERCENT")]
    pub(super) unknown: Percent,
    /// The share of the other WHATSATs that clients ask about themselves, not others.
    #[arg(long, help_heading = SAYINGS, default_value = "30%", value_name = "PERCENT")]
    pub(super) about_itself: Percent,
    /// Kilometres that WHATSATs ask for, or a range of them, 0 to 50.
    #[arg(long, help_heading = SAYINGS, default_value = "1..50", value_name = "KM")]
    pub(super) radius: Whole,
    /// Results that WHATSATs ask for at most, or a range of them, 0 to 20.
    #[arg(long, help_heading = SAYINGS, default_value = "0..20", value_name = "N")]
    pub(super) bound: Whole,
    /// The share of lines that are no commands among all that clients send.
    #[arg(long, help_heading = SAYINGS, default_value = "0%", value_name = "PERCENT")]
    pub(super) garbage: Percent,
    /// Time between two writes of the propagation probe.
    #[arg(long, help_heading = CHECKS, default_value = "20ms", value_name = "TIME")]
    pub(super) probe_interval: Duration,
    /// Watch the probe's writes also as an observer of this name, to which every server pushes
    /// all updates: the servers' herd file must have observers = ["NAME"].
    #[arg(long, help_heading = CHECKS, value_name = "NAME", conflicts_with = "no_probe", value_parser = observer_name)]
    pub(super) tap: Option<Name>,
    /// Let the tap alone watch the probe's writes: no server is asked for them, so no question is
    /// in the way of what they push.
    #[arg(long, requires = "tap")]
    pub(super) no_ask: bool,
    /// No propagation probe.
    #[arg(long, help_heading = CHECKS)]
    pub(super) no_probe: bool,
    /// Do not ask every server about every client at the end.
    #[arg(long, help_heading = CHECKS)]
    pub(super) no_verify: bool,
    /// How far clocks of servers may be off from this machine's [default: 1ms on loopback, else
    /// 1s].
    #[arg(long, help_heading = CHECKS, value_name = "TIME")]
    pub(super) max_skew: Option<Duration>,
    /// How late commands may be sent, by the 99th percentile, for the run to be valid.
    #[arg(long, help_heading = CHECKS, default_value = "10ms", value_name = "TIME")]
    pub(super) max_lag: Duration,
    /// An objective, such as iamat.response.p99<5ms: OPERATION.response|service|lag.pN<TIME.
    /// Missing one makes the exit code 99. May be given more than once.
    #[arg(long, help_heading = CHECKS, value_name = "EXPR")]
    pub(crate) slo: Vec<Slo>,
    /// Where the result goes, as JSON.
    #[arg(long, help_heading = RESULTS, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where the run goes second by second, as NDJSON: replies, failures and wrong answers since
    /// the line before, and percentiles of response, send lag and propagation in microseconds.
    #[arg(long, help_heading = RESULTS, value_name = "FILE")]
    ndjson: Option<PathBuf>,
    /// Where response times go second by second, as an HdrHistogram log.
    #[arg(long, help_heading = RESULTS, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// Serve figures for Prometheus while the run is under way, as /metrics: a port of loopback, or
    /// HOST:PORT; port 0 takes a free one, which is printed.
    #[arg(long, help_heading = RESULTS, value_name = "ADDRESS")]
    pub(crate) metrics: Option<Address>,
    /// A line each second instead of the live view, as where standard error is no terminal.
    #[arg(long, help_heading = RESULTS)]
    pub(crate) plain: bool,
    /// A folder for the percentiles of each histogram (.hgrm).
    #[arg(long, help_heading = RESULTS, value_name = "DIR")]
    pub(crate) hgrm: Option<PathBuf>,
}

impl Run {
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
}
