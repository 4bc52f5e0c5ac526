//! Which seeds a scenario runs with, and how to run one of them again.
//!
//! `HERD_SEEDS=7 cargo test --test turmoil NAME` runs seed 7 alone, `HERD_SEEDS=0..500` five
//! hundred of them. The same seed takes the same course, step by step.

use std::ops::Range;

const VARIABLE: &str = "HERD_SEEDS";

/// Runs a scenario with the seeds below `count`, or with those that were asked for.
pub(crate) fn for_seeds(count: u64, scenario: impl Fn(u64)) {
    for seed in chosen().unwrap_or(0..count) {
        let _again = Again(seed);
        scenario(seed);
    }
}

fn chosen() -> Option<Range<u64>> {
    let text = std::env::var(VARIABLE).ok()?;
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{VARIABLE} is a number or FROM..TO"));
    Some(match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    })
}

/// Says how to run a seed again if its scenario fails.
struct Again(u64);

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let test = thread.name().filter(|name| *name != "main").unwrap_or_default();
            eprintln!("seed {seed} failed; again: {VARIABLE}={seed} cargo test --test turmoil {test}", seed = self.0);
        }
    }
}
