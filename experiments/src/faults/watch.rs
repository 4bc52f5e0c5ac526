//! Watches which servers answer, and whether all agree.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::agreement::Look;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

/// What was seen at a moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// Since the beginning, in seconds.
    pub(super) second: f64,
    /// Which servers answered.
    pub(super) up: Vec<bool>,
    /// Whether all of them did and agreed.
    pub(super) equal: bool,
}

/// Looks until it is finished or dropped.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Begins; seconds count from `start`.
    pub(super) fn begin(addresses: Vec<String>, start: Instant) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let for_task = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let look = Look::at(&addresses).await;
                let seen = Seen {
                    second: (look.at - start).as_secs_f64(),
                    up: look.statuses.iter().map(Option::is_some).collect(),
                    equal: look.is_agreement(),
                };
                for_task.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                sleep(LOOK).await;
            }
        });
        Self { seen, task }
    }

    pub(super) fn finish(self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// When all servers agreed for the first time in a stretch.
pub(super) fn first_agreement(seen: &[Seen], stretch: Range<f64>) -> Option<f64> {
    seen.iter().find(|seen| stretch.contains(&seen.second) && seen.equal).map(|seen| seen.second)
}

/// The stretches in which something was so, where it was also so at the next look. What is seen
/// only now and then, such as agreement under load, counts as so for `patience` seconds.
pub(super) fn stretches(seen: &[Seen], patience: f64, was_so: impl Fn(&Seen) -> bool) -> Vec<Range<f64>> {
    let mut stretches: Vec<Range<f64>> = Vec::new();
    for seen in seen.iter().filter(|seen| was_so(seen)) {
        match stretches.last_mut() {
            Some(last) if seen.second - last.end <= patience => last.end = seen.second,
            _ => stretches.push(seen.second..seen.second),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(second: f64, equal: bool) -> Seen {
        Seen { second, up: vec![true], equal }
    }

    #[test]
    fn agreement_is_found_and_joined_to_stretches() {
        let all =
            [seen(0.0, true), seen(0.5, false), seen(1.0, true), seen(3.0, false), seen(5.0, true), seen(6.0, true)];
        assert_eq!(first_agreement(&all, 2.0..6.0), Some(5.0));
        assert_eq!(first_agreement(&all, 2.0..5.0), None);
        assert_eq!(stretches(&all, 1.0, |seen| seen.equal), [0.0..1.0, 5.0..6.0]);
    }
}
