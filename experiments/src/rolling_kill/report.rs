//! The table, the figure and the checks.

use super::{Kill, KillFactors, Trial};
use crate::experiment::Checks;
use crate::figure::{Figure, Panel, Window};
use crate::load::first_wrong;
use crate::seconds::Seconds;
use crate::statistics::median;
use crate::table::{Table, count, or_blank, seconds};

pub(super) fn table(factors: &KillFactors, trials: &[Trial]) -> String {
    let KillFactors { clients, interval, duration, away, .. } = factors;
    let mut out = format!(
        "{clients} clients, a command every {interval}, for {duration}; each server was killed once, for {away}\n\n"
    );
    let mut table = Table::new(&["server", "links up", "ready", "equal digests"]);
    for (place, name) in factors.killed.iter().enumerate() {
        let over = |value: &dyn Fn(&Kill) -> Option<f64>| {
            median(&trials.iter().filter_map(|trial| value(&trial.kills[place])).collect::<Vec<_>>())
        };
        let cells = [
            over(&|kill| kill.links_up_after_s),
            over(&|kill| Some(kill.ready_at - kill.started_at)),
            over(&|kill| kill.equal_after_s),
        ];
        table.row(std::iter::once(name.clone()).chain(cells.map(|cell| or_blank(cell, seconds))));
    }
    out += &table.text();
    out += "\n  links up: since it listened; ready and equal: since its process started\n";
    if trials.len() > 1 {
        out += &format!("  medians of {} trials, and sums below\n", trials.len());
    }
    out + "\n" + &counts(trials)
}

fn counts(trials: &[Trial]) -> String {
    #[allow(clippy::cast_precision_loss)]
    let sum = |value: fn(&Trial) -> u64| count(trials.iter().map(value).sum::<u64>() as f64);
    let mut table = Table::new(&[]);
    table.row(["replies judged".into(), sum(|trial| trial.counts.answered)]);
    table.row(["wrong answers".into(), sum(wrong)]);
    table.row(["lost updates".into(), sum(lost)]);
    table.row(["updates that may have died with the killed server".into(), sum(|trial| trial.counts.died)]);
    table.row(["commands without an answer".into(), sum(|trial| trial.counts.failed)]);
    table.row(["sights of the probe cut short".into(), sum(|trial| trial.probe_broken)]);
    table.text()
}

fn wrong(trial: &Trial) -> u64 {
    trial.counts.wrong - trial.counts.lost
}

/// Acknowledged updates that servers lacked which must have had them.
fn lost(trial: &Trial) -> u64 {
    trial.counts.lost + trial.probe_lost
}

pub(super) fn checks(factors: &KillFactors, trials: &[Trial]) -> Checks {
    let mut checks = Checks::default();
    let within = factors.links_within;
    for (number, trial) in trials.iter().enumerate() {
        let which = if trials.len() > 1 { format!("trial {}: ", number + 1) } else { String::new() };
        let mut add = |holds, what: String| checks.add(holds, format!("{which}{what}"));
        add(wrong(trial) == 0, format!("{} answers were wrong{}", wrong(trial), first_wrong(&trial.wrong)));
        add(lost(trial) == 0, format!("{} updates were lost", lost(trial)));
        add(trial.counts.unverified == 0, format!("{} answers could not be had at the end", trial.counts.unverified));
        let slowest = trial.kills.iter().map(|kill| kill.links_up_after_s).collect::<Option<Vec<f64>>>();
        let slowest = slowest.and_then(|all| all.into_iter().reduce(f64::max));
        let what = slowest.map_or("not all came up".into(), |after| format!("all were up within {}", seconds(after)));
        add(slowest.is_some_and(|after| after <= within.0.as_secs_f64()), format!("links: {what}, {within} may be"));
        let equal = trial.kills.iter().filter(|kill| kill.equal_after_s.is_some()).count();
        add(equal == trial.kills.len(), format!("digests were equal after {equal} of {} returns", trial.kills.len()));
        add(trial.equal_at_end, "digests were equal when the load had ended".into());
        let lateness = if trial.valid { "sent in time" } else { "sent too late: is something else running here?" };
        add(trial.valid, format!("the load generator {lateness}"));
    }
    checks
}

pub(super) fn figure(trial: &Trial) -> Figure {
    let load = Seconds::new(&trial.series, trial.origin);
    let end = trial.series.last().map_or(1.0, |last| last.time - trial.origin);
    let strip = |kill: &Kill| (kill.server.clone(), vec![0.0..kill.killed_at, kill.ready_at..end]);
    let window = |kill: &Kill| Window { label: kill.server.clone(), seconds: kill.killed_at..kill.ready_at };
    Figure {
        title: "Servers are killed one after the other".into(),
        seconds: 0.0..end,
        axis: "seconds since the load began".into(),
        windows: trial.kills.iter().map(window).collect(),
        panels: vec![
            load.replies_panel(),
            load.latency_panel(),
            Panel::Strips { heading: "ready".into(), strips: trial.kills.iter().map(strip).collect() },
        ],
    }
}
