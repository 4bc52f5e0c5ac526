//! What the view shows, gathered from looks at the run.

use std::collections::VecDeque;
use std::time::Duration;

use hdrhistogram::Histogram;
use loadgen::live::{Glance, Sights};
use loadgen::measure::histogram;
use loadgen::plan::{Pace, Plan, Rate};
use loadgen::series::Phase;
use loadgen::watch::Moment;

use super::history::{History, Look};

/// Seconds that the propagation grid is about: the probe sees little in one.
const GRID_SECONDS: usize = 5;

/// All that is shown.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) facts: Facts,
    pub(super) moment: Moment,
    pub(super) history: History,
    /// Of the last second.
    pub(super) percentiles: Vec<Percentiles>,
    /// Of what came while the run measured.
    pub(super) so_far: Vec<Percentiles>,
    pub(super) servers: Vec<Server>,
    /// By origin and observer, of the last seconds; empty without a probe.
    pub(super) grid: Vec<Vec<Sight>>,
    pub(super) trouble: Trouble,
    pub(super) generator: Generator,
    /// Whether somebody wants the run to end.
    pub(super) ending: bool,
    /// What came while the run measured.
    measured: Times,
    /// What the probe has seen in each of the last seconds.
    sights: VecDeque<Sights>,
}

/// Histograms of nanoseconds that percentiles are shown of.
#[derive(Debug)]
struct Times {
    iamat: Histogram<u64>,
    whatsat: Histogram<u64>,
    seen: Histogram<u64>,
    lag: Histogram<u64>,
}

/// What does not change.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) headline: String,
    pub(super) warm_up: Duration,
    pub(super) end: Duration,
    pub(super) max_lag: Duration,
    probe: bool,
}

/// A histogram in a few numbers of nanoseconds; `None` where it is empty.
#[derive(Debug, Clone)]
pub(super) struct Percentiles {
    pub(super) name: &'static str,
    /// How many values there were.
    pub(super) count: u64,
    /// 50, 90, 99 and 99.9 %, and the largest.
    pub(super) at: Option<[u64; 5]>,
}

/// A server; times are nanoseconds from the write of a command to its reply.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    pub(super) name: String,
    /// In the last second.
    pub(super) replies: u64,
    pub(super) p50: Option<u64>,
    pub(super) p99: Option<u64>,
    /// So far.
    pub(super) failed: u64,
    pub(super) wrong: u64,
}

/// What one server showed of another's updates in the last seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    /// In nanoseconds.
    pub(super) p50: Option<u64>,
    pub(super) lost: u64,
}

/// What went wrong so far.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) failed: u64,
    pub(super) timeouts: u64,
    pub(super) wrong: u64,
    pub(super) lost: u64,
    pub(super) stale: u64,
    /// Updates of the probe, by observer, that were not seen in time.
    pub(super) unseen: u64,
    /// The last wrong answer.
    pub(super) sentence: Option<String>,
}

/// How this program does, in the last second.
#[derive(Debug, Default)]
pub(super) struct Generator {
    /// The 99th percentile of how late commands were written, in nanoseconds.
    pub(super) lag: Option<u64>,
    pub(super) offered: u64,
    pub(super) answered: u64,
    /// Processor time per time: 1 is one core.
    pub(super) cpu: f64,
    pub(super) connected: u64,
}

impl Figures {
    pub(super) fn new(plan: &Plan) -> Self {
        let server = |target: &loadgen::plan::Target| Server { name: target.name.clone(), ..Server::default() };
        let facts = Facts::new(plan);
        Self {
            moment: Moment { elapsed: Duration::ZERO, phase: Phase::at(Duration::ZERO, plan.warm_up, plan.duration) },
            history: History::new(facts.end),
            percentiles: Times::default().percentiles(facts.probe),
            so_far: Times::default().percentiles(facts.probe),
            servers: plan.servers.iter().map(server).collect(),
            grid: Vec::new(),
            trouble: Trouble::default(),
            generator: Generator::default(),
            ending: false,
            measured: Times::default(),
            sights: VecDeque::new(),
            facts,
        }
    }

    /// Takes in what came since the last look.
    pub(super) fn look(&mut self, moment: Moment, glance: &Glance) {
        self.moment = moment;
        self.history.push(Look::new(moment.phase, glance));
        self.generator.connected = glance.connected;
        for (server, now) in self.servers.iter_mut().zip(&glance.recent.servers) {
            server.failed += now.failed;
            server.wrong += now.wrong;
            self.trouble.timeouts += now.timeouts;
            self.trouble.stale += now.stale;
        }
        self.trouble.failed = glance.failed;
        self.trouble.wrong = glance.wrong - glance.lost;
        self.trouble.lost = glance.lost;
        self.trouble.unseen += glance.sights.lost();
        if let Some(sentence) = &glance.recent.wrong {
            self.trouble.sentence = Some(sentence.clone());
        }
    }

    /// Takes in what came since the last second.
    pub(super) fn second(&mut self, phase: Phase, glance: Glance) {
        let times = Times::from(&glance);
        self.percentiles = times.percentiles(self.facts.probe);
        if phase == Phase::Measure {
            self.measured.add(&times);
            self.so_far = self.measured.percentiles(self.facts.probe);
        }
        for (server, now) in self.servers.iter_mut().zip(&glance.recent.servers) {
            let service = now.service();
            server.replies = now.replies();
            (server.p50, server.p99) = (at(&service, 50.0), at(&service, 99.0));
        }
        self.generator.lag = at(&glance.recent.lags(), 99.0);
        (self.generator.offered, self.generator.answered) = (glance.offered, glance.answered);
        self.generator.cpu = glance.cpu.as_secs_f64();
        if self.facts.probe {
            if self.sights.len() == GRID_SECONDS {
                self.sights.pop_front();
            }
            self.sights.push_back(glance.sights);
            self.grid = self.sum_of_sights();
        }
    }

    fn sum_of_sights(&self) -> Vec<Vec<Sight>> {
        let servers = self.servers.len();
        let mut sum = Sights::new(servers);
        self.sights.iter().for_each(|second| sum.take_in(&mut second.clone()));
        let sight = |origin, observer| {
            let pair = sum.pair(origin, observer);
            Sight { p50: at(&pair.latency, 50.0), lost: pair.lost }
        };
        (0..servers).map(|origin| (0..servers).map(|observer| sight(origin, observer)).collect()).collect()
    }
}

impl Facts {
    fn new(plan: &Plan) -> Self {
        let clients = plan.own_clients().count();
        let pace = match plan.pace {
            Pace::Open { rate, .. } if rate.is_ramp() => {
                let Rate { from, to, .. } = plan.own_part(rate);
                format!("open loop at {from:.0} to {to:.0}/s")
            }
            Pace::Open { rate, .. } => format!("open loop at {:.0}/s", plan.own_part(rate).from),
            Pace::Closed { pipeline } => format!("closed loop, {pipeline} under way each"),
        };
        let servers = plan.servers.len();
        let headline = format!(
            "{clients} clients on {servers} {}, {pace}, {:.1} % WHATSAT, seed {}",
            if servers == 1 { "server" } else { "servers" },
            plan.mix.whatsat * 100.0,
            plan.seed
        );
        let end = plan.warm_up + plan.duration;
        Self { headline, warm_up: plan.warm_up, end, max_lag: plan.max_lag, probe: plan.probe.is_some() }
    }
}

impl Default for Times {
    fn default() -> Self {
        let [iamat, whatsat, seen, lag] = [(); 4].map(|()| histogram());
        Self { iamat, whatsat, seen, lag }
    }
}

impl From<&Glance> for Times {
    fn from(glance: &Glance) -> Self {
        let Glance { recent, sights, .. } = glance;
        Self {
            iamat: recent.iamat.response.clone(),
            whatsat: recent.whatsat.response.clone(),
            seen: sights.all.clone(),
            lag: recent.lags(),
        }
    }
}

impl Times {
    fn add(&mut self, other: &Self) {
        for (sum, part) in [
            (&mut self.iamat, &other.iamat),
            (&mut self.whatsat, &other.whatsat),
            (&mut self.seen, &other.seen),
            (&mut self.lag, &other.lag),
        ] {
            sum.add(part).expect("all histograms have the same bounds");
        }
    }

    fn percentiles(&self, probe: bool) -> Vec<Percentiles> {
        let mut rows =
            vec![Percentiles::new("IAMAT response", &self.iamat), Percentiles::new("WHATSAT response", &self.whatsat)];
        if probe {
            rows.push(Percentiles::new("propagation", &self.seen));
        }
        rows.push(Percentiles::new("send lag", &self.lag));
        rows
    }
}

impl Percentiles {
    fn new(name: &'static str, histogram: &Histogram<u64>) -> Self {
        let at = [50.0, 90.0, 99.0, 99.9, 100.0].map(|percentile| histogram.value_at_percentile(percentile));
        Self { name, count: histogram.len(), at: (!histogram.is_empty()).then_some(at) }
    }
}

fn at(histogram: &Histogram<u64>, percentile: f64) -> Option<u64> {
    (!histogram.is_empty()).then(|| histogram.value_at_percentile(percentile))
}
