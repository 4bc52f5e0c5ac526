//! The table and the checks.

use super::{GeneratorFactors, Held, Speed, Trial};
use crate::experiment::Checks;
use crate::statistics::median;
use crate::table::{Table, count};

/// The share of the time for which a thread that nobody lets wait has something to do.
const NEVER_IDLE: f64 = 0.95;

pub(super) fn table(factors: &GeneratorFactors, trials: &[Trial]) -> String {
    let mut out = "against a server that does next to nothing, one thread each\n\n".to_owned();
    let headings = ["connections", "under way", "per second", "generator, µs", "responder, µs", "idle", "the limit is"];
    let mut table = Table::new(&headings);
    for (place, arm) in factors.arms().iter().enumerate() {
        let speeds: Vec<&Speed> = trials.iter().map(|trial| &trial.arms[place]).collect();
        let over = |value: fn(&Speed) -> f64| speeds.iter().map(|speed| value(speed)).collect::<Vec<_>>();
        let worked = [
            middle(&over(|speed| speed.generator_busy + speed.generator_waited)),
            middle(&over(|speed| speed.responder_busy + speed.responder_waited)),
        ];
        let idle = worked.map(|share| (1.0 - share).max(0.0) * 100.0);
        table.row([
            arm.connections.to_string(),
            arm.pipeline.to_string(),
            spread(&over(|speed| speed.per_second), count),
            spread(&over(|speed| speed.generator_us), micros),
            spread(&over(|speed| speed.responder_us), micros),
            format!("{:.0} %, {:.0} %", idle[0], idle[1]),
            limit(worked).into(),
        ]);
    }
    out += &table.text();
    out += "\nµs are processor time for an operation, of the generator with its oracle on every reply and of the\n\
        responder. Idle is for how much of the time each had nothing to do; who never is, is the limit: both\n\
        where they share a core, and neither where they wait for each other to wake up.\n\n";
    out += &memory(trials);
    if trials.len() > 1 {
        out += &format!("\nNumbers are medians of {} trials, with the least and the most.\n", trials.len());
    }
    out
}

fn memory(trials: &[Trial]) -> String {
    let mut table = Table::new(&[]);
    let over = |value: fn(&Held) -> f64| trials.iter().map(|trial| value(&trial.memory)).collect::<Vec<_>>();
    let whole = |number: f64| format!("{number:.1}");
    table.row(["connections held".into(), count(trials[0].memory.connections.into())]);
    table.row(["replies on each".into(), spread(&over(|held| held.replies_each), whole)]);
    table.row(["memory of the generator, MiB".into(), spread(&over(|held| held.resident_mib), whole)]);
    table.row(["with one connection, MiB".into(), spread(&over(|held| held.with_one_mib), whole)]);
    table.row(["for each connection, bytes".into(), spread(&over(|held| held.bytes_each), count)]);
    table.text()
}

/// Which of the generator and the responder could do no more.
fn limit([generator, responder]: [f64; 2]) -> &'static str {
    match (generator >= NEVER_IDLE, responder >= NEVER_IDLE) {
        (true, true) => "both",
        (true, false) => "the generator",
        (false, true) => "the responder",
        (false, false) => "neither",
    }
}

/// The median, and the least and the most where there are several.
fn spread(values: &[f64], text: impl Fn(f64) -> String) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    match values {
        [only] => text(*only),
        _ => format!("{} [{}–{}]", text(middle(values)), text(least), text(most)),
    }
}

fn middle(values: &[f64]) -> f64 {
    median(values).unwrap_or_default()
}

fn micros(value: f64) -> String {
    format!("{value:.2}")
}

pub(super) fn checks(factors: &GeneratorFactors, trials: &[Trial]) -> Checks {
    let mut checks = Checks::default();
    let answers = |trial: &Trial| {
        let arms = trial.arms.iter().map(|arm| (arm.wrong, arm.failed));
        arms.chain([(trial.memory.wrong, trial.memory.failed)]).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let (wrong, failed) = trials.iter().map(answers).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    checks.add(wrong + failed == 0, format!("{wrong} answers were wrong and {failed} commands failed"));
    let judged = trials.iter().flat_map(|trial| &trial.arms).filter(|speed| speed.arm == factors.judged);
    let processor = middle(&judged.map(|speed| speed.generator_us).collect::<Vec<_>>());
    let most = factors.most_processor_us;
    let (connections, pipeline) = (factors.judged.connections, factors.judged.pipeline);
    checks.add(
        processor > 0.0 && processor <= most,
        format!(
            "the generator took {processor:.2} µs for an operation ({connections} connections, {pipeline} under way \
             on each), at most {most} may be"
        ),
    );
    let bytes = middle(&trials.iter().map(|trial| trial.memory.bytes_each).collect::<Vec<_>>());
    let most = factors.most_memory;
    checks.add(bytes <= most, format!("a connection took {bytes:.0} bytes of its memory, at most {most} may be"));
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_ends_where_there_are_several() {
        assert_eq!(spread(&[0.254], micros), "0.25");
        assert_eq!(spread(&[3.0, 1.0, 2.0], count), "2 [1–3]");
    }

    #[test]
    fn who_is_never_idle_is_the_limit() {
        let limits = [[0.99, 0.4], [0.4, 0.99], [0.97, 0.98], [0.6, 0.6]].map(limit);
        assert_eq!(limits, ["the generator", "the responder", "both", "neither"]);
    }
}
