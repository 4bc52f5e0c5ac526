//! Two runs side by side, and which differences are more than chance.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::{OperationReport, Report, Summary, time};
use crate::stored::NotAHistogram;

/// Standard deviations on both sides of the middle that hold 95 % of a normal distribution.
const Z: f64 = 1.96;

/// A percentile, and where it lies with 95 % confidence, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Estimate {
    value: u64,
    low: u64,
    /// `None` where so few values say nothing of how high it may be.
    high: Option<u64>,
}

/// How many of `count` ordered values lie below a percentile is binomially distributed: the
/// values at the ends of that distribution's middle 95 % bound the percentile (order statistics,
/// by the normal approximation). That takes replies for independent of each other, which those
/// of one stall are not: two intervals that just miss each other prove nothing.
fn estimate(histogram: &Histogram<u64>, percentile: f64) -> Estimate {
    #[allow(clippy::cast_precision_loss)]
    let count = histogram.len() as f64;
    let quantile = percentile / 100.0;
    let spread = Z * (count * quantile * (1.0 - quantile)).sqrt();
    let at = |rank: f64| histogram.value_at_quantile((rank / count).max(0.0));
    let (low, high) = (count * quantile - spread, count * quantile + spread + 1.0);
    Estimate { value: histogram.value_at_quantile(quantile), low: at(low), high: (high <= count).then(|| at(high)) }
}

/// The table of two runs: response, service and propagation times at several percentiles, each with the
/// interval that holds it with 95 % confidence, and their ratio.
///
/// # Errors
/// If a report has no histograms.
pub fn diff(a: &Report, b: &Report) -> Result<String, NotAHistogram> {
    let mut out = format!("{:<26}{:>27}{:>27}{:>8}\n", "", "A  [95 % confidence]", "B  [95 % confidence]", "B ÷ A");
    for (name, a, b) in [("IAMAT", &a.iamat, &b.iamat), ("WHATSAT", &a.whatsat, &b.whatsat)] {
        operation(&mut out, name, a, b)?;
    }
    for (name, a, b) in propagation(a, b) {
        summaries(&mut out, &name, a, b)?;
    }
    for (what, count) in
        [("replies", [a, b].map(|run| run.counts.answered)), ("wrong", [a, b].map(|run| run.counts.wrong))]
    {
        // A String takes every write.
        let _ = writeln!(out, "{what:<26}{:>27}{:>27}", count[0], count[1]);
    }
    Ok(out)
}

fn operation(out: &mut String, name: &str, a: &OperationReport, b: &OperationReport) -> Result<(), NotAHistogram> {
    for (view, a, b) in [("response", &a.response, &b.response), ("service", &a.service, &b.service)] {
        summaries(out, &format!("{name} {view}"), a, b)?;
    }
    Ok(())
}

/// The latencies over so many links that both runs have, in each of the two ways.
fn propagation<'r>(a: &'r Report, b: &'r Report) -> Vec<(String, &'r Summary, &'r Summary)> {
    let asked = |run: &'r Report| run.propagation.as_ref().map_or(&[][..], |seen| &seen.by_hops);
    let pushed = |run: &'r Report| run.tap().map_or(&[][..], |seen| &seen.by_hops);
    let mut rows = Vec::new();
    for (way, a, b) in [("asked", asked(a), asked(b)), ("pushed", pushed(a), pushed(b))] {
        for over in a {
            let same = b.iter().find(|other| other.hops == over.hops);
            rows.extend(same.map(|same| (format!("{way} {}", over.way()), &over.latency, &same.latency)));
        }
    }
    rows
}

fn summaries(out: &mut String, name: &str, a: &Summary, b: &Summary) -> Result<(), NotAHistogram> {
    let (a, b) = (a.histogram()?, b.histogram()?);
    if a.is_empty() || b.is_empty() {
        return Ok(());
    }
    for percentile in [50.0, 90.0, 99.0, 99.9] {
        let (a, b) = (estimate(&a, percentile), estimate(&b, percentile));
        let is_below = |a: Estimate, b: Estimate| a.high.is_some_and(|high| high < b.low);
        let apart = is_below(a, b) || is_below(b, a);
        #[allow(clippy::cast_precision_loss)]
        let ratio = b.value as f64 / a.value.max(1) as f64;
        let verdict = if apart { "" } else { "  may be chance" };
        let what = format!("{name} p{percentile}");
        let _ = writeln!(out, "{what:<26}{:>27}{:>27}{ratio:>8.2}{verdict}", text(a), text(b));
    }
    Ok(())
}

fn text(estimate: Estimate) -> String {
    #[allow(clippy::cast_precision_loss)]
    let text = |nanos: u64| time(nanos as f64 / 1e3);
    let high = estimate.high.map_or("?".into(), text);
    format!("{} [{}, {high}]", text(estimate.value), text(estimate.low))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram;

    fn uniform(count: u64, scale: u64) -> Histogram<u64> {
        let mut all = histogram();
        (1..=count).for_each(|value| all.record(value * scale).unwrap());
        all
    }

    #[test]
    fn the_interval_is_that_of_order_statistics() {
        // Of 10,000 values 1…10,000 the median's rank is 5000 ± 1.96 × 50.
        let median = estimate(&uniform(10_000, 1000), 50.0);
        let near = |value: u64, expected: f64| (value as f64 / 1000.0 / expected - 1.0).abs() < 0.002;
        assert!(
            near(median.value, 5000.0) && near(median.low, 4902.0) && near(median.high.unwrap(), 5099.0),
            "{median:?}"
        );
    }

    #[test]
    fn few_values_say_nothing_of_how_high_a_high_percentile_may_be() {
        assert_eq!(estimate(&uniform(1000, 1000), 99.9).high, None);
        assert!(estimate(&uniform(10_000, 1000), 99.9).high.is_some());
    }

    #[test]
    fn of_repeated_draws_some_95_percent_hold_the_true_value() {
        let mut rng = fastrand::Rng::with_seed(5);
        let trials = 400;
        let hits = (0..trials).filter(|_| {
            let mut draws = histogram();
            (0..500).for_each(|_| draws.record(rng.u64(1_000_000..2_000_000)).unwrap());
            let estimate = estimate(&draws, 90.0);
            (estimate.low..=estimate.high.unwrap()).contains(&1_900_000)
        });
        let share = hits.count() as f64 / f64::from(trials);
        assert!((0.92..=0.99).contains(&share), "{share}");
    }
}
