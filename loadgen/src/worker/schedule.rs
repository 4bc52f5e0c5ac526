//! When clients send: absolute schedules that do not wait for replies, or as fast as these come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

use crate::measure::nanos;
use crate::plan::Pace;

/// When each of some clients sends next. Times are nanoseconds of the run's clock.
#[derive(Debug)]
pub(super) enum Schedule {
    /// Client `c` sends at `phase(c) + k × interval`, for every k from 0.
    Open {
        /// Next times and clients, the earliest first.
        next: BinaryHeap<Reverse<(u64, usize)>>,
        interval: u64,
    },
    /// Clients that have yet to send their first commands; all later ones follow replies.
    Closed { first: Vec<usize> },
}

impl Schedule {
    /// The schedules of clients `0..clients`; their phases are random.
    pub(super) fn new(pace: Pace, clients: usize, rng: &mut Rng) -> Self {
        match pace {
            Pace::Open { interval } => {
                let interval = nanos(interval).max(1);
                let next = (0..clients).map(|client| Reverse((rng.u64(..interval), client))).collect();
                Self::Open { next, interval }
            }
            Pace::Closed { pipeline } => {
                let first = (0..clients).flat_map(|client| std::iter::repeat_n(client, pipeline)).collect();
                Self::Closed { first }
            }
        }
    }

    /// A client whose time has come, and when that was. What is late is not left out.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(usize, u64)> {
        match self {
            Self::Open { next, interval } => {
                let mut earliest = next.peek_mut()?;
                let Reverse((due, client)) = *earliest;
                if due > now {
                    return None;
                }
                earliest.0.0 = due + *interval;
                Some((client, due))
            }
            Self::Closed { first } => Some((first.pop()?, now)),
        }
    }

    /// When the next client is due; `None` if that depends on replies.
    pub(super) fn next_due(&self) -> Option<u64> {
        match self {
            Self::Open { next, .. } => next.peek().map(|Reverse((due, _))| *due),
            Self::Closed { .. } => None,
        }
    }

    /// Whether a reply lets its client send again.
    pub(super) fn follows_replies(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_open_schedule_is_absolute_and_catches_up_on_every_command() {
        let interval = Duration::from_micros(10);
        let mut schedule = Schedule::new(Pace::Open { interval }, 3, &mut Rng::with_seed(1));
        let mut times = vec![Vec::new(); 3];
        // The program is away for most of the time and still sends all that was due meanwhile.
        for now in [0, 15_000, 100_000] {
            while let Some((client, due)) = schedule.take_due(now) {
                assert!(due <= now);
                times[client].push(due);
            }
            assert!(schedule.next_due().unwrap() > now);
        }
        for times in times {
            let expected: Vec<u64> = (0..).map(|k| times[0] + k * 10_000).take_while(|due| *due <= 100_000).collect();
            assert!(times[0] < 10_000);
            assert_eq!(times, expected);
        }
    }

    #[test]
    fn a_closed_schedule_fills_the_pipelines_once() {
        let mut schedule = Schedule::new(Pace::Closed { pipeline: 2 }, 3, &mut Rng::with_seed(1));
        let mut first: Vec<usize> = std::iter::from_fn(|| schedule.take_due(7)).map(|(client, _)| client).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 0, 1, 1, 2, 2]);
        assert_eq!(schedule.next_due(), None);
    }
}
