//! A line every second while a run is under way: rewritten in place on a terminal, else one
//! below the other.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use loadgen::live::Glance;
use loadgen::series::Phase;
use loadgen::watch::Moment;

/// Shows progress on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    end: Duration,
    in_place: bool,
    shown: bool,
}

impl Progress {
    /// Progress of a run that is to send for so long.
    pub(crate) fn new(end: Duration) -> Self {
        Self { end, in_place: stderr().is_terminal(), shown: false }
    }

    pub(crate) fn show(&mut self, Moment { elapsed, phase }: Moment, glance: &Glance) {
        let phase = match phase {
            Phase::WarmUp => "warm-up",
            Phase::Measure => "measure",
            Phase::Verify => "verify",
        };
        let responses = glance.recent.responses();
        let at = |percentile| Duration::from_nanos(responses.value_at_percentile(percentile)).as_secs_f64() * 1e3;
        let line = format!(
            "{:>4} of {} s  {phase:<7}  {:>7} replies/s  p50 {:>7.2} ms  p99 {:>7.2} ms  failed {}  wrong {}",
            elapsed.as_secs(),
            self.end.as_secs(),
            glance.answered,
            at(50.0),
            at(99.0),
            glance.failed,
            glance.wrong
        );
        // Nobody has to be there to see it.
        let _ = if self.in_place { write!(stderr(), "\r{line}\x1b[K") } else { writeln!(stderr(), "{line}") };
        self.shown = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.in_place && self.shown {
            let _ = writeln!(stderr());
        }
    }
}
