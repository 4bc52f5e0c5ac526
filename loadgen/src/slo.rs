//! Service-level objectives: `OPERATION.response|service|lag.pN<DURATION`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::plan::Operation;
use crate::record::Record;

/// A bound on a percentile, such as `iamat.response.p99<5ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    text: String,
    operation: Operation,
    view: View,
    percentile: f64,
    bound: Duration,
}

/// A point of view from which an operation is measured; see [`Latencies`](crate::measure::Latencies).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// From when it was due until its reply.
    Response,
    /// From when it was written until its reply.
    Service,
    /// From when it was due until it was written.
    Lag,
}

/// How a run met an objective.
#[derive(Debug, Clone, PartialEq)]
pub struct SloResult {
    /// The objective, as it was given.
    pub slo: String,
    /// What was measured; `None` without a single operation.
    pub measured: Option<Duration>,
    /// Whether it was met; without an operation it was not.
    pub met: bool,
}

/// The text is no objective.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no objective: write iamat, whatsat or invalid, a dot, response, service or lag, a dot, a percentile, <, and a duration, such as iamat.response.p99<5ms"
)]
pub struct NotAnSlo(String);

impl FromStr for Slo {
    type Err = NotAnSlo;

    fn from_str(text: &str) -> Result<Self, NotAnSlo> {
        let parse = || {
            let (what, bound) = text.split_once('<')?;
            let (operation, rest) = what.trim().split_once('.')?;
            let (view, percentile) = rest.split_once(".p")?;
            let operation = match operation {
                "iamat" => Operation::Iamat,
                "whatsat" => Operation::Whatsat,
                "invalid" => Operation::Invalid,
                _ => return None,
            };
            let view = match view {
                "response" => View::Response,
                "service" => View::Service,
                "lag" => View::Lag,
                _ => return None,
            };
            let percentile: f64 = percentile.parse().ok()?;
            let bound = humantime::parse_duration(bound.trim()).ok()?;
            let valid = percentile > 0.0 && percentile <= 100.0;
            valid.then(|| Self { text: text.trim().to_owned(), operation, view, percentile, bound })
        };
        parse().ok_or_else(|| NotAnSlo(text.to_owned()))
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Slo {
    /// Compares the objective with what was measured.
    #[must_use]
    pub fn judge(&self, record: &Record) -> SloResult {
        let latencies = match self.operation {
            Operation::Iamat => &record.iamat,
            Operation::Whatsat => &record.whatsat,
            Operation::Invalid => &record.invalid,
        };
        self.judge_view(match self.view {
            View::Response => &latencies.response,
            View::Service => &latencies.service,
            View::Lag => &latencies.lag,
        })
    }

    /// What of what was measured it is about.
    #[must_use]
    pub fn subject(&self) -> (Operation, View) {
        (self.operation, self.view)
    }

    /// Compares the objective with what was measured of its subject.
    #[must_use]
    pub fn judge_view(&self, histogram: &Histogram<u64>) -> SloResult {
        let measured =
            (!histogram.is_empty()).then(|| Duration::from_nanos(histogram.value_at_percentile(self.percentile)));
        SloResult { slo: self.to_string(), measured, met: measured.is_some_and(|measured| measured < self.bound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_by_table() {
        for good in ["iamat.response.p99<5ms", "whatsat.service.p99.9<1s", "iamat.lag.p50 < 100us", "iamat.lag.p100<1s"]
        {
            assert_eq!(good.parse::<Slo>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "iamat.response.p99",
            "iamat.response.99<5ms",
            "iamat.p99<5ms",
            "at.response.p99<5ms",
            "iamat.response.p0<5ms",
            "iamat.response.p101<5ms",
            "iamat.response.p99<5",
            "iamat.response.p99>5ms",
        ] {
            assert!(bad.parse::<Slo>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_objective_is_met_below_its_bound_and_not_without_operations() {
        let slo: Slo = "iamat.response.p99<5ms".parse().unwrap();
        let mut record = Record::default();
        assert!(!slo.judge(&record).met);
        record.iamat.record(0, 0, 4_000_000, 1);
        assert!(slo.judge(&record).met);
        record.iamat.record(0, 0, 6_000_000, 1);
        let result = slo.judge(&record);
        assert!(!result.met && result.measured.unwrap() >= Duration::from_millis(6));
    }
}
