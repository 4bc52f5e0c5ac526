//! The table and the checks.

use loadgen::report::time;

use super::{CapacityFactors, Seen, Trial};
use crate::experiment::Checks;
use crate::statistics::median;
use crate::table::{Table, count, or_blank};

/// The exit code of the load generator where an objective was missed.
const SLO_MISSED: i32 = 99;

pub(super) fn table(factors: &CapacityFactors, trials: &[Trial]) -> String {
    let capacity = factors.capacity();
    let mut out = format!(
        "a server that can have {capacity:.0} questions a second answered, and {} clients\n\n",
        factors.clients
    );
    let mut table = Table::new(&["", "open loop", "closed loop"]);
    let mut row = |name: &str, value: &dyn Fn(&Seen) -> Option<f64>, text: &dyn Fn(f64) -> String| {
        let cell = |seen: fn(&Trial) -> &Seen| {
            let values: Vec<f64> = trials.iter().filter_map(|trial| value(seen(trial))).collect();
            or_blank(median(&values), text)
        };
        table.row([name.into(), cell(|trial| &trial.open), cell(|trial| &trial.closed)]);
    };
    row("answers per second, while it asked", &|seen| Some(seen.answered_per_second), &count);
    row("response p50", &|seen| Some(seen.p50), &time);
    row("  in the first second", &|seen| seen.first_second, &time);
    row("  in the last second", &|seen| seen.last_second, &time);
    row("response p99", &|seen| Some(seen.p99), &time);
    row("exit code", &|seen| seen.code.map(f64::from), &count);
    out += &table.text();
    for (name, seen) in [("open", &trials[0].open), ("closed", &trials[0].closed)] {
        out += &format!("\nloadgen in the {name} loop, in the first trial\n\n{}", indented(&seen.table));
    }
    out
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("  {line}\n") }).collect()
}

pub(super) fn checks(trials: &[Trial]) -> Checks {
    let mut checks = Checks::default();
    let all = || trials.iter().flat_map(|trial| [&trial.open, &trial.closed]);
    let wrong: u64 = all().map(|seen| seen.wrong).sum();
    checks.add(wrong == 0, format!("{wrong} answers were wrong"));
    checks.add(all().all(|seen| seen.valid), "the load generator sent in time");
    let grew = trials.iter().all(|trial| trial.open.last_second > trial.open.first_second.map(|first| 2.0 * first));
    checks.add(grew, "in the open loop the response time of the last second is more than twice that of the first");
    let missed = trials.iter().all(|trial| trial.open.code == Some(SLO_MISSED));
    checks.add(missed, format!("the open loop missed its objective and ended with {SLO_MISSED}"));
    let met = trials.iter().all(|trial| trial.closed.code == Some(0));
    checks.add(met, "the closed loop met the same objective and ended with 0");
    checks
}
