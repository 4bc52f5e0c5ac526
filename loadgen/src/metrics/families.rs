//! Names, help texts and labels of all series. Each exists from the start, at zero.

use loadgen::live::{AtServer, Glance};
use loadgen::plan::Plan;
use loadgen::series::Phase;
use loadgen::watch::Moment;
use prometheus::core::Collector;
use prometheus::{Counter, Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::histograms::Histograms;

const OPERATIONS: [&str; 3] = ["iamat", "whatsat", "invalid"];
const PHASES: [(Phase, &str); 3] = [(Phase::WarmUp, "warm-up"), (Phase::Measure, "measure"), (Phase::Verify, "verify")];

/// A figure of a server.
type AtServerValue = fn(&AtServer) -> u64;

/// All series.
#[derive(Debug)]
pub(super) struct Families {
    registry: Registry,
    servers: Vec<String>,
    offered: IntCounter,
    offered_rate: Gauge,
    connected: IntGauge,
    phase: IntGaugeVec,
    cpu: Counter,
    replies: IntCounterVec,
    by_server: Vec<(IntCounterVec, AtServerValue)>,
    response: Histograms,
    service: Histograms,
    lag: Histograms,
    /// By origin and observer: when updates were seen, and those that were not.
    propagation: Option<(Histograms, IntCounterVec)>,
}

impl Families {
    pub(super) fn new(plan: &Plan) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let kept = Register(&registry);
        let servers: Vec<String> = plan.servers.iter().map(|server| server.name.clone()).collect();
        let operations = || OPERATIONS.into_iter().map(|operation| vec![operation.to_owned()]);
        let at_servers = || {
            let at = |server: &String| OPERATIONS.map(|operation| vec![operation.to_owned(), server.clone()]);
            servers.iter().flat_map(at)
        };
        let pairs = || {
            let pair = |(origin, observer): (usize, usize)| vec![servers[origin].clone(), servers[observer].clone()];
            pairs(servers.len()).map(pair).collect::<Vec<_>>()
        };
        kept.gauge("loadgen_clients", "Simulated clients.")?
            .set(i64::try_from(plan.own_clients().count()).unwrap_or(i64::MAX));
        let propagation = || {
            let (labels, help) = (
                &["origin", "observer"],
                "From the probe's write of an update at one server to its first sight at another.",
            );
            let seen = kept.histograms("loadgen_propagation_seconds", help, labels, pairs().into_iter())?;
            let help = "Sights of the probe's updates that did not come within 5 s.";
            let lost = kept.counters("loadgen_propagation_lost_total", help, labels, pairs().into_iter())?;
            Ok::<_, prometheus::Error>((seen, lost))
        };
        Ok(Self {
            offered: kept.add(IntCounter::new(
                "loadgen_commands_total",
                "Commands that were sent, or could not be because no connection stood.",
            )?)?,
            offered_rate: kept.add(Gauge::new(
                "loadgen_offered_rate",
                "Commands per second that were sent, or could not be, in the last whole second.",
            )?)?,
            connected: kept.gauge("loadgen_clients_connected", "Clients that have a connection.")?,
            phase: kept.add(IntGaugeVec::new(
                Opts::new("loadgen_phase", "1 for what the run is doing, else 0."),
                &["phase"],
            )?)?,
            cpu: kept.add(Counter::new(
                "loadgen_cpu_seconds_total",
                "Processor time of this program since the start of the run.",
            )?)?,
            replies: kept.counters(
                "loadgen_replies_total",
                "Replies, right or wrong.",
                &["operation", "server"],
                at_servers(),
            )?,
            by_server: kept.by_server(&servers)?,
            response: kept.histograms(
                "loadgen_response_seconds",
                "From when a command was due to its reply.",
                &["operation"],
                operations(),
            )?,
            service: kept.histograms(
                "loadgen_service_seconds",
                "From when a command was written to its reply.",
                &["operation", "server"],
                at_servers(),
            )?,
            lag: kept.histograms(
                "loadgen_send_lag_seconds",
                "From when a command was due to when it was written, of those with a reply.",
                &["operation"],
                operations(),
            )?,
            propagation: plan.probe.map(|_| propagation()).transpose()?,
            servers,
            registry,
        })
    }

    pub(super) fn registry(&self) -> Registry {
        self.registry.clone()
    }

    pub(super) fn look(&self, moment: Moment, glance: &Glance) {
        let recent = &glance.recent;
        self.offered.inc_by(glance.offered);
        self.connected.set(i64::try_from(glance.connected).unwrap_or(i64::MAX));
        self.cpu.inc_by(glance.cpu.as_secs_f64());
        for (phase, name) in PHASES {
            self.phase.with_label_values(&[name]).set(i64::from(phase == moment.phase));
        }
        for (server, at) in self.servers.iter().zip(&recent.servers) {
            for (operation, times) in OPERATIONS.into_iter().zip([&at.iamat, &at.whatsat, &at.invalid]) {
                self.replies.with_label_values(&[operation, server]).inc_by(times.len());
            }
            for (counter, value) in &self.by_server {
                counter.with_label_values(&[server]).inc_by(value(at));
            }
        }
        self.response.add([&recent.iamat, &recent.whatsat, &recent.invalid].into_iter().map(|times| &times.response));
        self.lag.add([&recent.iamat, &recent.whatsat, &recent.invalid].into_iter().map(|times| &times.lag));
        self.service.add(recent.servers.iter().flat_map(|at| [&at.iamat, &at.whatsat, &at.invalid]));
        if let Some((seen, lost)) = &self.propagation {
            let sights = || {
                pairs(self.servers.len())
                    .map(|(origin, observer)| (origin, observer, glance.sights.pair(origin, observer)))
            };
            seen.add(sights().map(|(.., pair)| &pair.latency));
            for (origin, observer, pair) in sights() {
                lost.with_label_values(&[&self.servers[origin], &self.servers[observer]]).inc_by(pair.lost);
            }
        }
    }

    #[allow(clippy::cast_precision_loss)]
    pub(super) fn second(&self, glance: &Glance) {
        self.offered_rate.set(glance.offered as f64);
    }
}

/// Each two servers, in either order.
fn pairs(servers: usize) -> impl Iterator<Item = (usize, usize)> {
    let all = (0..servers).flat_map(move |origin| (0..servers).map(move |observer| (origin, observer)));
    all.filter(|(origin, observer)| origin != observer)
}

/// Makes series and registers them.
struct Register<'r>(&'r Registry);

impl Register<'_> {
    fn add<C: Collector + Clone + 'static>(&self, family: C) -> prometheus::Result<C> {
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl Iterator<Item = Vec<String>>,
    ) -> prometheus::Result<IntCounterVec> {
        let family = self.add(IntCounterVec::new(Opts::new(name, help), labels)?)?;
        for values in values {
            family.get_metric_with_label_values(&values)?;
        }
        Ok(family)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &'static [&'static str],
        values: impl Iterator<Item = Vec<String>>,
    ) -> prometheus::Result<Histograms> {
        self.add(Histograms::new(name, help, labels, values)?)
    }

    /// What is counted of each server besides replies.
    fn by_server(&self, servers: &[String]) -> prometheus::Result<Vec<(IntCounterVec, AtServerValue)>> {
        let families: [(&str, &str, AtServerValue); 5] = [
            ("loadgen_failed_total", "Commands without a reply, timeouts among them.", |at| at.failed),
            ("loadgen_timeouts_total", "Commands whose reply took too long.", |at| at.timeouts),
            ("loadgen_wrong_total", "Wrong replies, without those of loadgen_lost_updates_total.", |at| {
                at.wrong - at.lost
            }),
            (
                "loadgen_lost_updates_total",
                "Replies that lacked an update which some server had acknowledged for more than 5 s.",
                |at| at.lost,
            ),
            (
                "loadgen_stale_total",
                "Replies that lacked an update acknowledged elsewhere for less; not wrong.",
                |at| at.stale,
            ),
        ];
        let values = || servers.iter().map(|server| vec![server.clone()]);
        let make = |(name, help, value)| Ok((self.counters(name, help, &["server"], values())?, value));
        families.into_iter().map(make).collect()
    }
}
