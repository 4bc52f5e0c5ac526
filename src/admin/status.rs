//! The state of a server at one moment, as JSON.

use serde::Serialize;
use tokio::time::Instant;

use super::Phase;
use crate::flood::Flood;
use crate::node::{LinkState, Neighbour, Role};
use crate::protocol::time::UnixTime;
use crate::session::Service;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    name: String,
    version: &'static str,
    commit: &'static str,
    /// When this incarnation started, in seconds since the epoch.
    started: f64,
    uptime_seconds: f64,
    phase: Phase,
    client_connections: usize,
    known_clients: usize,
    at_line_bytes: usize,
    evicted_clients: u64,
    /// Equal digests, equal stores.
    digest: String,
    links: Vec<Link>,
}

#[derive(Debug, Serialize)]
struct Link {
    peer: String,
    role: &'static str,
    up: bool,
    /// In seconds since the epoch; absent while the link is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    up_since: Option<f64>,
    caught_up: bool,
    times_formed: u64,
    pending_updates: usize,
}

impl Status {
    pub(super) fn of(service: &Service, started: Instant, phase: Phase) -> Self {
        let node = &service.node;
        let flood = node.flood();
        let store = flood.store();
        Self {
            name: node.name.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            commit: crate::COMMIT,
            started: seconds(node.started),
            uptime_seconds: started.elapsed().as_secs_f64(),
            phase,
            client_connections: service.open_connections(),
            known_clients: store.clients(),
            at_line_bytes: store.bytes(),
            evicted_clients: store.evicted(),
            digest: store.digest().to_string(),
            links: node.neighbours.iter().enumerate().map(|(id, neighbour)| Link::of(neighbour, id, &flood)).collect(),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a status is always JSON");
        json.push('\n');
        json
    }
}

impl Link {
    fn of(neighbour: &Neighbour, id: usize, flood: &Flood) -> Self {
        let LinkState { up_since, caught_up, formed, .. } = neighbour.link();
        Self {
            peer: neighbour.name.to_string(),
            role: match neighbour.role {
                Role::WeDial(_) => "we_dial",
                Role::TheyDial(_) => "they_dial",
                Role::Observer => "observer",
            },
            up: up_since.is_some(),
            up_since: up_since.map(seconds),
            caught_up,
            times_formed: formed,
            pending_updates: flood.pending(id),
        }
    }
}

fn seconds(time: UnixTime) -> f64 {
    time.since_epoch().as_secs_f64()
}
