//! What a server counts and measures (DESIGN 6). Handles are looked up once, from the recorder
//! that is passed in, and every series exists from the start, at zero.

mod labels;
mod register;

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

pub use self::labels::{Closed, Family, Kind, Label, PlacesOutcome, QuotaScope, Received, Rejected};
use self::register::Register;
use crate::config::Herd;
use crate::protocol::command::Invalid;
use crate::protocol::text::Name;
use crate::protocol::time::Difference;

/// Bounds of every histogram's buckets, in seconds: 50 µs to 10 s.
pub const BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A recorder whose series all carry the server's name and whose histograms have [`BUCKETS`].
///
/// # Panics
/// Never: the buckets are not empty.
#[must_use]
pub fn recorder(server: &Name) -> PrometheusRecorder {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("there are buckets");
    builder.add_global_label("server", server.as_str()).build_recorder()
}

/// All handles of one server.
#[derive(Debug)]
pub struct Metrics {
    /// Connections, commands and bytes on the client port.
    pub clients: ClientMetrics,
    /// By neighbour, in the order of the server's list of neighbours.
    pub peers: Vec<PeerMetrics>,
    /// By server of the herd, ordered by name, and `other` last.
    origins: Vec<(Option<Name>, OriginMetrics)>,
    /// Requests to Places.
    pub places: PlacesMetrics,
    /// What is one of a kind.
    pub server: ServerMetrics,
    /// The state of tokio's runtime, as of the last scrape.
    pub runtime: RuntimeMetrics,
}

/// What a server has one of.
#[derive(Debug)]
pub struct ServerMetrics {
    /// Clients in the store, as of the last scrape.
    pub known_clients: Gauge,
    /// Clients that had to go because the store was full, as of the last scrape.
    pub evicted_clients: Counter,
    /// Lines of the log that were lost.
    pub log_dropped_lines: Counter,
}

/// What the client port counts.
#[derive(Debug)]
pub struct ClientMetrics {
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections that were accepted.
    pub accepted: Counter,
    /// Connections that were closed, by reason.
    pub closed: Family<Closed, Counter>,
    /// Connections that were refused, by reason.
    pub rejected: Family<Rejected, Counter>,
    /// Commands, by kind.
    pub messages: Family<Kind, Counter>,
    /// Invalid commands, by reason.
    pub invalid: Family<Invalid, Counter>,
    /// WHATSATs that were answered without Places because a quota was used up, by whose.
    pub over_quota: Family<QuotaScope, Counter>,
    /// From a command read to its reply handed to the socket, by kind.
    pub request_duration: Family<Kind, Histogram>,
    /// Bytes from and to clients.
    pub bytes: Bytes,
}

/// Bytes that crossed sockets.
#[derive(Debug, Clone)]
pub struct Bytes {
    /// From the other side.
    pub received: Counter,
    /// To the other side.
    pub sent: Counter,
}

/// What is counted of one neighbour or observer.
#[derive(Debug)]
pub struct PeerMetrics {
    /// 1 while the link is up.
    pub link_up: Gauge,
    /// Times the link has formed again.
    pub reconnects: Counter,
    /// Updates that wait to be sent, as of the last scrape.
    pub pending: Gauge,
    /// Updates sent that were new here.
    pub flood_sent: Counter,
    /// Updates received, by what became of them.
    pub flood_received: Family<Received, Counter>,
    /// Updates sent because the neighbour was found to lack them.
    pub sync_sent: Counter,
    /// Bytes of all lines that compare stores or bring the neighbour up to date.
    pub sync_sent_bytes: Counter,
    /// Buckets whose entries were listed, because their digests differ.
    pub sync_listed_buckets: Counter,
    /// Times the two sides have begun to compare stores.
    pub sync_rounds: Counter,
    /// Updates that a comparison in the background has found missing here.
    pub divergence: Counter,
    /// Lines of a kind that is not known.
    pub unknown_lines: Counter,
    /// Bytes on all links together.
    pub bytes: Bytes,
}

/// What is counted of the updates of one origin.
#[derive(Debug)]
pub struct OriginMetrics {
    /// From the origin's receipt until the update was applied here.
    pub propagation_latency: Histogram,
    /// Updates that seem to arrive before they were received: clocks disagree.
    pub clock_anomalies: Counter,
}

/// What is counted of requests to Places.
#[derive(Debug, Clone)]
pub struct PlacesMetrics {
    /// Requests, by outcome.
    pub requests: Family<PlacesOutcome, Counter>,
    /// How long each took.
    pub request_duration: Histogram,
    /// Requests under way.
    pub in_flight: Gauge,
}

/// The state of tokio's runtime.
#[derive(Debug)]
pub struct RuntimeMetrics {
    /// Time that workers were busy, in seconds since the start.
    pub busy_seconds: Gauge,
    /// Tasks that are alive.
    pub tasks: Gauge,
    /// Tasks that wait in the global queue.
    pub queue_depth: Gauge,
}

impl Metrics {
    /// Registers every series of a server of this herd, whose neighbours and observers are
    /// `peers`, in order.
    #[must_use]
    pub fn register(recorder: &dyn Recorder, herd: &Herd, peers: &[Name]) -> Self {
        let register = Register::new(recorder);
        let peer_bytes = register.bytes("peer");
        let names = herd.servers().iter().map(|server| Some(server.name.clone()));
        let origins = names.chain([None]).map(|name| {
            let metrics = register.origin(name.as_ref().map_or("other", Name::as_str));
            (name, metrics)
        });
        Self {
            clients: register.clients(),
            peers: peers.iter().map(|peer| register.peer(peer, peer_bytes.clone())).collect(),
            origins: origins.collect(),
            places: register.places(),
            server: register.server(),
            runtime: register.runtime(),
        }
    }

    /// The handles of an origin; of `other` where the herd file does not know it.
    ///
    /// # Panics
    /// Never: `other` is always there.
    #[must_use]
    pub fn origin(&self, name: &[u8]) -> &OriginMetrics {
        let known = |(known, _): &&(Option<Name>, _)| known.as_ref().is_some_and(|known| known.as_bytes() == name);
        let (_, metrics) = self.origins.iter().find(known).or(self.origins.last()).expect("other is there");
        metrics
    }
}

impl OriginMetrics {
    /// Records the latency of an update that was applied here.
    pub fn applied(&self, latency: Difference) {
        match latency.to_duration() {
            Some(latency) => self.propagation_latency.record(latency),
            None => self.clock_anomalies.increment(1),
        }
    }
}

impl RuntimeMetrics {
    /// Takes the current figures of the runtime that this is called in.
    pub fn observe(&self) {
        let runtime = tokio::runtime::Handle::current().metrics();
        let busy: Duration = (0..runtime.num_workers()).map(|worker| runtime.worker_total_busy_duration(worker)).sum();
        self.busy_seconds.set(busy.as_secs_f64());
        self.tasks.set(count(runtime.num_alive_tasks()));
        self.queue_depth.set(count(runtime.global_queue_depth()));
    }
}

/// A number of things as a gauge takes it.
#[must_use]
pub fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(recorder: &PrometheusRecorder) -> Metrics {
        let herd = Herd::built_in();
        let peers = [1, 4].map(|server| herd.servers()[server].name.clone());
        Metrics::register(recorder, &herd, &peers)
    }

    #[test]
    fn every_series_exists_from_the_start_at_zero() {
        let recorder = recorder(&Name::new("Clark").unwrap());
        let _metrics = register(&recorder);
        let text = recorder.handle().render();
        for line in [
            "herd_client_connections{server=\"Clark\"} 0",
            "herd_messages_received_total{server=\"Clark\",kind=\"whatsat\"} 0",
            "herd_invalid_messages_total{server=\"Clark\",reason=\"unknown_client\"} 0",
            "herd_client_connections_rejected_total{server=\"Clark\",reason=\"address\"} 0",
            "herd_whatsat_over_quota_total{server=\"Clark\",scope=\"connection\"} 0",
            "herd_whatsat_over_quota_total{server=\"Clark\",scope=\"total\"} 0",
            "herd_flood_received_total{server=\"Clark\",peer=\"Jaquez\",outcome=\"invalid\"} 0",
            "herd_propagation_latency_seconds_bucket{server=\"Clark\",origin=\"other\",le=\"0.00005\"} 0",
            "herd_places_requests_total{server=\"Clark\",outcome=\"timeout\"} 0",
            "# TYPE herd_propagation_latency_seconds histogram",
            "# TYPE herd_request_duration_seconds histogram",
            "# TYPE herd_places_request_duration_seconds histogram",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("summary"));
    }

    #[test]
    fn every_series_has_a_help_line() {
        let recorder = recorder(&Name::new("Clark").unwrap());
        let _metrics = register(&recorder);
        let text = recorder.handle().render();
        let names = |sign: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(sign));
            let mut names: Vec<_> = lines.map(|line| line.split(' ').next().unwrap().to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(names("# HELP "), names("# TYPE "));
    }

    #[test]
    fn a_negative_latency_is_counted_and_not_recorded() {
        let recorder = recorder(&Name::new("Clark").unwrap());
        let metrics = register(&recorder);
        metrics.origin(b"Bona").applied(Difference::parse(b"-0.000000001").unwrap());
        metrics.origin(b"nobody").applied(Difference::parse(b"+0.000100000").unwrap());
        let text = recorder.handle().render();
        for line in [
            "herd_clock_anomalies_total{server=\"Clark\",origin=\"Bona\"} 1",
            "herd_propagation_latency_seconds_count{server=\"Clark\",origin=\"Bona\"} 0",
            "herd_propagation_latency_seconds_count{server=\"Clark\",origin=\"other\"} 1",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line} is missing in\n{text}");
        }
    }
}
