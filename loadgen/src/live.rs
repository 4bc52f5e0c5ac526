//! What a run shows while it is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use hdrhistogram::Histogram;

use crate::measure::histogram;
use crate::plan::Operation;

/// Figures that threads add to and a display takes from.
#[derive(Debug)]
pub struct Live {
    answered: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
    lost: AtomicU64,
    unseen: AtomicU64,
    recent: Mutex<Recent>,
}

/// Times since the last look, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Recent {
    /// Response times of IAMAT.
    pub iamat: Histogram<u64>,
    /// Response times of WHATSAT.
    pub whatsat: Histogram<u64>,
    /// Response times of lines that are no commands.
    pub invalid: Histogram<u64>,
    /// How late commands were written.
    pub lags: Histogram<u64>,
    /// From the probe's writes to where they were seen.
    pub seen: Histogram<u64>,
}

/// Figures at one look.
#[derive(Debug)]
pub struct Glance {
    /// Replies since the last look.
    pub answered: u64,
    /// Commands without a reply so far.
    pub failed: u64,
    /// Wrong replies so far.
    pub wrong: u64,
    /// Replies among them that lacked an update for too long.
    pub lost: u64,
    /// Sights of the probe's updates that did not come in time, since the last look.
    pub unseen: u64,
    /// Times since the last look.
    pub recent: Recent,
}

/// What a thread has counted since it last said so.
#[derive(Debug, Default)]
pub struct Counted {
    /// Replies.
    pub answered: u64,
    /// Commands without a reply.
    pub failed: u64,
    /// Wrong replies.
    pub wrong: u64,
    /// Replies among them that lacked an update for too long.
    pub lost: u64,
}

impl Recent {
    /// Response times of all operations.
    #[must_use]
    pub fn responses(&self) -> Histogram<u64> {
        let mut all = self.iamat.clone();
        for other in [&self.whatsat, &self.invalid] {
            all.add(other).expect("all histograms have the same bounds");
        }
        all
    }

    /// Response times of one kind of operation.
    pub fn responses_of(&mut self, operation: Operation) -> &mut Histogram<u64> {
        match operation {
            Operation::Iamat => &mut self.iamat,
            Operation::Whatsat => &mut self.whatsat,
            Operation::Invalid => &mut self.invalid,
        }
    }
}

impl Default for Recent {
    fn default() -> Self {
        let [iamat, whatsat, invalid, lags, seen] = std::array::from_fn(|_| histogram());
        Self { iamat, whatsat, invalid, lags, seen }
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
            recent: Mutex::default(),
        }
    }
}

impl Live {
    /// Adds what a thread has seen since it last did so, and empties its histograms.
    ///
    /// # Panics
    /// If another thread panicked here.
    pub fn add(&self, counted: &Counted, part: &mut Recent) {
        for (sum, part) in [
            (&self.answered, counted.answered),
            (&self.failed, counted.failed),
            (&self.wrong, counted.wrong),
            (&self.lost, counted.lost),
        ] {
            sum.fetch_add(part, Ordering::Relaxed);
        }
        let mut recent = self.recent();
        move_into(&mut recent.iamat, &mut part.iamat);
        move_into(&mut recent.whatsat, &mut part.whatsat);
        move_into(&mut recent.invalid, &mut part.invalid);
        move_into(&mut recent.lags, &mut part.lags);
    }

    /// Adds what the probe has seen since it last did so, and how many sights did not come in
    /// time, and empties its histogram.
    ///
    /// # Panics
    /// If another thread panicked here.
    pub fn saw(&self, seen: &mut Histogram<u64>, unseen: u64) {
        self.unseen.fetch_add(unseen, Ordering::Relaxed);
        move_into(&mut self.recent().seen, seen);
    }

    /// Takes the figures since the last look.
    ///
    /// # Panics
    /// If another thread panicked while it added.
    pub fn look(&self) -> Glance {
        Glance {
            answered: self.answered.swap(0, Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            wrong: self.wrong.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            unseen: self.unseen.swap(0, Ordering::Relaxed),
            recent: std::mem::take(&mut self.recent()),
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().expect("nothing panics while it holds the histograms")
    }
}

fn move_into(sum: &mut Histogram<u64>, part: &mut Histogram<u64>) {
    sum.add(&*part).expect("all histograms have the same bounds");
    part.reset();
}
