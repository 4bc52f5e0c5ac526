//! What the tap has seen, beside what the probe has asked for.

use serde::{Deserialize, Serialize};

use super::merge::{MergeError, merge_pairs};
use super::{HopsReport, PairReport, Summary, by_hops, pairs, sum};
use crate::plan::Plan;
use crate::probe::tap::{LinkCounts, Tapped};

/// What the tap has seen of the probe's updates. A server is also its own observer, 0 links away.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TapReport {
    /// The observer's name.
    pub name: String,
    /// Observations of an update missing after 5 s.
    pub lost: u64,
    /// Observations cut short by broken connections.
    pub broken: u64,
    /// How long sights may have waited for the tap to look: latencies are at most that too long.
    pub resolution: Summary,
    /// Latencies by the number of links on the way.
    pub by_hops: Vec<HopsReport>,
    /// Latencies of each pair of servers, and of each server with itself.
    pub pairs: Vec<PairReport>,
    /// The tap's link with each server.
    pub links: Vec<TapLinkReport>,
}

/// The tap's link with a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TapLinkReport {
    /// The server.
    pub server: String,
    /// AT lines received, also of what the server knew when the tap joined.
    pub lines: u64,
    /// Times the link has formed again.
    pub reconnects: u64,
    /// How long it was not there, in seconds.
    pub away_s: f64,
}

impl TapReport {
    pub(super) fn new(seen: &Tapped, plan: &Plan) -> Self {
        let pairs = pairs(&seen.latency, &seen.lost, plan);
        let link = |(server, link): (usize, &LinkCounts)| TapLinkReport {
            server: plan.servers[server].name.clone(),
            lines: link.lines,
            reconnects: link.reconnects,
            away_s: link.away.as_secs_f64(),
        };
        Self {
            name: seen.name.clone(),
            lost: seen.lost.iter().flatten().sum(),
            broken: seen.broken,
            resolution: Summary::new(&seen.resolution),
            by_hops: by_hops(&pairs).expect("what was just stored is readable"),
            pairs,
            links: seen.links.iter().enumerate().map(link).collect(),
        }
    }

    /// AT lines of all links.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.links.iter().map(|link| link.lines).sum()
    }
}

/// What the taps of several runs have seen, as one.
pub(super) fn merge_taps(parts: &[&TapReport]) -> Result<Option<TapReport>, MergeError> {
    let Some(first) = parts.first() else { return Ok(None) };
    let pairs = merge_pairs(&parts.iter().map(|part| &part.pairs[..]).collect::<Vec<_>>())?;
    let mut links = first.links.clone();
    for part in &parts[1..] {
        for (sum, link) in links.iter_mut().zip(&part.links) {
            sum.lines += link.lines;
            sum.reconnects += link.reconnects;
            sum.away_s += link.away_s;
        }
    }
    Ok(Some(TapReport {
        name: first.name.clone(),
        lost: parts.iter().map(|part| part.lost).sum(),
        broken: parts.iter().map(|part| part.broken).sum(),
        resolution: sum(parts.iter().map(|part| &part.resolution))?,
        by_hops: by_hops(&pairs)?,
        pairs,
        links,
    }))
}
