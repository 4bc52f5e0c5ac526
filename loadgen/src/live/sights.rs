//! What the propagation probe has seen since the last look.

use hdrhistogram::Histogram;

use super::move_into;
use crate::measure::{coarse, histogram};
use crate::oracle::ServerId;

/// Sights of the probe's updates since the last look; times are in nanoseconds.
#[derive(Debug, Clone)]
pub struct Sights {
    /// From each write to its first sight at another server.
    pub all: Histogram<u64>,
    /// By origin and observer.
    pairs: Vec<Vec<Pair>>,
}

/// Sights of one origin's updates at one observer.
#[derive(Debug, Clone)]
pub struct Pair {
    /// From each write to its first sight, in nanoseconds; to two digits.
    pub latency: Histogram<u64>,
    /// Updates written while the run measured, and not seen in time.
    pub lost: u64,
}

impl Sights {
    /// Nothing yet, of so many servers.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        let pair = Pair { latency: coarse(), lost: 0 };
        Self { all: histogram(), pairs: vec![vec![pair; servers]; servers] }
    }

    /// An update was seen so many nanoseconds after it was written.
    pub fn saw(&mut self, origin: ServerId, observer: ServerId, latency: u64) {
        self.all.saturating_record(latency);
        self.pairs[origin][observer].latency.saturating_record(latency);
    }

    /// So many updates were not seen in time.
    pub fn lose(&mut self, origin: ServerId, observer: ServerId, lost: u64) {
        self.pairs[origin][observer].lost += lost;
    }

    /// What one server has shown of another's updates.
    #[must_use]
    pub fn pair(&self, origin: ServerId, observer: ServerId) -> &Pair {
        &self.pairs[origin][observer]
    }

    /// Updates, by observer, that were not seen in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.pairs.iter().flatten().map(|pair| pair.lost).sum()
    }

    /// Adds what came later, and empties that.
    pub fn take_in(&mut self, other: &mut Self) {
        move_into(&mut self.all, &mut other.all);
        for (sum, part) in self.pairs.iter_mut().flatten().zip(other.pairs.iter_mut().flatten()) {
            move_into(&mut sum.latency, &mut part.latency);
            sum.lost += std::mem::take(&mut part.lost);
        }
    }
}
