//! A run whose rate changes, in steps: how fast the herd answered what was offered.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::measure::{histogram, nanos};
use crate::plan::{Pace, Plan, Rate};

/// Into how many steps the measured time of such a run is cut.
pub const STEPS: u32 = 10;

/// Response times of the parts of a run, by when commands were due. Empty where the rate does not
/// change.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// How long each takes, in nanoseconds.
    length: u64,
    responses: Vec<Histogram<u64>>,
}

/// One of them.
#[derive(Debug)]
pub struct Step<'s> {
    /// The middle of it, from the end of the warm-up on.
    pub middle: Duration,
    /// From when commands were due until their replies, or until they were given up.
    pub responses: &'s Histogram<u64>,
}

impl Steps {
    /// The steps of a plan, which are empty so far.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        match plan.pace {
            Pace::Open { rate, .. } if Rate::is_ramp(&rate) => Self {
                length: nanos(plan.duration / STEPS).max(1),
                responses: (0..STEPS).map(|_| histogram()).collect(),
            },
            _ => Self::default(),
        }
    }

    /// Records so many commands that were due so many nanoseconds after the warm-up.
    pub fn record(&mut self, due: u64, response: u64, count: u64) {
        if !self.responses.is_empty() {
            let last = self.responses.len() - 1;
            let step = usize::try_from(due / self.length).unwrap_or(last).min(last);
            self.responses[step].saturating_record_n(response, count);
        }
    }

    /// Counts in what another thread has recorded.
    pub fn add(&mut self, other: &Self) {
        if self.responses.is_empty() {
            *self = other.clone();
            return;
        }
        for (sum, part) in self.responses.iter_mut().zip(&other.responses) {
            sum.add(part).expect("all histograms have the same bounds");
        }
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Step<'_>> {
        let length = Duration::from_nanos(self.length);
        let step = move |(place, responses)| Step { middle: length * place + length / 2, responses };
        (0..).zip(&self.responses).map(step)
    }
}
