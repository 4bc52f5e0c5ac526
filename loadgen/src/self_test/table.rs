//! A self-test as a table that fits 100 columns.

use std::fmt::Write;

use super::{Row, SelfTest, Unit, Verdict};
use crate::report::time;

/// The result as text.
#[must_use]
pub fn table(result: &SelfTest) -> String {
    let mut out = format!("{:<46}{:>10}{:>10}   {:<20}\n", "", "injected", "measured", "allowed");
    for group in &result.groups {
        out += &format!("\n{}\n", group.title);
        group.rows.iter().for_each(|row| line(&mut out, row));
    }
    out += match result.verdict() {
        Verdict::Ok => "\nWhat was measured is what was injected.\n",
        Verdict::Invalid => "\nINVALID: the machine was too busy to tell; try again.\n",
        Verdict::Failed => "\nFAILED: what was measured is not what was injected.\n",
    };
    out
}

fn line(out: &mut String, row: &Row) {
    let Row { name, unit, injected, measured, from, to, verdict } = row;
    let show = |value: u64| match unit {
        Unit::Count => value.to_string(),
        Unit::Nanoseconds => time(std::time::Duration::from_nanos(value).as_secs_f64() * 1e6),
    };
    let allowed = if from == to { "exactly".into() } else { format!("{} to {}", show(*from), show(*to)) };
    let verdict = match verdict {
        Verdict::Ok => "ok",
        Verdict::Invalid => "INVALID",
        Verdict::Failed => "FAILED",
    };
    // A String takes every write.
    let _ = writeln!(out, "  {name:<44}{:>10}{:>10}   {allowed:<20}{verdict}", show(*injected), show(*measured));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::self_test::{Group, VERSION};

    fn row(unit: Unit, [injected, measured, from, to]: [u64; 4], verdict: Verdict) -> Row {
        Row { name: "something".into(), unit, injected, measured, from, to, verdict }
    }

    #[test]
    fn a_table_says_what_holds_and_what_does_not() {
        let time = row(Unit::Nanoseconds, [20_000_000, 20_100_000, 20_000_000, 22_000_000], Verdict::Ok);
        let count = row(Unit::Count, [5, 4, 5, 5], Verdict::Failed);
        let groups = vec![Group { title: "a setting".into(), rows: vec![time, count] }];
        let mut result = SelfTest { format: String::new(), version: VERSION, groups };
        let text = table(&result);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["injected", "measured", "allowed"]);
        let name = format!("  {:<44}", "something");
        let expected = [
            "a setting".into(),
            format!("{name}   20.0 ms   20.1 ms   20.0 ms to 22.0 ms  ok"),
            format!("{name}         5         4   exactly             FAILED"),
            String::new(),
            "FAILED: what was measured is not what was injected.".into(),
        ];
        assert_eq!(lines[2..], expected);
        result.groups[0].rows.pop();
        assert!(table(&result).ends_with("What was measured is what was injected.\n"));
    }
}
