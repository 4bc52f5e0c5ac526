//! Known delays: do percentiles say what the server has done?

use std::time::Duration;

use hdrhistogram::Histogram;

use super::noise::Noise;
use super::row::Tolerance;
use super::setting::{due, plan, run as run_plan};
use super::{Group, Row, SelfTestError};
use crate::fake::{Behaviour, Fake};
use crate::measure::Latencies;
use crate::plan::Pace;

const CLIENTS: usize = 200;
/// Longer than any delay: commands of a client do not wait for each other.
const INTERVAL: Duration = Duration::from_millis(200);
const DURATION: Duration = Duration::from_secs(3);
/// What delays follow from.
const SEED: u64 = 1;

pub(super) fn run() -> Result<Group, SelfTestError> {
    let fake = Fake::behaving(Behaviour { delays: Some(SEED), ..Behaviour::default() })?;
    let plan = plan(&[("Clark", &fake)], CLIENTS, Pace::every(INTERVAL, CLIENTS), DURATION);
    let due = due(&plan);
    let (outcome, tally) = run_plan(plan, fake)?;
    let mut rows =
        vec![Row::count("commands measured, of those that were due", due, outcome.record.iamat.response.len())];
    rows.extend(compare(&tally.delays, &outcome.record.iamat, &Noise::new(&outcome, &tally)));
    Ok(Group { title: format!("replies that take {}; open loop, 1000 commands/s", Fake::DELAYS), rows })
}

/// Compares delays with what was measured of them.
fn compare(delays: &Histogram<u64>, measured: &Latencies, noise: &Noise) -> Vec<Row> {
    let mut rows = Vec::new();
    for (view, histogram) in [("service", &measured.service), ("response", &measured.response)] {
        for (name, percentile) in [("p50", 50.0), ("p99", 99.0), ("max", 100.0)] {
            let [injected, measured] = [delays, histogram].map(|times| times.value_at_percentile(percentile));
            let tolerance = Tolerance { unsure: 0, noise: noise.at(percentile) };
            rows.push(Row::time(&format!("{view} {name}"), injected, measured, tolerance));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::self_test::Verdict;

    const MS: u64 = 1_000_000;

    /// Rows that do not hold where a generator measures `wrongly` what took 1 to 1000 ms.
    fn failed(wrongly: impl Fn(u64) -> u64) -> Vec<String> {
        let mut delays = crate::measure::histogram();
        let mut measured = Latencies::default();
        for nanos in (1..=1000).map(|ms| ms * MS) {
            delays.record(nanos).unwrap();
            measured.record(0, 0, wrongly(nanos), 1);
        }
        let rows = compare(&delays, &measured, &Noise::of(0));
        rows.into_iter().filter(|row| row.verdict == Verdict::Failed).map(|row| row.name).collect()
    }

    #[test]
    fn a_generator_that_measures_wrongly_is_caught() {
        let none: [&str; 0] = [];
        assert_eq!(failed(|nanos| nanos), none);
        assert_eq!(failed(|nanos| nanos + MS / 2), none);
        // All a little too short, or much too long.
        assert_eq!(failed(|nanos| nanos - nanos / 100).len(), 6);
        assert_eq!(failed(|nanos| nanos + 80 * MS).len(), 6);
        // What took long is not believed.
        let high = ["service p99", "service max", "response p99", "response max"];
        assert_eq!(failed(|nanos| nanos.min(900 * MS)), high);
    }
}
