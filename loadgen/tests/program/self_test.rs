//! The self-test, on a machine that may be busy: what is counted must be exact, what is timed no
//! shorter than it was. How much longer it is depends on the machine, and decides nothing here.

use std::process::Command;

use loadgen::self_test::{SelfTest, Unit, VERSION, Verdict};
use tempfile::TempDir;

#[test]
fn the_self_test_finds_every_count_exact_and_no_time_too_short() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("self-test.json");
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(["self-test", "--out"]).arg(&file).output().unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    let result: SelfTest = serde_json::from_slice(&std::fs::read(file).expect(&words)).unwrap();

    assert_eq!((result.format.as_str(), result.version), ("herd-loadgen-self-test", VERSION));
    let code = match result.verdict() {
        Verdict::Ok => 0,
        Verdict::Invalid => 4,
        Verdict::Failed => 1,
    };
    assert_eq!(output.status.code(), Some(code), "{table}{words}");
    assert_eq!(result.groups.len(), 7);
    for group in &result.groups {
        assert!(!group.rows.is_empty() && table.contains(&group.title), "{table}");
        for row in &group.rows {
            let is_only_long = row.unit == Unit::Nanoseconds && row.measured > row.to;
            assert!(row.verdict != Verdict::Failed || is_only_long, "{row:?}\n{table}");
        }
    }
}
