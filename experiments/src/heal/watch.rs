//! Watches a herd come together: bytes on its links, and whether its servers agree yet.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::agreement::Look;
use crate::relayed::RelayedHerd;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(10);
/// How often bytes are noted.
const POINT: Duration = Duration::from_millis(20);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// From the beginning until all servers agreed, in seconds.
    pub(super) equal_after_s: Option<f64>,
    /// The bytes on all links.
    pub(super) points: Vec<Point>,
}

/// Bytes at a moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Point {
    /// Since the beginning, in seconds.
    pub(super) second: f64,
    /// On all links together, in both directions, since the beginning.
    pub(super) bytes: u64,
    /// Whether the servers agreed.
    pub(super) equal: bool,
}

/// Watches from `start` until the servers agree or have had their time, and for some time more.
pub(super) async fn watch(
    addresses: &[String],
    relayed: &RelayedHerd,
    start: Instant,
    patience: Duration,
    settle: Duration,
) -> Watched {
    let passed = || relayed.links.iter().flat_map(|link| link.relay.bytes()).sum::<u64>();
    let before = passed();
    let mut watched = Watched::default();
    let (mut end, mut next_point) = (start + patience, start);
    loop {
        let look = Look::at(addresses).await;
        let equal = look.is_agreement();
        if equal && watched.equal_after_s.is_none() {
            watched.equal_after_s = Some((look.at - start).as_secs_f64());
            end = look.at + settle;
        }
        if look.at >= next_point {
            let second = (look.at - start).as_secs_f64();
            watched.points.push(Point { second, bytes: passed() - before, equal });
            next_point = look.at + POINT;
        }
        if look.at >= end {
            return watched;
        }
        sleep(LOOK).await;
    }
}
