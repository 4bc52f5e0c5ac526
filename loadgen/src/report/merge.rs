//! Several runs as one, without loss: counts add up, and histograms value by value.

use super::tap::merge_taps;
use super::{
    CountsReport, GeneratorReport, OperationReport, PairReport, PlanReport, PropagationReport, Report, SloReport,
    TapReport, VERSION, by_hops, sum,
};
use crate::plan::Operation;
use crate::slo::{Slo, View};
use crate::stored::NotAHistogram;

/// Wrong answers that are kept.
const KEPT: usize = 20;

/// Why runs cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("there is nothing to merge")]
    Nothing,
    /// They were asked for different things.
    #[error("the runs differ in {0}: only runs of one plan are one run")]
    Different(&'static str),
    /// They simulated the same clients.
    #[error("shard {shard} of run {run} is there twice")]
    Twice {
        /// The run.
        run: String,
        /// The shard.
        shard: String,
    },
    /// A report was written by a version that did not store histograms, or was damaged.
    #[error(transparent)]
    Histogram(#[from] NotAHistogram),
    /// An objective in a report is none.
    #[error("{0:?} is no objective")]
    Slo(String),
}

/// Puts the reports of several shards, or of several runs of one plan, together.
///
/// # Errors
/// [`MergeError`], if they are no parts of one.
pub fn merge(reports: &[Report]) -> Result<Report, MergeError> {
    let first = reports.first().ok_or(MergeError::Nothing)?;
    let plan = plan(reports)?;
    let iamat = operation(reports, |report| &report.iamat, plan.duration_s)?;
    let whatsat = operation(reports, |report| &report.whatsat, plan.duration_s)?;
    let counts = counts(reports);
    let generator = generator(reports, &iamat, &whatsat, counts.answered)?;
    let slos = first.slos.iter().map(|slo| judge(&slo.slo, &iamat, &whatsat)).collect::<Result<_, _>>()?;
    Ok(Report {
        format: first.format.clone(),
        version: VERSION,
        started: reports.iter().map(|report| report.started.clone()).min().unwrap_or_default(),
        plan,
        iamat,
        whatsat,
        counts,
        stale: sum(reports.iter().map(|report| &report.stale))?,
        propagation: propagation(reports)?,
        generator,
        slos,
        wrong: reports.iter().flat_map(|report| report.wrong.iter().cloned()).take(KEPT).collect(),
    })
}

fn plan(reports: &[Report]) -> Result<PlanReport, MergeError> {
    let mut plan = reports[0].plan.clone();
    let mut shards = vec![(plan.run.clone(), plan.shard.clone())];
    for other in reports[1..].iter().map(|report| &report.plan) {
        let same = |is_same: bool, what| if is_same { Ok(()) } else { Err(MergeError::Different(what)) };
        same(plan.servers == other.servers, "their servers")?;
        same(plan.pace == other.pace && plan.pipeline == other.pipeline, "their pace")?;
        same(plan.duration_s == other.duration_s && plan.warm_up_s == other.warm_up_s, "how long they took")?;
        same(plan.whatsat == other.whatsat, "their share of WHATSATs")?;
        let shard = (other.run.clone(), other.shard.clone());
        if shards.contains(&shard) {
            return Err(MergeError::Twice { run: shard.0, shard: shard.1 });
        }
        shards.push(shard);
        plan.clients += other.clients;
        plan.threads += other.threads;
        let offered = plan.offered_per_second.zip(other.offered_per_second);
        plan.offered_per_second = offered.map(|(a, b)| a + b);
    }
    let mut runs: Vec<String> = shards.iter().map(|(run, _)| run.clone()).collect();
    runs.dedup();
    plan.run = runs.join(" ");
    plan.shard = shards.into_iter().map(|(_, shard)| shard).collect::<Vec<_>>().join(" ");
    Ok(plan)
}

fn operation(
    reports: &[Report],
    of: impl Fn(&Report) -> &OperationReport,
    duration_s: f64,
) -> Result<OperationReport, MergeError> {
    let service = sum(reports.iter().map(|report| &of(report).service))?;
    #[allow(clippy::cast_precision_loss)]
    let per_second = service.count as f64 / duration_s;
    Ok(OperationReport {
        per_second,
        response: sum(reports.iter().map(|report| &of(report).response))?,
        service,
        lag: sum(reports.iter().map(|report| &of(report).lag))?,
        timeouts: reports.iter().map(|report| of(report).timeouts).sum(),
    })
}

fn counts(reports: &[Report]) -> CountsReport {
    let total = |of: fn(&CountsReport) -> u64| reports.iter().map(|report| of(&report.counts)).sum();
    CountsReport {
        sent: total(|counts| counts.sent),
        answered: total(|counts| counts.answered),
        acknowledged: total(|counts| counts.acknowledged),
        failed: total(|counts| counts.failed),
        wrong: total(|counts| counts.wrong),
        stale: total(|counts| counts.stale),
        lost: total(|counts| counts.lost),
        died: total(|counts| counts.died),
        unverified: total(|counts| counts.unverified),
    }
}

/// One late part makes the whole invalid: its clients are not those that were asked for.
fn generator(
    reports: &[Report],
    iamat: &OperationReport,
    whatsat: &OperationReport,
    answered: u64,
) -> Result<GeneratorReport, MergeError> {
    let parts = || reports.iter().map(|report| &report.generator);
    let cpu_s: f64 = parts().map(|part| part.cpu_s).sum();
    let max_lag = parts().map(|part| part.max_lag).fold(0.0, f64::max);
    #[allow(clippy::cast_precision_loss)]
    let cpu_per_operation = cpu_s * 1e6 / answered.max(1) as f64;
    let lag = sum([&iamat.lag, &whatsat.lag].into_iter())?;
    let valid = parts().all(|part| part.valid) && lag.p99 <= max_lag;
    Ok(GeneratorReport { cpu_s, cpu_per_operation, max_lag, valid })
}

fn propagation(reports: &[Report]) -> Result<Option<PropagationReport>, MergeError> {
    let parts: Vec<&PropagationReport> = reports.iter().filter_map(|report| report.propagation.as_ref()).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let pairs = merge_pairs(&parts.iter().map(|part| &part.pairs[..]).collect::<Vec<_>>())?;
    let taps: Vec<&TapReport> = parts.iter().filter_map(|part| part.tap.as_ref()).collect();
    Ok(Some(PropagationReport {
        writes: parts.iter().map(|part| part.writes).sum(),
        lost: parts.iter().map(|part| part.lost).sum(),
        broken: parts.iter().map(|part| part.broken).sum(),
        unexpected: parts.iter().map(|part| part.unexpected).sum(),
        resolution: sum(parts.iter().map(|part| &part.resolution))?,
        by_hops: by_hops(&pairs)?,
        pairs,
        tap: merge_taps(&taps)?,
    }))
}

/// The pairs of several runs, each with the same in all of them.
pub(super) fn merge_pairs(runs: &[&[PairReport]]) -> Result<Vec<PairReport>, MergeError> {
    let first = runs.first().copied().unwrap_or_default();
    if runs.iter().any(|pairs| pairs.len() != first.len()) {
        return Err(MergeError::Different("their servers"));
    }
    let pair = |(place, pair): (usize, &PairReport)| {
        let same = || runs.iter().map(|pairs| &pairs[place]);
        let (lost, latency) = (same().map(|pair| pair.lost).sum(), sum(same().map(|pair| &pair.latency))?);
        Ok(PairReport { lost, latency, ..pair.clone() })
    };
    first.iter().enumerate().map(pair).collect()
}

fn judge(slo: &str, iamat: &OperationReport, whatsat: &OperationReport) -> Result<SloReport, MergeError> {
    let slo: Slo = slo.parse().map_err(|_| MergeError::Slo(slo.to_owned()))?;
    let (operation, view) = slo.subject();
    let operation = match operation {
        Operation::Iamat => iamat,
        Operation::Whatsat => whatsat,
    };
    let summary = match view {
        View::Response => &operation.response,
        View::Service => &operation.service,
        View::Lag => &operation.lag,
    };
    Ok(slo.judge_view(&summary.histogram()?).into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use fastrand::Rng;

    use super::*;
    use crate::measure::histogram;
    use crate::plan::{Pace, Plan, Target};
    use crate::probe::Propagation;
    use crate::probe::tap::{LinkCounts, Tapped};
    use crate::record::Record;
    use crate::run::Outcome;

    fn plan(shard: &str, run: &str) -> Plan {
        let target = |name: &str| Target { name: name.into(), address: "127.0.0.1:1".parse().unwrap() };
        Plan {
            servers: vec![target("Bona"), target("Clark")],
            hops: vec![vec![0, 1], vec![1, 0]],
            clients: 10,
            shard: shard.parse().unwrap(),
            pace: Pace::Open { interval: Duration::from_secs(1) },
            whatsat: 0.1,
            unknown: 0.0,
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            seed: 1,
            threads: 1,
            max_skew: Duration::from_millis(1),
            max_lag: Duration::from_millis(10),
            probe: None,
            tap: None,
            verify: true,
            run: run.into(),
        }
    }

    fn report(plan: Plan, record: Record, propagation: Propagation) -> Report {
        let slo = "iamat.response.p99<5ms".parse().unwrap();
        let started = SystemTime::UNIX_EPOCH;
        let cpu = Duration::from_secs(record.counts.answered);
        Report::new(&Outcome { plan, started, record, propagation: Some(propagation), cpu }, &[slo])
    }

    fn nothing_tapped() -> Tapped {
        let (latency, lost, links) =
            (vec![vec![histogram(); 2]; 2], vec![vec![0; 2]; 2], vec![LinkCounts::default(); 2]);
        Tapped { name: "tap".into(), latency, lost, broken: 0, resolution: histogram(), links }
    }

    /// A run that is recorded once as a whole and once in two parts.
    fn recorded() -> [Report; 3] {
        let mut rng = Rng::with_seed(9);
        let mut records: [Record; 3] = Default::default();
        let mut seen = [(); 3].map(|()| Propagation { tap: Some(nothing_tapped()), ..Propagation::new(2) });
        for number in 0..5000_u64 {
            let part = 1 + rng.usize(..2);
            let most = 1 << rng.u32(1..36);
            let (due, lag, service) = (number * 1000, rng.u64(..1_000_000), rng.u64(..most));
            let is_whatsat = rng.u8(..10) == 0;
            for place in [0, part] {
                let record = &mut records[place];
                let latencies = if is_whatsat { &mut record.whatsat } else { &mut record.iamat };
                latencies.record(due, due + lag, due + lag + service);
                record.counts.sent += 1;
                record.counts.answered += 1;
                record.stale.saturating_record(service);
                seen[place].latency[0][1].saturating_record(service);
                seen[place].writes += 1;
                let tap = seen[place].tap.as_mut().unwrap();
                tap.latency[1][1].saturating_record(lag);
                tap.resolution.saturating_record(service);
                tap.links[1].lines += 3;
                tap.links[1].reconnects += 1;
                tap.links[1].away += Duration::from_secs(1);
                tap.lost[0][1] += 1;
                tap.broken += 2;
            }
        }
        let plans = [plan("1/1", "r1"), plan("1/2", "r1"), plan("2/2", "r1")];
        let mut parts = plans.into_iter().zip(records).zip(seen);
        std::array::from_fn(|_| {
            let ((plan, record), seen) = parts.next().unwrap();
            report(plan, record, seen)
        })
    }

    #[test]
    fn a_run_that_was_split_and_merged_is_the_same_run() {
        let [whole, one, two] = recorded();
        let merged = merge(&[one, two]).unwrap();
        assert_eq!(merged.plan.shard, "1/2 2/2");
        assert_eq!((merged.plan.clients, merged.plan.offered_per_second), (10, Some(10.0)));
        let json = |report: Report| {
            let plan = PlanReport { shard: String::new(), threads: 1, ..report.plan.clone() };
            serde_json::to_string_pretty(&Report { plan, ..report }).unwrap()
        };
        assert_eq!(merged.tap().map(|tap| (tap.lines(), tap.lost, tap.broken)), Some((15_000, 5000, 10_000)));
        assert_eq!(json(merged), json(whole));
    }

    #[test]
    fn what_is_no_part_of_one_run_is_refused() {
        let [_, one, two] = recorded();
        assert_eq!(merge(&[]).unwrap_err(), MergeError::Nothing);
        let twice = merge(&[one.clone(), one.clone()]).unwrap_err();
        assert_eq!(twice.to_string(), "shard 1/2 of run r1 is there twice");
        let mut other = two.clone();
        other.plan.servers.pop();
        assert_eq!(merge(&[one.clone(), other]).unwrap_err(), MergeError::Different("their servers"));
        let mut old = two;
        old.iamat.response.histogram.clear();
        assert_eq!(merge(&[one, old]).unwrap_err(), MergeError::Histogram(NotAHistogram));
    }

    #[test]
    fn a_late_part_makes_the_whole_invalid() {
        let [_, one, mut two] = recorded();
        assert!(merge(&[one.clone(), two.clone()]).unwrap().generator.valid);
        two.generator.valid = false;
        assert!(!merge(&[one, two]).unwrap().generator.valid);
    }

    #[test]
    fn a_summary_keeps_values_of_every_size() {
        // Guards against a histogram that is read back with other bounds.
        let mut values = histogram();
        (0..40).for_each(|bit| values.record(1 << bit).unwrap());
        let summary = crate::report::Summary::new(&values);
        assert_eq!(summary.histogram().unwrap(), values);
    }
}
