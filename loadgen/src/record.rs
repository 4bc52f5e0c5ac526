//! What a run's threads have seen.

use hdrhistogram::Histogram;

use crate::measure::{Latencies, histogram};
use crate::oracle::{Answer, Wrong};
use crate::plan::Operation;
use crate::steps::Steps;
pub use crate::worker::busy::Shares;

/// Wrong answers that are kept in full; the rest is counted. Half of the room is not for lost
/// updates, of which there are many where something is down.
const KEPT: usize = 20;
const KEPT_LOST: usize = 10;

/// What was measured between the warm-up and the end, and what was judged in the whole run.
#[derive(Debug, Clone)]
pub struct Record {
    /// Latencies of IAMAT.
    pub iamat: Latencies,
    /// Latencies of WHATSAT.
    pub whatsat: Latencies,
    /// Latencies of lines that are no commands.
    pub invalid: Latencies,
    /// From when clients left a server until another one acknowledged them, in nanoseconds.
    pub handover: Histogram<u64>,
    /// Where the rate changes: response times by what was offered.
    pub steps: Steps,
    /// How each thread spent the measured time.
    pub threads: Vec<Shares>,
    /// Commands of the whole run.
    pub counts: Counts,
    /// How old what stale answers lacked was, in nanoseconds.
    pub stale: Histogram<u64>,
    /// The first wrong answers.
    pub wrong: Vec<Wrong>,
}

/// Counts of a whole run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Commands that were sent.
    pub sent: u64,
    /// Replies that were read and judged.
    pub answered: u64,
    /// Updates that were acknowledged.
    pub acknowledged: u64,
    /// Commands that got no reply because their connection broke, or could not be sent because
    /// there was none.
    pub failed: u64,
    /// Replies that are wrong.
    pub wrong: u64,
    /// Answers, by server and client, that at the end of the run still lacked an update.
    pub lost: u64,
    /// Updates that only a server held that then broke its connections.
    pub died: u64,
    /// Clients, by server, that the server could not be asked about at the end.
    pub unverified: u64,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            iamat: Latencies::default(),
            whatsat: Latencies::default(),
            invalid: Latencies::default(),
            handover: histogram(),
            steps: Steps::default(),
            threads: Vec::new(),
            counts: Counts::default(),
            stale: histogram(),
            wrong: Vec::new(),
        }
    }
}

impl Record {
    /// The latencies of a kind of operation.
    pub fn latencies(&mut self, operation: Operation) -> &mut Latencies {
        match operation {
            Operation::Iamat => &mut self.iamat,
            Operation::Whatsat => &mut self.whatsat,
            Operation::Invalid => &mut self.invalid,
        }
    }

    /// Counts a judgement.
    pub fn judged(&mut self, judgement: Result<Answer, Wrong>) {
        self.counts.answered += 1;
        match judgement {
            Ok(Answer::Current) => {}
            Ok(Answer::Stale(age)) => self.stale.saturating_record(age),
            Err(wrong) => self.wrong(wrong),
        }
    }

    /// Counts a wrong answer.
    pub fn wrong(&mut self, wrong: Wrong) {
        self.counts.wrong += 1;
        self.counts.lost += u64::from(wrong.is_lost_update);
        let room = if wrong.is_lost_update { KEPT_LOST } else { KEPT };
        if self.wrong.len() < room {
            self.wrong.push(wrong);
        }
    }

    /// Counts in what another thread has seen.
    pub fn add(&mut self, other: &Self) {
        self.iamat.add(&other.iamat);
        self.whatsat.add(&other.whatsat);
        self.invalid.add(&other.invalid);
        self.steps.add(&other.steps);
        self.threads.extend(&other.threads);
        for (sum, part) in [(&mut self.stale, &other.stale), (&mut self.handover, &other.handover)] {
            sum.add(part).expect("all histograms have the same bounds");
        }
        let Counts { sent, answered, acknowledged, failed, wrong, lost, died, unverified } = &mut self.counts;
        for (sum, part) in [
            (sent, other.counts.sent),
            (answered, other.counts.answered),
            (acknowledged, other.counts.acknowledged),
            (failed, other.counts.failed),
            (wrong, other.counts.wrong),
            (lost, other.counts.lost),
            (died, other.counts.died),
            (unverified, other.counts.unverified),
        ] {
            *sum += part;
        }
        let room = KEPT - self.wrong.len();
        self.wrong.extend(other.wrong.iter().take(room).cloned());
    }
}
