//! Wrong answers of each kind: is each found, under its own name, and no right one besides?

use std::time::Duration;

use super::setting::{plan, run as run_plan};
use super::{Group, Row, SelfTestError, all_at_once};
use crate::fake::{Behaviour, Fake, Fault};
use crate::plan::{Mix, Pace, Plan};
use crate::record::Record;

const CLIENTS: usize = 20;
const DURATION: Duration = Duration::from_millis(500);
const OPEN: Pace = Pace::every(Duration::from_millis(25), CLIENTS);
/// How often each kind is injected.
const TIMES: u64 = 5;

/// A kind of wrong answer.
struct Kind {
    name: &'static str,
    fault: Fault,
    /// Wrong answers that come of one fault.
    each: u64,
    /// How its sentence begins.
    sentence: &'static str,
    /// A fault that mixes up replies needs it to be known how many are under way.
    pace: Pace,
}

impl Kind {
    const fn of(name: &'static str, fault: Fault, sentence: &'static str) -> Self {
        Self { name, fault, each: 1, sentence, pace: OPEN }
    }
}

const KINDS: [Kind; 10] = [
    Kind::of("a decimal is missing", Fault::DropsADecimal, "an IAMAT was not answered with an AT line"),
    Kind::of("the difference is off", Fault::ShiftsTheDifference, "by its difference the IAMAT was received"),
    Kind::of("another place is copied", Fault::ChangesThePlace, "the reply does not repeat the IAMAT's operands"),
    Kind::of("the name is another's", Fault::WrongName, "Clark answered for another server"),
    Kind::of("the place is an old one", Fault::AnswersStale, "Clark showed a newer update of this client before"),
    Kind::of("the JSON is cut", Fault::CutsJson, "the JSON is broken"),
    Kind::of("there are too many results", Fault::TooMany, "there are 21 results where"),
    Kind::of(
        "an invalid command is changed",
        Fault::ChangesTheCopy,
        "an invalid command was not answered with its copy",
    ),
    Kind {
        pace: Pace::Closed { pipeline: 1 },
        ..Kind::of("nobody asked", Fault::SaysMore, "the server said something that it was not asked")
    },
    Kind {
        each: 2,
        pace: Pace::Closed { pipeline: 2 },
        ..Kind::of("two replies change places", Fault::Reorders, "the reply does not repeat the IAMAT's operands")
    },
];

pub(super) fn run() -> Result<Group, SelfTestError> {
    let mut rows = vec![right()?];
    rows.extend(all_at_once(KINDS.iter().map(|kind| || find(kind)))?);
    Ok(Group { title: "wrong answers of each kind, 5 times".into(), rows })
}

/// All that a right server says is right.
fn right() -> Result<Row, SelfTestError> {
    let fake = Fake::start(Fault::None)?;
    let plan = Plan { verify: true, ..mixed(&fake, OPEN) };
    let (outcome, _) = run_plan(plan, fake)?;
    Ok(Row::count("none: a right server", 0, outcome.record.counts.wrong))
}

fn find(kind: &Kind) -> Result<Row, SelfTestError> {
    let fake = Fake::behaving(Behaviour { fault: kind.fault, times: TIMES, ..Behaviour::default() })?;
    let plan = mixed(&fake, kind.pace);
    let (outcome, tally) = run_plan(plan, fake)?;
    Ok(judge(kind, tally.faults, &outcome.record))
}

/// Questions and invalid commands among IAMATs, unless replies are mixed up: those of one kind
/// are then told apart from those that follow from losing count.
fn mixed(fake: &Fake, pace: Pace) -> Plan {
    let plan = plan(&[("Clark", fake)], CLIENTS, pace, DURATION);
    if pace == OPEN { Plan { mix: Mix { whatsat: 0.5, unknown: 0.2, ..plan.mix }, ..plan } } else { plan }
}

/// Compares faults with wrong answers: with those of the right kind, if all are.
fn judge(kind: &Kind, faults: u64, record: &Record) -> Row {
    let named = record.wrong.iter().filter(|wrong| wrong.what.starts_with(kind.sentence)).count() as u64;
    let injected = faults * kind.each;
    let measured = if record.counts.wrong == injected { named } else { record.counts.wrong };
    Row::count(kind.name, injected, measured).void_if(faults < TIMES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Wrong;
    use crate::self_test::Verdict;

    #[test]
    fn wrong_answers_count_only_under_their_own_name() {
        let kind = &KINDS[5];
        for (right, others, expected) in
            [(5, 0, Verdict::Ok), (4, 0, Verdict::Failed), (4, 1, Verdict::Failed), (5, 1, Verdict::Failed)]
        {
            let mut record = Record::default();
            (0..right).for_each(|_| record.wrong(Wrong::new("the JSON is broken (here)".into(), b"")));
            (0..others).for_each(|_| record.wrong(Wrong::new("something else".into(), b"")));
            assert_eq!(judge(kind, 5, &record).verdict, expected, "{right} {others}");
        }
        assert_eq!(judge(kind, 4, &Record::default()).verdict, Verdict::Invalid);
    }
}
