//! What one arm has shown in one round.

use std::collections::BTreeMap;
use std::time::Duration;

use loadgen::report::{Report, Summary, time};
use serde::Serialize;

use crate::memory::resident_mib;
use crate::processor_time::ProcessorWatch;
use crate::table::{count, or_blank};

/// Numbers, of which each arm has some.
#[derive(Debug, Default, Serialize)]
pub(super) struct Measured {
    /// Operations per second; where several processes keep what was written, counted until all
    /// of them have it.
    pub(super) rate: Option<f64>,
    /// From the end of the load until all agreed, in milliseconds.
    pub(super) agree_ms: Option<f64>,
    /// By server process its processor time per operation, in microseconds.
    pub(super) servers_us: BTreeMap<String, f64>,
    /// The same of the client, while it sent.
    pub(super) client_us: Option<f64>,
    /// AT lines between servers per update.
    pub(super) messages: Option<f64>,
    /// Bytes between servers per update, of all they say there.
    pub(super) bytes: Option<f64>,
    /// By server process the memory that was resident at the end, in MiB.
    pub(super) resident_mib: BTreeMap<String, f64>,
    /// Growth of resident memory per client, in bytes.
    pub(super) client_bytes: Option<f64>,
    /// How long a write took to its sight, in microseconds: the median.
    pub(super) seen_p50: Option<f64>,
    /// And the 99th percentile.
    pub(super) seen_p99: Option<f64>,
    /// Operations that were answered in all.
    pub(super) answered: u64,
    /// Those that were not.
    pub(super) failed: u64,
    /// Answers that were wrong.
    pub(super) wrong: u64,
    /// Acknowledged updates that somebody lacked in the end, or that were not seen in time.
    pub(super) lost: u64,
    /// Whether those agreed in the end that should have; absent where there are none.
    pub(super) agreed: Option<bool>,
    /// Whether the client wrote its commands when they were due; absent in a closed loop.
    pub(super) sent_in_time: Option<bool>,
    /// The first wrong answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) wrong_answers: Vec<String>,
}

impl Measured {
    /// What the load generator has found in a closed loop, or in an open one.
    pub(super) fn of_load(report: &Report, is_open: bool) -> Self {
        let propagation = report.propagation.as_ref();
        let counts = &report.counts;
        Self {
            rate: Some(report.iamat.per_second + report.whatsat.per_second),
            client_us: Some(report.generator.cpu_per_operation),
            answered: counts.answered,
            failed: counts.failed + counts.unverified,
            wrong: counts.wrong - counts.lost,
            lost: counts.lost + propagation.map_or(0, |seen| seen.lost + seen.unexpected),
            sent_in_time: is_open.then_some(report.generator.valid),
            wrong_answers: report.wrong.clone(),
            ..Self::default()
        }
    }

    /// Takes in how long writes took to their sights.
    pub(super) fn saw(&mut self, latency: &Summary) {
        let of_some = |value| (latency.count > 0).then_some(value);
        (self.seen_p50, self.seen_p99) = (of_some(latency.p50), of_some(latency.p99));
    }

    /// Takes in when all agreed, which counts as time of the load: `measured` operations were
    /// due within `duration`.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn agreed(&mut self, after: Option<Duration>, measured: u64, duration: Duration) {
        self.agreed = Some(after.is_some());
        self.agree_ms = after.map(|after| after.as_secs_f64() * 1e3);
        self.rate = after.map(|after| measured as f64 / (duration + after).as_secs_f64());
    }

    /// Takes in what server processes have used for all operations, and their memory.
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn servers(&mut self, watch: &ProcessorWatch, processes: &[(String, u32)]) {
        let operations = self.answered.max(1) as f64;
        let per_operation = |used: Duration| used.as_secs_f64() * 1e6 / operations;
        self.servers_us = watch.used().into_iter().map(|(name, used)| (name, per_operation(used))).collect();
        let resident = |(name, process): &(String, u32)| Some((name.clone(), resident_mib(*process)?));
        self.resident_mib = processes.iter().filter_map(resident).collect();
    }

    /// In a few words.
    pub(super) fn in_short(&self) -> String {
        let parts = [
            or_blank(self.rate, |rate| format!("{} per second", count(rate))),
            or_blank(self.agree_ms, |agree| format!("agreed after {agree:.0} ms")),
            or_blank(self.seen_p50, |seen| format!("seen after {}", time(seen))),
            or_blank(self.client_bytes, |bytes| format!("{} bytes per client", count(bytes))),
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}
