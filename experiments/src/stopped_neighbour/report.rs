//! The table, the figure and the checks.

use loadgen::report::time;

use super::{StopFactors, Stretch, Trial};
use crate::experiment::Checks;
use crate::figure::{Figure, Line, Panel, Scale, Window};
use crate::seconds::Seconds;
use crate::statistics::median;
use crate::table::{Table, count, or_blank, seconds};

pub(super) fn table(factors: &StopFactors, trials: &[Trial]) -> String {
    let StopFactors { clients, interval, stopped, pause, .. } = factors;
    let mut out =
        format!("{stopped} was stopped for {pause}; {clients} clients of the others reported every {interval}\n\n");
    let over = |value: &dyn Fn(&Trial) -> Option<f64>| median(&trials.iter().filter_map(value).collect::<Vec<_>>());
    let mut table = Table::new(&["", "before", "while stopped", "after"]);
    type Value = fn(&Stretch) -> Option<f64>;
    let rows: [(&str, Value); 3] = [
        ("propagation p99, of a second", |stretch| stretch.seen_p99),
        ("  in the worst second", |stretch| stretch.seen_p99_worst),
        ("response p99, of a second", |stretch| stretch.response_p99),
    ];
    for (name, value) in rows {
        let cells = [
            over(&|trial| value(&trial.before)),
            over(&|trial| value(&trial.during)),
            over(&|trial| value(&trial.after)),
        ];
        table.row(std::iter::once(name.to_owned()).chain(cells.map(|cell| or_blank(cell, time))));
    }
    out += &table.text();
    out += "\n  memory, MiB\n";
    let mut table = Table::new(&["", "before", "most while stopped", "at the end"]);
    for (place, name) in trials[0].servers.iter().enumerate() {
        let cells = [
            over(&|trial| memory_before(trial, place)),
            over(&|trial| memory_during(trial, place)),
            over(&|trial| trial.memory.iter().rev().find_map(|point| point.resident_mib[place])),
        ];
        table.row(std::iter::once(name.clone()).chain(cells.map(|cell| or_blank(cell, |mib| format!("{mib:.1}")))));
    }
    out += &table.text();
    let mut table = Table::new(&[]);
    let equal = over(&|trial| trial.equal_after_s).map_or("never".into(), seconds);
    table.row(["equal digests after it went on".into(), equal]);
    #[allow(clippy::cast_precision_loss)]
    let answered = count(trials.iter().map(|trial| trial.counts.answered as f64).sum());
    table.row(["replies judged".into(), answered]);
    out + "\n" + &table.text()
}

/// The memory of a server just before the stop.
fn memory_before(trial: &Trial, place: usize) -> Option<f64> {
    let before = trial.memory.iter().filter(|point| point.second < trial.stopped_at);
    before.filter_map(|point| point.resident_mib[place]).next_back()
}

/// Its most while the other one was stopped.
fn memory_during(trial: &Trial, place: usize) -> Option<f64> {
    let during = trial.memory.iter().filter(|point| (trial.stopped_at..trial.continued_at).contains(&point.second));
    during.filter_map(|point| point.resident_mib[place]).reduce(f64::max)
}

pub(super) fn checks(factors: &StopFactors, trials: &[Trial]) -> Checks {
    let mut checks = Checks::default();
    for (number, trial) in trials.iter().enumerate() {
        let which = if trials.len() > 1 { format!("trial {}: ", number + 1) } else { String::new() };
        for (holds, what) in trial_checks(factors, trial) {
            checks.add(holds, format!("{which}{what}"));
        }
    }
    checks
}

fn trial_checks(factors: &StopFactors, trial: &Trial) -> Vec<(bool, String)> {
    let counts = &trial.counts;
    let most =
        trial.before.seen_p99.map(|before| (before * factors.most_slower).max(factors.not_below.0.as_secs_f64() * 1e6));
    let during = trial.during.seen_p99;
    let slow = format!(
        "propagation between the others had a p99 of {}, at most {} may be",
        or_blank(during, time),
        or_blank(most, time)
    );
    let grown = (trial.servers.iter().enumerate())
        .filter(|(_, name)| **name != factors.stopped)
        .filter_map(|(place, _)| Some(memory_during(trial, place)? - memory_before(trial, place)?))
        .fold(0.0, f64::max);
    let equal = trial
        .equal_after_s
        .map_or("were not equal in time".into(), |after| format!("were equal {} after it went on", seconds(after)));
    vec![
        (during.zip(most).is_some_and(|(during, most)| during <= most), slow),
        (
            grown <= factors.most_growth,
            format!("the others grew by {grown:.1} MiB at most, {} may be", factors.most_growth),
        ),
        (trial.equal_after_s.is_some(), format!("digests {equal}")),
        (trial.equal_at_end, "digests were equal when the load had ended".into()),
        (counts.wrong == 0, format!("{} answers were wrong", counts.wrong)),
        (counts.lost == 0, format!("{} updates were lost between the others", counts.lost)),
        (counts.failed == 0, format!("{} commands got no answer", counts.failed)),
        (
            counts.valid,
            format!(
                "the load generators {}",
                if counts.valid { "sent in time" } else { "sent too late: is something else running here?" }
            ),
        ),
    ]
}

pub(super) fn figure(trial: &Trial) -> Figure {
    let seconds = Seconds::new(&trial.series, trial.origin);
    let lines = trial.servers.iter().enumerate().map(|(place, name)| Line {
        name: name.clone(),
        points: trial.memory.iter().map(|point| (point.second, point.resident_mib[place])).collect(),
    });
    let end = trial.memory.last().map_or(1.0, |point| point.second);
    Figure {
        title: "One server is stopped: the others and their clients".into(),
        seconds: 0.0..end,
        axis: "seconds since the load began".into(),
        windows: vec![Window { label: "stopped".into(), seconds: trial.stopped_at..trial.continued_at }],
        panels: vec![
            seconds.latency_panel(),
            Panel::Lines { heading: "resident memory, MiB".into(), scale: Scale::Linear, lines: lines.collect() },
        ],
    }
}
