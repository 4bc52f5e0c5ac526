//! What links carried, by what the relays and the servers count.

use serde::Serialize;

use crate::processes::Processes;
use crate::relayed::RelayedHerd;
use crate::scrape;

/// All counts at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    /// Bytes that each relay has passed on, from and to who dialled.
    bytes: Vec<[u64; 2]>,
    /// The metrics of each server; empty of one that is away.
    metrics: Vec<String>,
}

impl Reading {
    pub(super) async fn take(herd: &Processes, relayed: &RelayedHerd) -> Self {
        let bytes = relayed.links.iter().map(|link| link.relay.bytes()).collect();
        let mut metrics = Vec::new();
        for address in herd.http() {
            metrics.push(scrape::get(&address, "/metrics").await.unwrap_or_default());
        }
        Self { bytes, metrics }
    }
}

/// What one direction of a link carried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Traffic {
    pub(super) from: String,
    pub(super) to: String,
    /// All bytes, by the relay.
    pub(super) bytes: f64,
    /// The same, and what is in it, by the sending server; absent where it does not count that.
    pub(super) sync_bytes: Option<f64>,
    /// Entries that were sent to bring the two sides together.
    pub(super) sync_updates: Option<f64>,
    /// Entries that were sent on because they were new to the sender.
    pub(super) flooded: Option<f64>,
    /// Buckets whose entries were listed.
    pub(super) listed_buckets: Option<f64>,
    /// Times that the two sides were brought together.
    pub(super) rounds: Option<f64>,
    /// Entries that a round in the background found missing.
    pub(super) divergence: Option<f64>,
}

/// The traffic of all links, in both directions, between two readings.
pub(super) fn traffic(before: &Reading, after: &Reading, herd: &Processes, relayed: &RelayedHerd) -> Vec<Traffic> {
    let mut traffic = Vec::new();
    for (number, link) in relayed.links.iter().enumerate() {
        for (direction, [from, to]) in
            [[&link.dialler, &link.acceptor], [&link.acceptor, &link.dialler]].into_iter().enumerate()
        {
            let Ok(server) = herd.herd.find(from) else { continue };
            let bytes = after.bytes[number][direction] - before.bytes[number][direction];
            traffic.push(one_way([from, to], bytes, &before.metrics[server], &after.metrics[server]));
        }
    }
    traffic
}

#[allow(clippy::cast_precision_loss)]
fn one_way([from, to]: [&str; 2], bytes: u64, before: &str, after: &str) -> Traffic {
    let peer = format!("peer=\"{to}\"");
    let grown = |name: &str| after.contains(name).then(|| scrape::grown(before, after, name, &[&peer]));
    Traffic {
        from: from.into(),
        to: to.into(),
        bytes: bytes as f64,
        sync_bytes: grown("herd_sync_sent_bytes_total"),
        sync_updates: grown("herd_sync_sent_updates_total"),
        flooded: grown("herd_flood_sent_total"),
        listed_buckets: grown("herd_sync_listed_buckets_total"),
        rounds: grown("herd_sync_rounds_total"),
        divergence: grown("herd_store_divergence_total"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_does_not_count_is_absent() {
        let before = "herd_sync_sent_updates_total{peer=\"Bona\"} 5\nherd_sync_sent_updates_total{peer=\"Jaquez\"} 1\n";
        let after = "herd_sync_sent_updates_total{peer=\"Bona\"} 25\nherd_sync_sent_updates_total{peer=\"Jaquez\"} 1\n";
        let found = one_way(["Clark", "Bona"], 7, before, after);
        assert_eq!((found.bytes, found.sync_updates, found.listed_buckets), (7.0, Some(20.0), None));
        // A server that started between the readings counts from zero.
        assert_eq!(one_way(["Clark", "Bona"], 7, "", after).sync_updates, Some(25.0));
    }
}
