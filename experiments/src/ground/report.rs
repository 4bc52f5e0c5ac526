//! The tables and the checks.

use super::arm::Arm;
use super::measured::Measured;
use super::rows::{Row, Verdict, rows};
use super::{GroundFactors, Round};
use crate::experiment::Checks;
use crate::load::first_wrong;
use crate::redis;
use crate::statistics::median;
use crate::table::{Table, count, or_blank};

/// What is printed and kept.
pub(super) struct Report {
    pub(super) tables: String,
    pub(super) checks: Checks,
}

pub(super) fn report(factors: &GroundFactors, rounds: &[Round]) -> Report {
    let with_redis = redis::is_installed();
    let (gates, mut checks) = gates(factors, rounds, with_redis);
    let mut tables = format!(
        "medians of {} rounds [least–most]; rates and latencies may miss their gates by {} %, as shared machines need\n\n",
        rounds.len(),
        factors.allowance * 100.0
    );
    tables += &gates.text();
    if !with_redis {
        tables +=
            &format!("\n  {} is not installed (apt-get install redis-server): its rows are SKIPPED\n", redis::PROGRAM);
    }
    tables += "\nmedians by arm; times are µs of processor per operation, of all servers, of the busiest, and of the client\n\n";
    tables += &absolute(rounds).text();
    tables += &late(rounds);
    correctness(&mut checks, rounds);
    Report { tables, checks }
}

fn gates(factors: &GroundFactors, rounds: &[Round], with_redis: bool) -> (Table, Checks) {
    let mut table = Table::new(&["", "measured", "gate", "aim", ""]);
    let mut checks = Checks::default();
    for row in rows() {
        let values = row.over(rounds);
        let verdict = row.verdict(&values, factors.allowance, with_redis);
        let measured = spread(&values, number).unwrap_or_default();
        table.row([row.what.to_owned(), measured, number(row.gate), number(row.aim), verdict.name().to_owned()]);
        if verdict != Verdict::Skipped {
            checks.add(verdict.holds(), sentence(&row, &values));
        }
    }
    (table, checks)
}

fn sentence(row: &Row, values: &[f64]) -> String {
    let measured = median(values).map_or("nothing was measured".into(), number);
    format!("{}: {measured}, the gate is {}", row.what, number(row.gate))
}

/// The median, and the least and the most, if there are several.
fn spread(values: &[f64], text: impl Fn(f64) -> String) -> Option<String> {
    let middle = text(median(values)?);
    let [least, most] =
        values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], &value| [a.min(value), b.max(value)]);
    Some(if values.len() > 1 { format!("{middle} [{}–{}]", text(least), text(most)) } else { middle })
}

/// A ratio with two decimals, and what is larger without any that mean nothing.
fn number(value: f64) -> String {
    if value >= 100.0 { count(value) } else { format!("{value:.2}") }
}

type Column = (&'static str, fn(&Measured) -> Option<f64>, fn(f64) -> String);

const COLUMNS: [Column; 10] = [
    ("CPU all", |measured| sum(measured.servers_us.values()), one_decimal),
    ("busiest", |measured| measured.servers_us.values().copied().reduce(f64::max), one_decimal),
    ("client", |measured| measured.client_us, one_decimal),
    ("agree ms", |measured| measured.agree_ms, one_decimal),
    ("messages", |measured| measured.messages, two_decimals),
    ("bytes", |measured| measured.bytes, count),
    ("MiB all", |measured| sum(measured.resident_mib.values()), one_decimal),
    ("seen p50 µs", |measured| measured.seen_p50, count),
    ("p99 µs", |measured| measured.seen_p99, count),
    ("bytes/client", |measured| measured.client_bytes, count),
];

fn absolute(rounds: &[Round]) -> Table {
    let headings = ["", "per second"].into_iter().chain(COLUMNS.map(|(heading, ..)| heading));
    let mut table = Table::new(&headings.collect::<Vec<_>>());
    for arm in Arm::ALL {
        let measured: Vec<&Measured> = rounds.iter().filter_map(|round| round.arm(arm)).collect();
        if measured.is_empty() {
            continue;
        }
        let over = |value: &dyn Fn(&Measured) -> Option<f64>| -> Vec<f64> {
            measured.iter().filter_map(|measured| value(measured)).collect()
        };
        let rate = spread(&over(&|measured| measured.rate), count).unwrap_or_default();
        let cells = COLUMNS.map(|(_, value, text)| or_blank(median(&over(&value)), text));
        table.row([arm.to_string(), rate].into_iter().chain(cells));
    }
    table
}

fn sum<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> Option<f64> {
    (values.len() > 0).then(|| values.sum())
}

fn one_decimal(value: f64) -> String {
    format!("{value:.1}")
}

fn two_decimals(value: f64) -> String {
    format!("{value:.2}")
}

/// A sentence about clients that could not keep their schedules; it decides nothing, but what
/// they saw is the machine's.
fn late(rounds: &[Round]) -> String {
    let open = || rounds.iter().flat_map(|round| &round.arms).filter_map(|(_, measured)| measured.sent_in_time);
    let late = open().filter(|in_time| !in_time).count();
    if late == 0 {
        return String::new();
    }
    format!(
        "\n  in {late} of {} runs on a schedule the client sent too late: is something else running here?\n",
        open().count()
    )
}

fn correctness(checks: &mut Checks, rounds: &[Round]) {
    let all = || rounds.iter().flat_map(|round| &round.arms).map(|(_, measured)| measured);
    let total = |value: fn(&Measured) -> u64| all().map(value).sum::<u64>();
    let (wrong, lost, failed) =
        (total(|measured| measured.wrong), total(|measured| measured.lost), total(|measured| measured.failed));
    let first = all().map(|measured| first_wrong(&measured.wrong_answers)).find(|first| !first.is_empty());
    checks.add(wrong == 0, format!("{wrong} answers were wrong{}", first.unwrap_or_default()));
    checks.add(lost == 0, format!("{lost} updates were lost"));
    checks.add(failed == 0, format!("{failed} commands got no answer"));
    for (number, round) in rounds.iter().enumerate() {
        for (arm, measured) in &round.arms {
            if measured.agreed == Some(false) {
                checks.add(false, format!("round {}: {arm}: not all agreed in the end", number + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_told_where_there_is_one() {
        assert_eq!(spread(&[0.5, 0.7, 0.25], number).unwrap(), "0.50 [0.25–0.70]");
        assert_eq!(spread(&[1234.0], number).unwrap(), "1 234");
        assert_eq!(spread(&[], number), None);
    }

    #[test]
    fn what_is_wrong_or_does_not_agree_fails() {
        let round = |measured| Round { seed: 1, half_rate: 1.0, arms: vec![(Arm::MAXIMUM, measured)] };
        for (measured, holds) in [
            (Measured { agreed: Some(true), ..Measured::default() }, true),
            (Measured { agreed: Some(false), ..Measured::default() }, false),
            (Measured { wrong: 1, ..Measured::default() }, false),
            (Measured { lost: 1, ..Measured::default() }, false),
            (Measured { failed: 1, ..Measured::default() }, false),
        ] {
            let mut checks = Checks::default();
            correctness(&mut checks, &[round(measured)]);
            assert_eq!(checks.hold(), holds, "{checks}");
        }
    }
}
