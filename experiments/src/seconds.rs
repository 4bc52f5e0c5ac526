//! What the load generator tells second by second, as numbers over stretches of time and as
//! panels of figures. Seconds count from a moment of the experiment's choice.

use std::ops::Range;

use loadgen::series::Second;

use crate::figure::{Line, Panel, Scale};
use crate::statistics::median;

/// A load generator's seconds on an experiment's axis.
#[derive(Debug)]
pub struct Seconds<'a> {
    series: &'a [Second],
    /// Seconds since the epoch at which the axis begins.
    origin: f64,
}

/// What happened in some stretch of time.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Stretch {
    /// Replies.
    pub replies: u64,
    /// Commands without a reply.
    pub failed: u64,
    /// Wrong replies.
    pub wrong: u64,
    /// Replies that lacked an update for more than 5 s.
    pub late: u64,
    /// Sights of the propagation probe that have not come for 5 s.
    pub unseen: u64,
    /// The 99th percentile of response times in a second, the median over all seconds, in
    /// microseconds.
    pub response_p99: Option<f64>,
    /// Likewise from a write at one server to its sight at another.
    pub seen_p99: Option<f64>,
    /// The same in the worst second.
    pub seen_p99_worst: Option<f64>,
}

impl<'a> Seconds<'a> {
    /// Seconds whose axis begins at a moment of the wall clock, in seconds since the epoch.
    #[must_use]
    pub fn new(series: &'a [Second], origin: f64) -> Self {
        Self { series, origin }
    }

    /// The end of a second on the axis.
    fn at(&self, second: &Second) -> f64 {
        second.time - self.origin
    }

    /// What the seconds tell that ended within a stretch.
    #[must_use]
    pub fn stretch(&self, stretch: &Range<f64>) -> Stretch {
        let within = || self.series.iter().filter(|second| stretch.contains(&self.at(second)));
        let sum = |value: fn(&Second) -> u64| within().map(value).sum();
        let values = |value: fn(&Second) -> Option<f64>| within().filter_map(value).collect::<Vec<f64>>();
        let seen = values(|second| second.seen_p99);
        Stretch {
            replies: sum(|second| second.replies),
            failed: sum(|second| second.failed),
            wrong: sum(|second| second.wrong),
            late: sum(|second| second.lost),
            unseen: sum(|second| second.unseen),
            response_p99: median(&values(|second| second.response_p99)),
            seen_p99: median(&seen),
            seen_p99_worst: seen.into_iter().reduce(f64::max),
        }
    }

    /// Replies and failures per second.
    #[must_use]
    pub fn replies_panel(&self) -> Panel {
        #[allow(clippy::cast_precision_loss)]
        let line = |name: &str, value: fn(&Second) -> u64| self.line(name, |second| Some(value(second) as f64));
        let lines = vec![
            line("replies", |second| second.replies),
            line("failed", |second| second.failed),
            line("wrong", |second| second.wrong),
        ];
        Panel::Lines { heading: "commands per second".into(), scale: Scale::Linear, lines }
    }

    /// Latencies of each second.
    #[must_use]
    pub fn latency_panel(&self) -> Panel {
        let line =
            |name: &str, value: fn(&Second) -> Option<f64>| self.line(name, move |second| Some(value(second)? / 1e3));
        let lines = vec![
            line("response p99", |second| second.response_p99),
            line("propagation p99", |second| second.seen_p99),
            line("propagation p50", |second| second.seen_p50),
        ];
        Panel::Lines { heading: "milliseconds".into(), scale: Scale::Logarithmic, lines }
    }

    fn line(&self, name: &str, value: impl Fn(&Second) -> Option<f64>) -> Line {
        Line { name: name.into(), points: self.series.iter().map(|second| (self.at(second), value(second))).collect() }
    }
}

#[cfg(test)]
mod tests {
    use loadgen::series::Phase;

    use super::*;

    fn second(time: f64, seen_p99: Option<f64>) -> Second {
        Second {
            time,
            elapsed: 0.0,
            phase: Phase::Measure,
            replies: 10,
            failed: 1,
            wrong: 0,
            lost: 2,
            response_p50: None,
            response_p99: Some(time),
            lag_p99: None,
            seen: 0,
            unseen: 0,
            seen_p50: None,
            seen_p99,
        }
    }

    #[test]
    fn a_stretch_has_the_seconds_that_ended_in_it() {
        let series =
            [second(101.0, Some(5.0)), second(102.0, None), second(103.0, Some(9.0)), second(104.0, Some(1.0))];
        let found = Seconds::new(&series, 100.0).stretch(&(1.0..4.0));
        assert_eq!((found.replies, found.failed, found.wrong, found.late), (30, 3, 0, 6));
        assert_eq!((found.response_p99, found.seen_p99, found.seen_p99_worst), (Some(102.0), Some(7.0), Some(9.0)));
        assert_eq!(Seconds::new(&series, 100.0).stretch(&(9.0..10.0)), Stretch::default());
    }

    #[test]
    fn lines_have_gaps_where_nothing_was_seen() {
        let series = [second(101.0, Some(5000.0)), second(102.0, None)];
        let Panel::Lines { lines, .. } = Seconds::new(&series, 100.0).latency_panel() else { panic!() };
        assert_eq!(lines[1].points, [(1.0, Some(5.0)), (2.0, None)]);
    }
}
