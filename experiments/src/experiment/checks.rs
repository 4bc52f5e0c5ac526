//! What must hold for an experiment to have gone as it should.

use std::fmt;

use serde::Serialize;

/// Sentences, and whether each is true.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Checks(Vec<Check>);

#[derive(Debug, Clone, Serialize)]
struct Check {
    what: String,
    holds: bool,
}

impl Checks {
    /// Adds a sentence that should be true, with the numbers that decide it.
    pub fn add(&mut self, holds: bool, what: impl Into<String>) {
        self.0.push(Check { what: what.into(), holds });
    }

    /// Whether all are true.
    #[must_use]
    pub fn hold(&self) -> bool {
        self.0.iter().all(|check| check.holds)
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { what, holds } in &self.0 {
            writeln!(f, "  {} {what}", if *holds { "ok    " } else { "FAILED" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_hold_is_enough() {
        let mut checks = Checks::default();
        checks.add(true, "2 is at most 3");
        assert!(checks.hold());
        checks.add(false, "5 is at most 3");
        assert!(!checks.hold());
        assert_eq!(checks.to_string(), "  ok     2 is at most 3\n  FAILED 5 is at most 3\n");
    }
}
