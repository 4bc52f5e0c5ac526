//! What a run shows while it is under way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

use crate::measure::histogram;

/// Figures that threads add to and a display takes from.
#[derive(Debug)]
pub struct Live {
    answered: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
    responses: Mutex<Histogram<u64>>,
}

/// Figures since the last look.
#[derive(Debug)]
pub struct Glance {
    /// Replies since the last look.
    pub answered: u64,
    /// Commands without a reply so far.
    pub failed: u64,
    /// Wrong replies so far.
    pub wrong: u64,
    /// Response times since the last look, in nanoseconds.
    pub responses: Histogram<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            responses: Mutex::new(histogram()),
        }
    }
}

impl Live {
    /// Adds what a thread has seen since it last did so, and empties its histogram.
    ///
    /// # Panics
    /// If another thread panicked here.
    pub fn add(&self, answered: u64, failed: u64, wrong: u64, responses: &mut Histogram<u64>) {
        self.answered.fetch_add(answered, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
        self.wrong.fetch_add(wrong, Ordering::Relaxed);
        let mut all = self.responses.lock().expect("nothing panics while it holds the histogram");
        all.add(&*responses).expect("all histograms have the same bounds");
        responses.reset();
    }

    /// Takes the figures since the last look.
    ///
    /// # Panics
    /// If another thread panicked while it added.
    pub fn look(&self) -> Glance {
        let mut responses = self.responses.lock().expect("nothing panics while it holds the histogram");
        Glance {
            answered: self.answered.swap(0, Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            wrong: self.wrong.load(Ordering::Relaxed),
            responses: std::mem::replace(&mut responses, histogram()),
        }
    }
}
