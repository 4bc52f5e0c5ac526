//! Latencies of one kind of operation, each from three points of view.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Significant decimal digits that histograms keep.
const DIGITS: u8 = 3;
/// The longest latency that is told apart, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// A histogram of nanoseconds.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("these bounds are valid")
}

/// A histogram of nanoseconds that is a tenth as large and knows two digits, down to microseconds,
/// for what is kept of each server or pair of servers.
#[must_use]
pub fn coarse() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LONGEST, 2).expect("these bounds are valid")
}

/// Three histograms of one operation, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// From when the operation was due until its reply: what a user would have waited.
    pub response: Histogram<u64>,
    /// From when it was written until its reply: what the server took.
    pub service: Histogram<u64>,
    /// From when it was due until it was written: how late this program was.
    pub lag: Histogram<u64>,
    /// Operations that got no reply in time; they count in `response` with the time they had.
    pub timeouts: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { response: histogram(), service: histogram(), lag: histogram(), timeouts: 0 }
    }
}

impl Latencies {
    /// Records so many operations that were due, written and answered at these times.
    pub fn record(&mut self, due: u64, written: u64, answered: u64, count: u64) {
        self.response.saturating_record_n(answered.saturating_sub(due), count);
        self.service.saturating_record_n(answered.saturating_sub(written), count);
        self.lag.saturating_record_n(written.saturating_sub(due), count);
    }

    /// Records an operation that was given up. If this program sent it late, that counts.
    pub fn record_timeout(&mut self, due: u64, written: u64, given_up: u64) {
        self.response.saturating_record(given_up.saturating_sub(due));
        self.lag.saturating_record(written.saturating_sub(due));
        self.timeouts += 1;
    }

    /// Counts in what another thread measured.
    pub fn add(&mut self, other: &Self) {
        for (sum, part) in
            [(&mut self.response, &other.response), (&mut self.service, &other.service), (&mut self.lag, &other.lag)]
        {
            sum.add(part).expect("all histograms have the same bounds");
        }
        self.timeouts += other.timeouts;
    }
}

/// A duration in nanoseconds, as times are counted here; 584 years are the most.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
