//! The trial second by second: what the load generator and the watch saw, put together.

use std::collections::BTreeMap;

use loadgen::series::Second;
use serde::Serialize;

use super::watch::Seen;
use super::{Case, Fault};

/// A line of `timeline.ndjson`: the second that ended at `second`. Times are in microseconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Moment {
    /// Since the load began.
    second: f64,
    /// The fault that there was.
    fault: Option<Fault>,
    replies: u64,
    failed: u64,
    wrong: u64,
    /// Replies that lacked an update for more than 5 s.
    late: u64,
    /// Sights of the propagation probe that have not come for 5 s.
    unseen: u64,
    response_p50: Option<f64>,
    response_p99: Option<f64>,
    propagation_p50: Option<f64>,
    propagation_p99: Option<f64>,
    /// Whether all servers were seen to agree.
    equal: bool,
    /// By server whether it answered whenever it was asked.
    up: BTreeMap<String, bool>,
}

/// A moment for each of the load generator's lines.
pub(super) fn of(series: &[Second], seen: &[Seen], faults: &[Case], servers: &[String], origin: f64) -> Vec<Moment> {
    let moment = |line: &Second| {
        let second = line.time - origin;
        let within: Vec<&Seen> = seen.iter().filter(|seen| (second - 1.0..second).contains(&seen.second)).collect();
        let up = |server: usize| within.iter().all(|seen| seen.up[server]);
        let fault = faults.iter().find(|case| (case.began_at..case.ended_at).contains(&(second - 0.5)));
        Moment {
            second,
            fault: fault.map(|case| case.fault),
            replies: line.replies,
            failed: line.failed,
            wrong: line.wrong,
            late: line.lost,
            unseen: line.unseen,
            response_p50: line.response_p50,
            response_p99: line.response_p99,
            propagation_p50: line.seen_p50,
            propagation_p99: line.seen_p99,
            equal: within.iter().any(|seen| seen.equal),
            up: servers.iter().enumerate().map(|(server, name)| (name.clone(), up(server))).collect(),
        }
    };
    series.iter().map(moment).collect()
}
