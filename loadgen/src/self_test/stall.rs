//! A server that stalls once. In the open loop all must be seen that would have waited; the
//! closed loop shows why it is not to be used for response times: it hides them.

use std::ops::RangeInclusive;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::noise::Noise;
use super::row::Tolerance;
use super::setting::{due, plan, run};
use super::{Group, Row, SelfTestError, Unit, Verdict};
use crate::fake::{Behaviour, Fake, Fault, Tally};
use crate::measure::nanos;
use crate::plan::Pace;

const CLIENTS: usize = 10;
const INTERVAL: Duration = Duration::from_millis(10);
const DURATION: Duration = Duration::from_secs(2);
const STALL: Duration = Duration::from_millis(500);
/// The command at which that happens: in the open loop after 700 ms.
const AT: u64 = 700;
/// If the machine holds up the generator for so long, in nanoseconds, the stall may have come
/// when the schedule was nearly over.
const TOO_LATE: u64 = 100_000_000;
/// Percentiles that the stall decides: it takes a quarter of the time.
const PERCENTILES: [f64; 4] = [80.0, 90.0, 95.0, 99.0];

pub(super) fn open_loop() -> Result<Group, SelfTestError> {
    let (fake, pace) = (stalling()?, Pace::every(INTERVAL, CLIENTS));
    let plan = plan(&[("Clark", &fake)], CLIENTS, pace, DURATION);
    let due = due(&plan);
    let (outcome, tally) = run(plan, fake)?;
    let response = &outcome.record.iamat.response;
    let noise = Noise::new(&outcome, &tally);
    let mut rows = vec![Row::count("commands measured, of those that were due", due, response.len())];
    rows.extend(waited(stalled(&tally), response, &noise));
    Ok(Group { title: "a stall of 500 ms in 2 s; open loop, 1000 commands/s".into(), rows })
}

pub(super) fn closed_loop() -> Result<Group, SelfTestError> {
    let fake = stalling()?;
    let plan = plan(&[("Clark", &fake)], CLIENTS, Pace::Closed { pipeline: 1 }, DURATION);
    let (outcome, tally) = run(plan, fake)?;
    let mut rows = vec![Row::count("replies", tally.replies, outcome.record.counts.answered)];
    rows.extend(hidden(stalled(&tally), &outcome.record.iamat.response, &Noise::new(&outcome, &tally)));
    Ok(Group { title: "the same stall; closed loop, which hides it".into(), rows })
}

fn stalling() -> std::io::Result<Fake> {
    Fake::behaving(Behaviour { fault: Fault::Stalls { at: AT, time: STALL }, ..Behaviour::default() })
}

/// How long the server stalled, in nanoseconds.
fn stalled(tally: &Tally) -> u64 {
    tally.stalled.map_or(0, nanos)
}

/// Compares response times with what the schedule says that clients waited.
fn waited(stalled: u64, response: &Histogram<u64>, noise: &Noise) -> Vec<Row> {
    let (is_amiss, is_late) = (stalled < nanos(STALL), noise.longest() >= TOO_LATE);
    // How many commands of a client are due in a time is known but for one.
    let unsure = nanos(INTERVAL);
    let row = |name: String, percentile: f64, expected: u64, unsure: u64| {
        let tolerance = Tolerance { unsure, noise: noise.at(percentile) };
        let measured = response.value_at_percentile(percentile);
        Row::time(&name, expected, measured, tolerance).excused_if(is_late).void_if(is_amiss)
    };
    let percentiles = PERCENTILES
        .map(|percentile| row(format!("response p{percentile}"), percentile, waiting(stalled, percentile), unsure));
    // The command at which it stalled has waited for all of it.
    percentiles.into_iter().chain([row("response max".into(), 100.0, stalled, 0)]).collect()
}

/// A percentile of what clients wait that go on to ask while a server stalls: those that come
/// then, which are as many as come in any such time, wait for what is left of it.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn waiting(stalled: u64, percentile: f64) -> u64 {
    let above = (1.0 - percentile / 100.0) * nanos(DURATION) as f64;
    stalled.saturating_sub(above as u64)
}

/// Shows how few commands of a closed loop notice the stall.
fn hidden(stalled: u64, response: &Histogram<u64>, noise: &Noise) -> Vec<Row> {
    let long = nanos(STALL) / 2;
    let would_wait = stalled.saturating_sub(long) * CLIENTS as u64 / nanos(INTERVAL);
    let waited = response.count_between(long, u64::MAX);
    let p99 = response.value_at_percentile(99.0);
    let max = Tolerance { unsure: 0, noise: noise.at(100.0) };
    [
        // Each client has one command under way.
        shows("commands that wait for more than 250 ms", Unit::Count, would_wait, waited, 1..=CLIENTS as u64),
        shows("response p99", Unit::Nanoseconds, waiting(stalled, 99.0), p99, 0..=long),
        Row::time("response max", stalled, response.max(), max),
    ]
    .map(|row| row.void_if(stalled < nanos(STALL)))
    .into()
}

/// What an open loop would have measured and what was measured, which is to be much less. More
/// shows nothing but that the machine was too busy.
fn shows(name: &str, unit: Unit, injected: u64, measured: u64, allowed: RangeInclusive<u64>) -> Row {
    let (from, to) = allowed.into_inner();
    let verdict = match measured {
        _ if measured < from => Verdict::Failed,
        _ if measured > to => Verdict::Invalid,
        _ => Verdict::Ok,
    };
    Row { name: name.into(), unit, injected, measured, from, to, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::histogram;

    const MS: u64 = 1_000_000;

    /// Response times of clients that go on to ask, one each millisecond for 2 s, of which a
    /// stall of 500 ms is a part.
    fn open() -> Histogram<u64> {
        let mut response = histogram();
        response.record_n(MS / 10, 1500).unwrap();
        (1..=500).for_each(|ms| response.record(ms * MS).unwrap());
        response
    }

    /// The same where each waits for its reply before it goes on to ask.
    fn closed() -> Histogram<u64> {
        let mut response = histogram();
        response.record_n(MS / 10, 150_000).unwrap();
        response.record_n(500 * MS, CLIENTS as u64).unwrap();
        response
    }

    fn failed(rows: Vec<Row>) -> Vec<String> {
        rows.into_iter().filter(|row| row.verdict == Verdict::Failed).map(|row| row.name).collect()
    }

    #[test]
    fn what_clients_wait_follows_from_the_schedule() {
        let expected = [100, 300, 400, 480];
        for (percentile, ms) in PERCENTILES.into_iter().zip(expected) {
            assert!(waiting(500 * MS, percentile).abs_diff(ms * MS) < 10, "{percentile}");
        }
        assert_eq!(waiting(500 * MS, 50.0), 0);
        let none: [&str; 0] = [];
        assert_eq!(failed(waited(500 * MS, &open(), &Noise::of(0))), none);
        assert_eq!(failed(hidden(500 * MS, &closed(), &Noise::of(0))), none);
    }

    #[test]
    fn a_generator_that_hides_a_stall_is_caught() {
        let all = ["response p80", "response p90", "response p95", "response p99"];
        assert_eq!(failed(waited(500 * MS, &closed(), &Noise::of(0))), all);
        // It has not even seen the command at which the server stalled.
        let mut blind = histogram();
        blind.record_n(MS / 10, 2000).unwrap();
        assert_eq!(failed(waited(500 * MS, &blind, &Noise::of(0))).len(), 5);
        assert_eq!(failed(hidden(500 * MS, &blind, &Noise::of(0))).len(), 2);
        // It makes everything a tenth longer than it was.
        let mut long = histogram();
        open().iter_recorded().for_each(|value| {
            long.record_n(value.value_iterated_to() * 11 / 10, value.count_at_value()).unwrap();
        });
        assert!(failed(waited(500 * MS, &long, &Noise::of(0))).contains(&"response max".to_owned()));
    }

    #[test]
    fn a_machine_that_was_too_busy_is_told_from_a_wrong_generator() {
        let rows = waited(500 * MS, &closed(), &Noise::of(TOO_LATE));
        assert_eq!(failed(rows.clone()), [""; 0]);
        assert!(rows.iter().any(|row| row.verdict == Verdict::Invalid));
        let never = waited(0, &closed(), &Noise::of(0));
        assert!(never.iter().all(|row| row.verdict != Verdict::Ok), "without a stall nothing is shown");
    }
}
