//! What a run has shown, as JSON of a stated version and as a table for people.

mod diff;
mod generator;
mod merge;
mod plan;
mod steps;
mod table;
mod tap;

use std::time::Duration;

use hdrhistogram::Histogram;
use humantime::format_rfc3339_millis;
use serde::{Deserialize, Serialize};

pub use self::diff::diff;
pub use self::generator::GeneratorReport;
pub use self::merge::{MergeError, merge};
pub use self::plan::{PlanReport, RampReport};
pub use self::steps::StepReport;
pub use self::table::{table, time};
pub use self::tap::{TapLinkReport, TapReport};
use crate::measure::{Latencies, histogram};
use crate::plan::Plan;
use crate::probe::Propagation;
use crate::run::Outcome;
use crate::slo::{Slo, SloResult};
use crate::stored::{NotAHistogram, decode, encode};

/// The version of the JSON: it changes when a field changes its meaning or goes away.
pub const VERSION: u32 = 1;

/// A run's result. All times are in microseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Always `herd-loadgen`.
    pub format: String,
    /// See [`VERSION`].
    pub version: u32,
    /// When the run started.
    pub started: String,
    /// What was asked for.
    pub plan: PlanReport,
    /// Operations that were due within the measured time.
    pub iamat: OperationReport,
    /// Likewise.
    pub whatsat: OperationReport,
    /// Lines that were due within the measured time and are no commands.
    #[serde(default)]
    pub invalid: OperationReport,
    /// All operations of the run.
    pub counts: CountsReport,
    /// How old what stale answers lacked was.
    pub stale: Summary,
    /// From when clients left a server until another one acknowledged them.
    #[serde(default)]
    pub handover: Summary,
    /// Where the rate changed: the measured time in parts.
    #[serde(default)]
    pub steps: Vec<StepReport>,
    /// What the propagation probe has seen.
    pub propagation: Option<PropagationReport>,
    /// Whether this program kept up.
    pub generator: GeneratorReport,
    /// The objectives and how they were met.
    pub slos: Vec<SloReport>,
    /// The first wrong answers, a sentence each.
    pub wrong: Vec<String>,
}

/// Latencies of one kind of operation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OperationReport {
    /// Replies per second of measured time.
    pub per_second: f64,
    /// From when it was due until its reply.
    pub response: Summary,
    /// From when it was written until its reply.
    pub service: Summary,
    /// From when it was due until it was written.
    pub lag: Summary,
    /// Operations without a reply in time.
    pub timeouts: u64,
}

/// A histogram in a few numbers, in microseconds, and whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Values in it.
    pub count: u64,
    /// The smallest.
    pub min: f64,
    /// Their mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// 90 % are no larger.
    pub p90: f64,
    /// 99 % are no larger.
    pub p99: f64,
    /// 99.9 % are no larger.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
    /// All of it, in nanoseconds: see [`crate::stored`]. Empty where there are no values.
    #[serde(default)]
    pub histogram: String,
}

/// Counts of the whole run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct CountsReport {
    /// Commands sent.
    pub sent: u64,
    /// Replies read and judged.
    pub answered: u64,
    /// Updates acknowledged.
    pub acknowledged: u64,
    /// Commands without a reply, or without a connection to send them on.
    pub failed: u64,
    /// Wrong replies.
    pub wrong: u64,
    /// Stale answers; they are not wrong.
    pub stale: u64,
    /// Answers at the end, by server and client, that lacked an acknowledged update.
    pub lost: u64,
    /// Updates that may have died with the only server that held them.
    pub died: u64,
    /// Clients, by server, that the server could not be asked about at the end.
    pub unverified: u64,
}

/// What the propagation probe has seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PropagationReport {
    /// Updates written.
    pub writes: u64,
    /// Observations of an update missing after 5 s.
    pub lost: u64,
    /// Observations cut short by broken connections.
    pub broken: u64,
    /// Replies that nobody had asked for.
    pub unexpected: u64,
    /// How long the questions took that showed the update: latencies are at most that too long.
    pub resolution: Summary,
    /// Latencies by the number of links on the way.
    pub by_hops: Vec<HopsReport>,
    /// Latencies of each pair of servers.
    pub pairs: Vec<PairReport>,
    /// What a tap has seen of the same updates; absent without one.
    #[serde(default)]
    pub tap: Option<TapReport>,
}

/// Latencies over a number of links.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HopsReport {
    /// Links on the shortest way.
    pub hops: usize,
    /// From the write to the reply, or at a tap the AT line, that shows it.
    pub latency: Summary,
}

impl HopsReport {
    /// The way in words.
    fn way(&self) -> String {
        match self.hops {
            0 => "by the origin".into(),
            1 => "over 1 link".into(),
            hops => format!("over {hops} links"),
        }
    }
}

/// Latencies from one server to another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PairReport {
    /// Where it was written.
    pub origin: String,
    /// Where it was seen.
    pub observer: String,
    /// Links on the shortest way.
    pub hops: usize,
    /// Updates that were not seen within 5 s.
    pub lost: u64,
    /// From the write to the reply, or at a tap the AT line, that shows it.
    pub latency: Summary,
}

/// An objective and how it was met.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SloReport {
    /// As it was given.
    pub slo: String,
    /// What was measured, in microseconds; absent without an operation.
    pub measured: Option<f64>,
    /// Whether it was met.
    pub met: bool,
}

impl Report {
    /// The report of a run.
    #[must_use]
    pub fn new(outcome: &Outcome, slos: &[Slo]) -> Self {
        let Outcome { plan, started, record, propagation, cpu } = outcome;
        let counts = record.counts;
        Self {
            format: "herd-loadgen".into(),
            version: VERSION,
            started: format_rfc3339_millis(*started).to_string(),
            plan: PlanReport::new(plan),
            iamat: OperationReport::new(&record.iamat, plan.duration),
            whatsat: OperationReport::new(&record.whatsat, plan.duration),
            invalid: OperationReport::new(&record.invalid, plan.duration),
            counts: CountsReport {
                sent: counts.sent,
                answered: counts.answered,
                acknowledged: counts.acknowledged,
                failed: counts.failed,
                wrong: counts.wrong,
                stale: record.stale.len(),
                lost: counts.lost,
                died: counts.died,
                unverified: counts.unverified,
            },
            stale: Summary::new(&record.stale),
            handover: Summary::new(&record.handover),
            steps: steps::steps(&record.steps, plan),
            propagation: propagation.as_ref().map(|propagation| PropagationReport::new(propagation, plan)),
            generator: GeneratorReport::new(record, *cpu, plan),
            slos: slos.iter().map(|slo| slo.judge(record).into()).collect(),
            wrong: record.wrong.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether no answer was wrong and no update lost.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let probe = self.propagation.as_ref().map_or(0, |probe| probe.lost + probe.unexpected);
        self.counts.wrong + probe + self.tap().map_or(0, |tap| tap.lost) == 0
    }

    /// What a tap has seen, if there was one.
    #[must_use]
    pub fn tap(&self) -> Option<&TapReport> {
        self.propagation.as_ref()?.tap.as_ref()
    }
}

impl OperationReport {
    fn new(latencies: &Latencies, duration: Duration) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let per_second = latencies.service.len() as f64 / duration.as_secs_f64();
        Self {
            per_second,
            response: Summary::new(&latencies.response),
            service: Summary::new(&latencies.service),
            lag: Summary::new(&latencies.lag),
            timeouts: latencies.timeouts,
        }
    }
}

impl Summary {
    /// A histogram of nanoseconds in a few numbers.
    #[must_use]
    pub fn new(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |percentile| micros(histogram.value_at_percentile(percentile));
        Self {
            count: histogram.len(),
            min: micros(histogram.min()),
            mean: histogram.mean() / 1000.0,
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p99_9: at(99.9),
            max: micros(histogram.max()),
            histogram: encode(histogram),
        }
    }

    /// The whole histogram, in nanoseconds.
    ///
    /// # Errors
    /// If it is not stored, or not readable.
    pub fn histogram(&self) -> Result<Histogram<u64>, NotAHistogram> {
        if self.count == 0 { Ok(histogram()) } else { decode(&self.histogram) }
    }
}

fn micros(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64() * 1e6
}

impl PropagationReport {
    fn new(seen: &Propagation, plan: &Plan) -> Self {
        let mut pairs = pairs(&seen.latency, &seen.lost, plan);
        pairs.retain(|pair| pair.origin != pair.observer);
        Self {
            writes: seen.writes,
            lost: seen.lost.iter().flatten().sum(),
            broken: seen.broken,
            unexpected: seen.unexpected,
            resolution: Summary::new(&seen.resolution),
            by_hops: by_hops(&pairs).expect("what was just stored is readable"),
            pairs,
            tap: seen.tap.as_ref().map(|tap| TapReport::new(tap, plan)),
        }
    }
}

/// Every pair of an origin and an observer, the same server twice among them.
fn pairs(latency: &[Vec<Histogram<u64>>], lost: &[Vec<u64>], plan: &Plan) -> Vec<PairReport> {
    let servers = 0..plan.servers.len();
    let pairs = servers.clone().flat_map(|origin| servers.clone().map(move |observer| (origin, observer)));
    let pair = |(origin, observer): (usize, usize)| PairReport {
        origin: plan.servers[origin].name.clone(),
        observer: plan.servers[observer].name.clone(),
        hops: plan.hops[origin][observer],
        lost: lost[origin][observer],
        latency: Summary::new(&latency[origin][observer]),
    };
    pairs.map(pair).collect()
}

/// The latencies of pairs, put together by the number of links between them.
fn by_hops(pairs: &[PairReport]) -> Result<Vec<HopsReport>, NotAHistogram> {
    let mut distances: Vec<usize> = pairs.iter().map(|pair| pair.hops).collect();
    distances.sort_unstable();
    distances.dedup();
    let over = |hops| {
        let latency = sum(pairs.iter().filter(|pair| pair.hops == hops).map(|pair| &pair.latency))?;
        Ok(HopsReport { hops, latency })
    };
    distances.into_iter().map(over).collect()
}

/// Several histograms as one.
fn sum<'s>(parts: impl Iterator<Item = &'s Summary>) -> Result<Summary, NotAHistogram> {
    let mut all = histogram();
    for part in parts {
        all.add(&part.histogram()?).expect("all histograms have the same bounds");
    }
    Ok(Summary::new(&all))
}

impl From<SloResult> for SloReport {
    fn from(result: SloResult) -> Self {
        let measured = result.measured.map(|measured| measured.as_secs_f64() * 1e6);
        Self { slo: result.slo, measured, met: result.met }
    }
}
