//! Names, help texts and handles of all series.

use metrics::{Counter, Gauge, Histogram, Key, Label as KeyLabel, Level, Metadata, Recorder, Unit};

use super::labels::{Family, Label};
use super::{Bytes, ClientMetrics, OriginMetrics, PeerMetrics, PlacesMetrics, RuntimeMetrics, ServerMetrics};
use crate::protocol::text::Name;

const METADATA: Metadata<'static> = Metadata::new("herd", Level::INFO, None);

type Labels<'a> = &'a [(&'static str, &'a str)];

/// Describes and registers series with a recorder.
pub(super) struct Register<'a> {
    recorder: &'a dyn Recorder,
}

impl<'a> Register<'a> {
    pub(super) fn new(recorder: &'a dyn Recorder) -> Self {
        Self { recorder }
    }

    pub(super) fn server(&self) -> ServerMetrics {
        let version = [("version", env!("CARGO_PKG_VERSION")), ("commit", crate::COMMIT)];
        self.gauge("herd_build_info", "Always 1; the labels say what runs.", &version).set(1.0);
        ServerMetrics {
            known_clients: self.gauge("herd_known_clients", "Clients whose location is known.", &[]),
            evicted_clients: self.counter(
                "herd_evicted_clients_total",
                "Clients forgotten because the store was full.",
                &[],
            ),
            log_dropped_lines: self.counter(
                "herd_log_dropped_lines_total",
                "Lines of the traffic log that were lost.",
                &[],
            ),
        }
    }

    pub(super) fn clients(&self) -> ClientMetrics {
        ClientMetrics {
            connections: self.gauge("herd_client_connections", "Client connections that are open.", &[]),
            accepted: self.counter("herd_client_connections_accepted_total", "Client connections accepted.", &[]),
            closed: self.counters("herd_client_connections_closed_total", "Client connections closed.", &[]),
            rejected: self.counters("herd_client_connections_rejected_total", "Client connections refused.", &[]),
            messages: self.counters("herd_messages_received_total", "Lines from clients.", &[]),
            invalid: self.counters("herd_invalid_messages_total", "Lines from clients that are no commands.", &[]),
            over_quota: self.counters(
                "herd_whatsat_over_quota_total",
                "WHATSATs answered without Places because a quota was used up.",
                &[],
            ),
            request_duration: Family::new(|kind| {
                let help = "From a line read to its reply handed to the socket.";
                self.histogram("herd_request_duration_seconds", help, &[label(kind)])
            }),
            bytes: self.bytes("client"),
        }
    }

    pub(super) fn peer(&self, peer: &Name, bytes: Bytes) -> PeerMetrics {
        let peer = &[("peer", peer.as_str())][..];
        PeerMetrics {
            link_up: self.gauge("herd_peer_link_up", "1 while the link to the neighbour is up.", peer),
            reconnects: self.counter("herd_peer_reconnects_total", "Times the link has formed again.", peer),
            pending: self.gauge("herd_peer_pending_updates", "Updates that wait for the neighbour.", peer),
            flood_sent: self.counter("herd_flood_sent_total", "Updates sent because they were new here.", peer),
            flood_received: self.counters("herd_flood_received_total", "Updates received.", peer),
            sync_sent: self.counter(
                "herd_sync_sent_updates_total",
                "Updates sent to bring the neighbour's store up to date.",
                peer,
            ),
            sync_sent_bytes: self.counter(
                "herd_sync_sent_bytes_total",
                "Bytes sent to compare stores and to bring the neighbour's up to date.",
                peer,
            ),
            sync_listed_buckets: self.counter(
                "herd_sync_listed_buckets_total",
                "Buckets whose entries were listed because their digests differ.",
                peer,
            ),
            sync_rounds: self.counter("herd_sync_rounds_total", "Comparisons of two stores that have begun.", peer),
            divergence: self.counter(
                "herd_store_divergence_total",
                "Updates that a comparison in the background has found missing here.",
                peer,
            ),
            unknown_lines: self.counter(
                "herd_peer_unknown_lines_total",
                "Lines from the neighbour of a kind that is not known.",
                peer,
            ),
            bytes,
        }
    }

    pub(super) fn origin(&self, origin: &str) -> OriginMetrics {
        let origin = &[("origin", origin)][..];
        OriginMetrics {
            propagation_latency: self.histogram(
                "herd_propagation_latency_seconds",
                "From the origin's receipt of an update until it was applied here.",
                origin,
            ),
            clock_anomalies: self.counter(
                "herd_clock_anomalies_total",
                "Updates applied before their origin received them, by the two clocks.",
                origin,
            ),
        }
    }

    pub(super) fn places(&self) -> PlacesMetrics {
        PlacesMetrics {
            requests: self.counters("herd_places_requests_total", "Requests to Places.", &[]),
            request_duration: self.histogram(
                "herd_places_request_duration_seconds",
                "From a request to Places to the end of its answer.",
                &[],
            ),
            in_flight: self.gauge("herd_places_in_flight", "Requests to Places that are under way.", &[]),
        }
    }

    pub(super) fn runtime(&self) -> RuntimeMetrics {
        RuntimeMetrics {
            busy_seconds: self.gauge("herd_runtime_busy_seconds", "Time the workers were busy since the start.", &[]),
            tasks: self.gauge("herd_runtime_tasks", "Tasks that are alive.", &[]),
            queue_depth: self.gauge("herd_runtime_queue_depth", "Tasks in the runtime's global queue.", &[]),
        }
    }

    pub(super) fn bytes(&self, link: &str) -> Bytes {
        let link = &[("link", link)][..];
        Bytes {
            received: self.counter("herd_received_bytes_total", "Bytes received.", link),
            sent: self.counter("herd_sent_bytes_total", "Bytes sent.", link),
        }
    }

    fn counters<L: Label>(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Family<L, Counter> {
        Family::new(|value| self.counter(name, help, &[labels, &[label(value)]].concat()))
    }

    fn counter(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Counter {
        self.recorder.describe_counter(name.into(), None, help.into());
        self.recorder.register_counter(&key(name, labels), &METADATA)
    }

    fn gauge(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Gauge {
        self.recorder.describe_gauge(name.into(), None, help.into());
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    fn histogram(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Histogram {
        self.recorder.describe_histogram(name.into(), Some(Unit::Seconds), help.into());
        self.recorder.register_histogram(&key(name, labels), &METADATA)
    }
}

fn label<L: Label>(value: L) -> (&'static str, &'static str) {
    (L::NAME, value.text())
}

fn key(name: &'static str, labels: Labels<'_>) -> Key {
    let labels: Vec<_> = labels.iter().map(|&(name, value)| KeyLabel::new(name, value.to_owned())).collect();
    Key::from_parts(name, labels)
}
