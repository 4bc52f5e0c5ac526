//! A run whose rate changed: what was offered and how it was answered, part by part.

use serde::{Deserialize, Serialize};

use super::Summary;
use super::merge::MergeError;
use super::sum;
use crate::plan::{Pace, Plan};
use crate::steps::Steps;

/// A part of a run, by when commands were due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its middle, in seconds from the end of the warm-up on.
    pub middle_s: f64,
    /// Commands per second that were due in its middle.
    pub offered_per_second: f64,
    /// From when they were due until their reply, or until they were given up.
    pub response: Summary,
}

pub(super) fn steps(steps: &Steps, plan: &Plan) -> Vec<StepReport> {
    let Pace::Open { rate, .. } = plan.pace else { return Vec::new() };
    let rate = plan.own_part(rate);
    let report = |step: crate::steps::Step<'_>| StepReport {
        middle_s: step.middle.as_secs_f64(),
        offered_per_second: rate.after(step.middle),
        response: Summary::new(step.responses),
    };
    steps.iter().map(report).collect()
}

/// The same parts of several runs, put together.
pub(super) fn merge(parts: &[&[StepReport]]) -> Result<Vec<StepReport>, MergeError> {
    let first = parts.first().copied().unwrap_or_default();
    let merged = |(place, step): (usize, &StepReport)| {
        let same = || parts.iter().filter_map(|part| part.get(place));
        Ok(StepReport {
            offered_per_second: same().map(|step| step.offered_per_second).sum(),
            response: sum(same().map(|step| &step.response))?,
            ..step.clone()
        })
    };
    first.iter().enumerate().map(merged).collect()
}
