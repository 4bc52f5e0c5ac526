//! What clients have seen since the last look.

use hdrhistogram::Histogram;

use super::move_into;
use crate::measure::{coarse, histogram};
use crate::oracle::{Answer, ServerId, Wrong};
use crate::plan::Operation;

/// What clients have seen since the last look; times are in nanoseconds.
#[derive(Debug, Clone)]
pub struct Recent {
    /// Of IAMAT.
    pub iamat: Times,
    /// Of WHATSAT.
    pub whatsat: Times,
    /// Of lines that are no commands.
    pub invalid: Times,
    /// By server.
    pub servers: Vec<AtServer>,
    /// One of the wrong answers, if there was any, in a sentence.
    pub wrong: Option<String>,
}

/// Times of one operation at all servers, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Times {
    /// From when commands were due until their replies.
    pub response: Histogram<u64>,
    /// How late they were written.
    pub lag: Histogram<u64>,
}

/// What one server has done.
#[derive(Debug, Clone)]
pub struct AtServer {
    /// From the writes of IAMATs to their replies, in nanoseconds; to two digits.
    pub iamat: Histogram<u64>,
    /// The same of WHATSATs.
    pub whatsat: Histogram<u64>,
    /// The same of lines that are no commands.
    pub invalid: Histogram<u64>,
    /// Commands without a reply.
    pub failed: u64,
    /// Those among them whose replies took too long.
    pub timeouts: u64,
    /// Wrong replies.
    pub wrong: u64,
    /// Those among them that lacked an update for too long.
    pub lost: u64,
    /// Replies that lacked an update; that is not wrong yet.
    pub stale: u64,
}

impl Recent {
    /// Nothing yet, of so many servers.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        let (iamat, whatsat, invalid) = Default::default();
        Self { iamat, whatsat, invalid, servers: vec![AtServer::default(); servers], wrong: None }
    }

    /// Counts so many replies to commands that were due, written and answered at these times.
    pub fn replies(&mut self, operation: Operation, server: ServerId, times: [u64; 3], count: u64) {
        let [due, written, answered] = times;
        let at = &mut self.servers[server];
        let (times, service) = match operation {
            Operation::Iamat => (&mut self.iamat, &mut at.iamat),
            Operation::Whatsat => (&mut self.whatsat, &mut at.whatsat),
            Operation::Invalid => (&mut self.invalid, &mut at.invalid),
        };
        times.response.saturating_record_n(answered.saturating_sub(due), count);
        times.lag.saturating_record_n(written.saturating_sub(due), count);
        service.saturating_record_n(answered.saturating_sub(written), count);
    }

    /// Counts what was found out about a reply.
    pub fn judged(&mut self, server: ServerId, judgement: &Result<Answer, Wrong>) {
        match judgement {
            Ok(Answer::Current) => {}
            Ok(Answer::Stale(_)) => self.servers[server].stale += 1,
            Err(wrong) => self.wrong(server, wrong),
        }
    }

    /// Counts something wrong that a server said.
    pub fn wrong(&mut self, server: ServerId, wrong: &Wrong) {
        let at = &mut self.servers[server];
        at.wrong += 1;
        at.lost += u64::from(wrong.is_lost_update);
        // Where everything is wrong, one sentence is enough.
        self.wrong.get_or_insert_with(|| wrong.to_string());
    }

    /// Response times of all operations.
    #[must_use]
    pub fn responses(&self) -> Histogram<u64> {
        all([&self.iamat.response, &self.whatsat.response, &self.invalid.response])
    }

    /// How late commands of all operations were written.
    #[must_use]
    pub fn lags(&self) -> Histogram<u64> {
        all([&self.iamat.lag, &self.whatsat.lag, &self.invalid.lag])
    }

    /// Adds what came later, or elsewhere, and empties that.
    pub(super) fn take_in(&mut self, other: &mut Self) {
        for (sum, part) in [
            (&mut self.iamat, &mut other.iamat),
            (&mut self.whatsat, &mut other.whatsat),
            (&mut self.invalid, &mut other.invalid),
        ] {
            move_into(&mut sum.response, &mut part.response);
            move_into(&mut sum.lag, &mut part.lag);
        }
        for (sum, part) in self.servers.iter_mut().zip(&mut other.servers) {
            sum.take_in(part);
        }
        self.wrong = other.wrong.take().or(self.wrong.take());
    }
}

impl AtServer {
    /// Replies.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.iamat.len() + self.whatsat.len() + self.invalid.len()
    }

    /// From the writes of all operations to their replies, in nanoseconds.
    #[must_use]
    pub fn service(&self) -> Histogram<u64> {
        all([&self.iamat, &self.whatsat, &self.invalid])
    }

    fn take_in(&mut self, other: &mut Self) {
        move_into(&mut self.iamat, &mut other.iamat);
        move_into(&mut self.whatsat, &mut other.whatsat);
        move_into(&mut self.invalid, &mut other.invalid);
        for (sum, part) in [
            (&mut self.failed, &mut other.failed),
            (&mut self.timeouts, &mut other.timeouts),
            (&mut self.wrong, &mut other.wrong),
            (&mut self.lost, &mut other.lost),
            (&mut self.stale, &mut other.stale),
        ] {
            *sum += std::mem::take(part);
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { response: histogram(), lag: histogram() }
    }
}

impl Default for AtServer {
    fn default() -> Self {
        let (failed, timeouts, wrong, lost, stale) = Default::default();
        let [iamat, whatsat, invalid] = std::array::from_fn(|_| coarse());
        Self { iamat, whatsat, invalid, failed, timeouts, wrong, lost, stale }
    }
}

fn all(parts: [&Histogram<u64>; 3]) -> Histogram<u64> {
    let mut all = parts[0].clone();
    for part in &parts[1..] {
        all.add(*part).expect("all have the same bounds");
    }
    all
}
