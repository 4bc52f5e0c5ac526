//! The table, the figure and the checks.

use super::cost::Traffic;
use super::{Case, HealFactors, Trial};
use crate::experiment::Checks;
use crate::figure::{Figure, Line, Panel, Scale, Window};
use crate::statistics::median;
use crate::table::{Table, count, or_blank, seconds};

const CASES: [&str; 2] = ["after two halves", "after a lost memory"];

/// How long after the last agreement the figure ends, in seconds.
const SHOWN_AFTER: f64 = 0.5;

/// What of a direction is in the table, in the order of its columns.
const COLUMNS: [fn(&Traffic) -> Option<f64>; 6] = [
    |traffic| Some(traffic.bytes),
    |traffic| traffic.sync_bytes,
    |traffic| traffic.sync_updates,
    |traffic| traffic.flooded,
    |traffic| traffic.listed_buckets,
    |traffic| traffic.rounds,
];

pub(super) fn table(factors: &HealFactors, trials: &[Trial]) -> String {
    let HealFactors { clients, changed, cut, forgets, .. } = factors;
    let mut out = String::new();
    for (case, name) in CASES.iter().enumerate() {
        let cases: Vec<&Case> = trials.iter().map(|trial| &trial.cases[case]).collect();
        out += &match case {
            0 => format!("{name}: {cut} apart, {changed} of {clients} clients changed on each side\n\n"),
            _ => format!("\n{name}: {forgets} was killed and started again, in a herd with {clients} clients\n\n"),
        };
        out += &format!("{}\n{}", links(&cases), summary(&cases));
    }
    if trials.len() > 1 {
        out += &format!("\nNumbers are medians of {} trials.\n", trials.len());
    }
    out
}

/// A row for each direction of each link, and their sum.
fn links(cases: &[&Case]) -> String {
    let mut table = Table::new(&["link", "bytes", "by sync", "entries by sync", "flooded", "buckets listed", "rounds"]);
    let mut sums = [None; COLUMNS.len()];
    for (place, direction) in cases[0].traffic.iter().enumerate() {
        let mut row = vec![format!("{} → {}", direction.from, direction.to)];
        for (sum, column) in sums.iter_mut().zip(COLUMNS) {
            let values: Vec<f64> = cases.iter().filter_map(|case| column(&case.traffic[place])).collect();
            let value = median(&values);
            *sum = sum.map_or(value, |sum: f64| Some(sum + value.unwrap_or_default()));
            row.push(or_blank(value, count));
        }
        table.row(row);
    }
    table.row(std::iter::once("all".to_owned()).chain(sums.map(|sum| or_blank(sum, count))));
    table.text()
}

fn summary(cases: &[&Case]) -> String {
    let mut table = Table::new(&[]);
    let over =
        |value: &dyn Fn(&Case) -> Option<f64>| median(&cases.iter().filter_map(|case| value(case)).collect::<Vec<_>>());
    table.row(["entries that differed".into(), count(cases[0].differed.into())]);
    table.row(["entries sent for each".into(), or_blank(over(&sent_for_each), |value| format!("{value:.2}"))]);
    table.row(["time to equal digests".into(), over(&|case| case.equal_after_s).map_or("never".into(), seconds)]);
    if let Some(ready) = over(&|case| case.ready_after_s) {
        table.row(["ready for clients after".into(), seconds(ready)]);
    }
    table.text()
}

/// Entries sent by sync for each that differed.
fn sent_for_each(case: &Case) -> Option<f64> {
    let sent = case.traffic.iter().map(|traffic| traffic.sync_updates).sum::<Option<f64>>()?;
    Some(sent / f64::from(case.differed))
}

pub(super) fn checks(factors: &HealFactors, trials: &[Trial]) -> Checks {
    let mut checks = Checks::default();
    for (case, name) in CASES.iter().enumerate() {
        for (number, trial) in trials.iter().enumerate() {
            let found = &trial.cases[case];
            let which = if trials.len() > 1 { format!("{name}, trial {}", number + 1) } else { (*name).to_owned() };
            let equal = found
                .equal_after_s
                .map_or("were not equal in time".into(), |after| format!("were equal after {}", seconds(after)));
            checks.add(found.equal_after_s.is_some(), format!("{which}: digests {equal}"));
            let (sent, most) = (sent_for_each(found).unwrap_or(f64::INFINITY), factors.most_sent);
            checks.add(
                sent <= most,
                format!("{which}: {sent:.2} entries were sent for each that differed, at most {most} may be"),
            );
        }
    }
    checks
}

/// Bytes on the links over time, of one trial.
pub(super) fn figure(trial: &Trial) -> Figure {
    let equal = || trial.cases.iter().zip(CASES).filter_map(|(case, name)| Some((case.equal_after_s?, name)));
    let end = equal().fold(0.0, |latest: f64, (after, _)| latest.max(after)) + SHOWN_AFTER;
    let mut windows: Vec<Window> =
        equal().map(|(at, name)| Window { label: format!("equal {name}"), seconds: at..at }).collect();
    windows.sort_by(|a, b| a.seconds.start.total_cmp(&b.seconds.start));
    let line = |(case, name): (&Case, &str)| {
        let shown = case.watched.points.iter().filter(|point| point.second <= end);
        #[allow(clippy::cast_precision_loss)]
        let points = shown.map(|point| (point.second, Some(point.bytes as f64 / 1e3))).collect();
        Line { name: name.to_owned(), points }
    };
    Figure {
        title: "A herd comes together: bytes on all its links so far".into(),
        seconds: 0.0..end,
        axis: "seconds since the heal, or since the server started again".into(),
        windows,
        panels: vec![Panel::Lines {
            heading: "kB".into(),
            scale: Scale::Logarithmic,
            lines: trial.cases.iter().zip(CASES).map(line).collect(),
        }],
    }
}
