//! Updates that are acknowledged and not kept: does the last look find each?

use std::sync::Arc;
use std::time::Duration;

use super::setting::{plan, run as run_plan};
use super::{Group, Row, SelfTestError, all_at_once};
use crate::fake::{Behaviour, Fake, Fault, Known};
use crate::plan::{Pace, Plan};
use crate::record::Counts;

const CLIENTS: usize = 20;
const PACE: Pace = Pace::every(Duration::from_millis(50), CLIENTS);
const DURATION: Duration = Duration::from_millis(500);
/// Clients of which only the first update is kept.
const VICTIMS: u64 = 5;

pub(super) fn run() -> Result<Group, SelfTestError> {
    let cases = [
        (Fault::None, "all kept"),
        (Fault::Forgets, "forgotten by both servers"),
        (Fault::KeepsToItself, "kept from the other server"),
    ];
    let rows = all_at_once(cases.map(|(fault, what)| move || compare(fault, what)))?;
    let title = "updates of 5 clients, acknowledged and not kept; two servers that tell each other".into();
    Ok(Group { title, rows: rows.concat() })
}

fn compare(fault: Fault, what: &str) -> Result<Vec<Row>, SelfTestError> {
    let (counts, faults) = look_at(fault)?;
    // At the server that has acknowledged an update an older answer is wrong; the other one may
    // not have heard of it, and has lost it only after some time.
    let wrong = if fault == Fault::Forgets { faults } else { 0 };
    let rows = [
        Row::count(&format!("{what}: lost updates"), faults, counts.lost),
        Row::count(&format!("{what}: wrong answers"), wrong, counts.wrong - counts.lost),
    ];
    let is_amiss = fault != Fault::None && faults < VICTIMS;
    Ok(rows.map(|row| row.void_if(is_amiss)).into())
}

/// Runs two servers that tell each other, one of them with a fault. Returns what the generator
/// counted, and how many clients the fault was about.
fn look_at(fault: Fault) -> Result<(Counts, u64), SelfTestError> {
    let [here, there] = [(); 2].map(|()| Known::default());
    let bona = Fake::behaving(Behaviour {
        name: "Bona".into(),
        known: Arc::clone(&there),
        neighbours: vec![Arc::clone(&here)],
        ..Behaviour::default()
    })?;
    let (known, neighbours) = (here, vec![there]);
    let clark = Fake::behaving(Behaviour { fault, times: VICTIMS, known, neighbours, ..Behaviour::default() })?;
    let plan = Plan { verify: true, ..plan(&[("Clark", &clark), ("Bona", &bona)], CLIENTS, PACE, DURATION) };
    let (outcome, tally) = run_plan(plan, clark)?;
    bona.finish()?;
    Ok((outcome.record.counts, tally.faults))
}
