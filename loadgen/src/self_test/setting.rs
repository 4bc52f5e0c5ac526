//! What all runs of the self-test have in common.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::SelfTestError;
use crate::fake::{Fake, Tally};
use crate::plan::{Mix, Pace, Plan, Target};
use crate::run::{self, Outcome};

/// How late commands may be sent for a run to be valid, as `--max-lag` has it by default.
const MAX_LAG: Duration = Duration::from_millis(10);
/// Servers and clients share a clock here; only setting it could make them differ.
const MAX_SKEW: Duration = Duration::from_secs(1);

/// A plan for clients of some fake servers: IAMAT only, all of it measured, no probe and no last
/// look.
pub(super) fn plan(servers: &[(&str, &Fake)], clients: usize, pace: Pace, duration: Duration) -> Plan {
    let target = |(name, fake): &(&str, &Fake)| Target {
        name: (*name).to_owned(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, fake.port)),
    };
    let targets = servers.iter().map(target).collect();
    let hops = vec![vec![1; servers.len()]; servers.len()];
    Plan {
        pace,
        mix: Mix { whatsat: 0.0, ..Mix::default() },
        duration,
        max_skew: MAX_SKEW,
        max_lag: MAX_LAG,
        verify: false,
        ..Plan::new(targets, hops, clients, "selftest".into())
    }
}

/// Commands that are due in a plan of an open loop: the schedule leaves none out, however late.
pub(super) fn due(plan: &Plan) -> u64 {
    let Pace::Open { rate, .. } = plan.pace else { return 0 };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let due = (rate.mean(plan.duration) * plan.duration.as_secs_f64()).round() as u64;
    due
}

/// Runs a plan against a server, and says what the generator and what the server has to say.
pub(super) fn run(plan: Plan, fake: Fake) -> Result<(Outcome, Tally), SelfTestError> {
    let outcome = run::run(plan, |_, _| {})?;
    Ok((outcome, fake.finish()?))
}
