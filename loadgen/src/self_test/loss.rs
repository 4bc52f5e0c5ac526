//! Replies that never come: is each command without one counted, and none besides?

use std::time::Duration;

use super::noise::Noise;
use super::setting::{due, plan, run};
use super::{Group, Row, SelfTestError};
use crate::fake::{Behaviour, Fake, Fault};
use crate::measure::nanos;
use crate::plan::Pace;

const CLIENTS: usize = 20;
const INTERVAL: Duration = Duration::from_millis(25);
const DURATION: Duration = Duration::from_secs(1);
/// Connections on which replies stop.
const CONNECTIONS: u64 = 5;
/// How long a reply may take.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn silence() -> Result<Group, SelfTestError> {
    let mut group = lose(Fault::FallsSilent)?;
    group.title = "5 connections on which replies stop; open loop, 800 commands/s, time-out 2 s".into();
    Ok(group)
}

pub(super) fn hang_up() -> Result<Group, SelfTestError> {
    let mut group = lose(Fault::HangsUp)?;
    group.title = "5 connections closed under commands; open loop, 800 commands/s".into();
    Ok(group)
}

fn lose(fault: Fault) -> Result<Group, SelfTestError> {
    let fake = Fake::behaving(Behaviour { fault, times: CONNECTIONS, ..Behaviour::default() })?;
    let pace = Pace::every(INTERVAL, CLIENTS);
    let plan = crate::plan::Plan { timeout: TIMEOUT, ..plan(&[("Clark", &fake)], CLIENTS, pace, DURATION) };
    let due = due(&plan);
    let (outcome, tally) = run(plan, fake)?;
    // A reply that the machine delays for about as long as the time-out is no reply in time.
    let too_late = Noise::new(&outcome, &tally).longest() > nanos(TIMEOUT) / 4;
    let counts = outcome.record.counts;
    let timeouts = if fault == Fault::FallsSilent { tally.swallowed } else { 0 };
    let rows = [
        Row::count("commands sent without a reply", tally.swallowed, counts.sent - counts.answered),
        Row::count("time-outs", timeouts, outcome.record.iamat.timeouts),
        Row::count("failed: due and without a reply", due - tally.replies, counts.failed),
        Row::count("wrong answers", 0, counts.wrong),
    ];
    Ok(Group {
        title: String::new(),
        rows: rows.map(|row| row.excused_if(too_late).void_if(tally.faults < CONNECTIONS)).into(),
    })
}
