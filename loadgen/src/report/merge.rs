//! Several runs as one, without loss: counts add up, and histograms value by value.

use super::tap::merge_taps;
use super::{
    CountsReport, GeneratorReport, OperationReport, PairReport, PlanReport, PropagationReport, RampReport, Report,
    SloReport, TapReport, VERSION, by_hops, steps, sum,
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
    let invalid = operation(reports, |report| &report.invalid, plan.duration_s)?;
    let counts = counts(reports);
    let operations = [&iamat, &whatsat, &invalid];
    let generator = generator(reports, operations, counts.answered)?;
    let slos = first.slos.iter().map(|slo| judge(&slo.slo, operations)).collect::<Result<_, _>>()?;
    let steps: Vec<_> = reports.iter().map(|report| report.steps.as_slice()).collect();
    Ok(Report {
        format: first.format.clone(),
        version: VERSION,
        started: reports.iter().map(|report| report.started.clone()).min().unwrap_or_default(),
        plan,
        iamat,
        whatsat,
        invalid,
        counts,
        stale: sum(reports.iter().map(|report| &report.stale))?,
        handover: sum(reports.iter().map(|report| &report.handover))?,
        steps: steps::merge(&steps)?,
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
        same(plan.spacing == other.spacing && over(plan.ramp) == over(other.ramp), "their pace")?;
        same(plan.whatsat == other.whatsat && plan.unknown == other.unknown, "their share of WHATSATs")?;
        same(plan.about_itself == other.about_itself, "whom they ask about")?;
        same(plan.radius == other.radius && plan.bound == other.bound, "what they ask for")?;
        same(plan.garbage == other.garbage, "their share of lines that are no commands")?;
        same(plan.roam_s == other.roam_s, "how long clients stay with a server")?;
        let shard = (other.run.clone(), other.shard.clone());
        if shards.contains(&shard) {
            return Err(MergeError::Twice { run: shard.0, shard: shard.1 });
        }
        shards.push(shard);
        plan.clients += other.clients;
        plan.threads += other.threads;
        let offered = plan.offered_per_second.zip(other.offered_per_second);
        plan.offered_per_second = offered.map(|(a, b)| a + b);
        plan.ramp = plan.ramp.zip(other.ramp).map(|(a, b)| RampReport {
            from_per_second: a.from_per_second + b.from_per_second,
            to_per_second: a.to_per_second + b.to_per_second,
            ..a
        });
    }
    let mut runs: Vec<String> = shards.iter().map(|(run, _)| run.clone()).collect();
    runs.dedup();
    plan.run = runs.join(" ");
    plan.shard = shards.into_iter().map(|(_, shard)| shard).collect::<Vec<_>>().join(" ");
    Ok(plan)
}

/// How long a ramp takes: its rates are those of a shard's own clients.
fn over(ramp: Option<RampReport>) -> Option<f64> {
    ramp.map(|ramp| ramp.over_s)
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

fn generator(
    reports: &[Report],
    operations: [&OperationReport; 3],
    answered: u64,
) -> Result<GeneratorReport, MergeError> {
    let parts: Vec<&GeneratorReport> = reports.iter().map(|report| &report.generator).collect();
    let lag = sum(operations.iter().map(|operation| &operation.lag))?;
    Ok(GeneratorReport::merge(&parts, &lag, answered))
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

fn judge(slo: &str, operations: [&OperationReport; 3]) -> Result<SloReport, MergeError> {
    let [iamat, whatsat, invalid] = operations;
    let slo: Slo = slo.parse().map_err(|_| MergeError::Slo(slo.to_owned()))?;
    let (operation, view) = slo.subject();
    let operation = match operation {
        Operation::Iamat => iamat,
        Operation::Whatsat => whatsat,
        Operation::Invalid => invalid,
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
    use crate::plan::{Mix, Pace, Plan, Rate, Spacing, Target};
    use crate::probe::Propagation;
    use crate::probe::tap::{LinkCounts, Tapped};
    use crate::record::Record;
    use crate::run::Outcome;
    use crate::steps::Steps;

    fn plan(shard: &str, run: &str) -> Plan {
        let target = |name: &str| Target { name: name.into(), address: "127.0.0.1:1".parse().unwrap() };
        let servers = vec![target("Bona"), target("Clark")];
        let rate = Rate { from: 10.0, to: 30.0, over: Duration::from_secs(10) };
        Plan {
            shard: shard.parse().unwrap(),
            pace: Pace::Open { rate, spacing: Spacing::Exponential },
            mix: Mix { whatsat: 0.1, ..Mix::default() },
            roam: Some(Duration::from_secs(1)),
            ..Plan::new(servers, vec![vec![0, 1], vec![1, 0]], 10, run.into())
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
        let plans = || [plan("1/1", "r1"), plan("1/2", "r1"), plan("2/2", "r1")];
        let mut records = plans().map(|plan| Record { steps: Steps::new(&plan), ..Record::default() });
        let mut seen = [(); 3].map(|()| Propagation { tap: Some(nothing_tapped()), ..Propagation::new(2) });
        for number in 0..5000_u64 {
            let part = 1 + rng.usize(..2);
            let most = 1 << rng.u32(1..36);
            let (due, lag, service) = (number * 1000, rng.u64(..1_000_000), rng.u64(..most));
            let operation =
                [Operation::Iamat, Operation::Iamat, Operation::Whatsat, Operation::Invalid][rng.usize(..4)];
            for place in [0, part] {
                let record = &mut records[place];
                record.latencies(operation).record(due, due + lag, due + lag + service, 1);
                record.steps.record(number * 2_000_000, lag + service, 1);
                record.handover.saturating_record(lag);
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
        let mut parts = plans().into_iter().zip(records).zip(seen);
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
        assert_eq!((merged.plan.clients, merged.plan.offered_per_second), (10, Some(20.0)));
        assert_eq!(merged.steps.iter().map(|step| step.response.count).sum::<u64>(), 5000);
        assert_eq!((merged.steps[0].offered_per_second, merged.steps[9].offered_per_second), (11.0, 29.0));
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
