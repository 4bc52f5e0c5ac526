//! The table, the figure and the checks.

use loadgen::report::time;

use super::watch::stretches;
use super::{Case, FaultFactors, Trial};
use crate::experiment::Checks;
use crate::figure::{Figure, Panel, Window};
use crate::load::first_wrong;
use crate::seconds::Seconds;
use crate::table::{Table, count, or_blank, seconds};

/// How long a server counts as up, and all as equal, after they were last seen so, in seconds:
/// under load digests are equal only now and then.
const UP: f64 = 0.5;
const EQUAL: f64 = 1.0;

pub(super) fn table(factors: &FaultFactors, trials: &[Trial]) -> String {
    let FaultFactors { clients, interval, whatsat, between, .. } = factors;
    let mut out = format!(
        "{clients} clients, a command every {interval}, {whatsat} of them questions; {between} between two faults\n"
    );
    for trial in trials {
        let mut table = Table::new(&[
            "fault",
            "for",
            "failed",
            "wrong",
            "late",
            "unseen",
            "response",
            "propagation",
            "worst",
            "equal after",
            "",
        ]);
        for case in &trial.faults {
            table.row(row(case));
        }
        out += &format!("\n{}", table.text());
    }
    out += "\n  failed: commands without an answer; late: answers that lacked an update for more than 5 s;\n";
    out += "  unseen: sights of the probe's updates that did not come within 5 s;\n";
    out += "  response, propagation: p99 of a second while it lasted, the median over seconds; worst: the worst second's\n";
    out
}

#[allow(clippy::cast_precision_loss)]
fn row(case: &Case) -> Vec<String> {
    let Case { fault, during, until_next, .. } = case;
    vec![
        fault.name().into(),
        seconds(case.ended_at - case.began_at),
        count(until_next.failed as f64),
        count(until_next.wrong as f64),
        count(until_next.late as f64),
        count(until_next.unseen as f64),
        or_blank(during.response_p99, time),
        or_blank(during.seen_p99, time),
        or_blank(during.seen_p99_worst, time),
        case.equal_after_s.map_or("never".into(), seconds),
        case.note.clone(),
    ]
}

pub(super) fn checks(trials: &[Trial]) -> Checks {
    let mut checks = Checks::default();
    for trial in trials {
        let wrong = trial.counts.wrong - trial.counts.lost;
        checks.add(wrong == 0, format!("{wrong} answers were wrong{}", first_wrong(&trial.wrong)));
        checks.add(trial.lost_at_end == 0, format!("{} acknowledged updates were lost in the end", trial.lost_at_end));
        for case in &trial.faults {
            let name = case.fault.name();
            let equal = case.equal_after_s.map_or("were not equal before the next fault".into(), |after| {
                format!("were equal {} after it", seconds(after))
            });
            checks.add(case.equal_after_s.is_some(), format!("{name}: digests {equal}"));
            if !case.fault.silences_a_server() {
                let failed = case.until_next.failed;
                checks.add(failed == 0, format!("{name}: {failed} commands got no answer"));
            }
        }
        checks.add(trial.equal_at_end, "digests were equal when the load had ended");
        let lateness = if trial.valid { "sent in time" } else { "sent too late: is something else running here?" };
        checks.add(trial.valid, format!("the load generator {lateness}"));
    }
    checks
}

pub(super) fn figure(trial: &Trial) -> Figure {
    let load = Seconds::new(&trial.series, trial.origin);
    let end = trial.series.last().map_or(1.0, |last| last.time - trial.origin);
    let mut strips: Vec<_> = (trial.servers.iter().enumerate())
        .map(|(server, name)| (name.clone(), stretches(&trial.seen, UP, |seen| seen.up[server])))
        .collect();
    strips.push(("equal".into(), stretches(&trial.seen, EQUAL, |seen| seen.equal)));
    let window = |case: &Case| Window { label: case.fault.name().into(), seconds: case.began_at..case.ended_at };
    Figure {
        title: "Faults, one after the other".into(),
        seconds: 0.0..end,
        axis: "seconds since the load began".into(),
        windows: trial.faults.iter().map(window).collect(),
        panels: vec![
            load.replies_panel(),
            load.latency_panel(),
            Panel::Strips { heading: "servers that answer, and whether all digests are equal".into(), strips },
        ],
    }
}
