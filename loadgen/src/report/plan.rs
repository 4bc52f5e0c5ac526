//! What was asked for, as a result repeats it.

use serde::{Deserialize, Serialize};

use crate::plan::{Pace, Plan, Rate, Spacing};

/// What was asked for. Shares are between 0 and 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanReport {
    /// The servers, by name.
    pub servers: Vec<String>,
    /// Simulated clients.
    pub clients: usize,
    /// A part of the clients' names that no other run has; several where runs were merged.
    #[serde(default)]
    pub run: String,
    /// Which clients were simulated, of those that were asked for; several where runs were merged.
    #[serde(default)]
    pub shard: String,
    /// `open` or `closed`.
    pub pace: String,
    /// Commands per second that were due while it was measured; open loop only.
    pub offered_per_second: Option<f64>,
    /// How the rate changed, if it did.
    #[serde(default)]
    pub ramp: Option<RampReport>,
    /// `fixed`, `jittered` or `exponential`; open loop only.
    #[serde(default)]
    pub spacing: Option<String>,
    /// Commands of a client under way at a time; closed loop only.
    pub pipeline: Option<usize>,
    /// The share of WHATSATs.
    pub whatsat: f64,
    /// The share of those that ask about clients that do not exist.
    #[serde(default)]
    pub unknown: f64,
    /// The share of the other ones that clients ask about themselves.
    #[serde(default)]
    pub about_itself: f64,
    /// The share of lines that are no commands.
    #[serde(default)]
    pub garbage: f64,
    /// Kilometres that are asked for.
    #[serde(default)]
    pub radius: String,
    /// Results that are asked for.
    #[serde(default)]
    pub bound: String,
    /// How long clients stay with a server, in seconds on average; absent if for ever.
    #[serde(default)]
    pub roam_s: Option<f64>,
    /// In seconds.
    pub warm_up_s: f64,
    /// In seconds.
    pub duration_s: f64,
    /// What everything random follows from.
    pub seed: u64,
    /// Threads of this program.
    pub threads: usize,
}

/// A rate that changes, of this result's clients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RampReport {
    /// Commands per second at first.
    pub from_per_second: f64,
    /// Commands per second in the end.
    pub to_per_second: f64,
    /// How long it takes from one to the other, in seconds, from the end of the warm-up on.
    pub over_s: f64,
}

impl PlanReport {
    pub(super) fn new(plan: &Plan) -> Self {
        let clients = plan.own_clients().count();
        let (rate, spacing, pipeline) = match plan.pace {
            Pace::Open { rate, spacing } => (Some(plan.own_part(rate)), Some(name(spacing)), None),
            Pace::Closed { pipeline } => (None, None, Some(pipeline)),
        };
        Self {
            servers: plan.servers.iter().map(|server| server.name.clone()).collect(),
            clients,
            run: plan.run.clone(),
            shard: plan.shard.to_string(),
            pace: if rate.is_some() { "open" } else { "closed" }.into(),
            offered_per_second: rate.map(|rate| rate.mean(plan.duration)),
            ramp: rate.filter(Rate::is_ramp).map(RampReport::new),
            spacing: spacing.map(Into::into),
            pipeline,
            whatsat: plan.mix.whatsat,
            unknown: plan.mix.unknown,
            about_itself: plan.mix.about_itself,
            garbage: plan.mix.garbage,
            radius: plan.mix.radius.to_string(),
            bound: plan.mix.bound.to_string(),
            roam_s: plan.roam.map(|stay| stay.as_secs_f64()),
            warm_up_s: plan.warm_up.as_secs_f64(),
            duration_s: plan.duration.as_secs_f64(),
            seed: plan.seed,
            threads: plan.threads,
        }
    }
}

impl RampReport {
    fn new(rate: Rate) -> Self {
        Self { from_per_second: rate.from, to_per_second: rate.to, over_s: rate.over.as_secs_f64() }
    }
}

const fn name(spacing: Spacing) -> &'static str {
    match spacing {
        Spacing::Fixed => "fixed",
        Spacing::Jittered => "jittered",
        Spacing::Exponential => "exponential",
    }
}
