//! When clients send: absolute schedules that do not wait for replies, or as fast as these come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

use crate::plan::{Course, Pace, Plan, Spacing};

/// When each of some clients sends next. Times are nanoseconds of the run's clock.
#[derive(Debug)]
pub(super) enum Schedule {
    /// Times depend on the seed alone.
    Open(Open),
    /// Clients that have yet to send their first commands on a connection; all later ones follow
    /// replies.
    Closed { first: Vec<usize>, pipeline: usize },
}

#[derive(Debug)]
pub(super) struct Open {
    /// Next times and clients, the earliest first.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    /// By client how many of its intervals are over when it sends next.
    intervals: Vec<f64>,
    course: Course,
    spacing: Spacing,
    rng: Rng,
}

impl Schedule {
    /// The schedules of clients `0..clients`; their phases are random.
    pub(super) fn new(plan: &Plan, clients: usize, rng: &mut Rng) -> Self {
        match plan.pace {
            Pace::Open { rate, spacing } => {
                let course = rate.course(plan.clients, plan.warm_up);
                Self::Open(Open::new(course, spacing, clients, rng.fork()))
            }
            Pace::Closed { pipeline } => {
                let first = (0..clients).flat_map(|client| std::iter::repeat_n(client, pipeline)).collect();
                Self::Closed { first, pipeline }
            }
        }
    }

    /// A client whose time has come, and when that was. What is late is not left out.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(usize, u64)> {
        match self {
            Self::Open(open) => open.take_due(now),
            Self::Closed { first, .. } => Some((first.pop()?, now)),
        }
    }

    /// When the next client is due; `None` if that depends on replies.
    pub(super) fn next_due(&self) -> Option<u64> {
        match self {
            Self::Open(open) => open.next.peek().map(|Reverse((due, _))| *due),
            Self::Closed { .. } => None,
        }
    }

    /// A client has a new connection, on which no reply is due that would let it send again.
    pub(super) fn begin_anew(&mut self, client: usize) {
        if let Self::Closed { first, pipeline } = self {
            first.extend(std::iter::repeat_n(client, *pipeline));
        }
    }

    /// Whether a reply lets its client send again.
    pub(super) fn follows_replies(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

impl Open {
    fn new(course: Course, spacing: Spacing, clients: usize, mut rng: Rng) -> Self {
        let phase = |_| match spacing {
            Spacing::Fixed | Spacing::Jittered => rng.f64(),
            Spacing::Exponential => exponential(&mut rng),
        };
        let intervals: Vec<f64> = (0..clients).map(phase).collect();
        let timed = |(client, intervals): (usize, &f64)| Reverse((course.time(*intervals), client));
        let next = intervals.iter().enumerate().map(timed).collect();
        Self { next, intervals, course, spacing, rng }
    }

    fn take_due(&mut self, now: u64) -> Option<(usize, u64)> {
        let mut earliest = self.next.peek_mut()?;
        let Reverse((due, client)) = *earliest;
        if due > now {
            return None;
        }
        let intervals = &mut self.intervals[client];
        *intervals = match self.spacing {
            Spacing::Fixed => *intervals + 1.0,
            Spacing::Jittered => intervals.floor() + 1.0 + self.rng.f64(),
            Spacing::Exponential => *intervals + exponential(&mut self.rng),
        };
        earliest.0.0 = self.course.time(*intervals);
        Some((client, due))
    }
}

/// The time to the next event of a Poisson process with one event per unit of time.
fn exponential(rng: &mut Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Rate;

    fn open(spacing: Spacing, clients: usize) -> Open {
        let course = Rate::every(Duration::from_micros(10), clients).course(clients, Duration::ZERO);
        Open::new(course, spacing, clients, Rng::with_seed(1))
    }

    #[test]
    fn an_open_schedule_is_absolute_and_catches_up_on_every_command() {
        let mut schedule = Schedule::Open(open(Spacing::Fixed, 3));
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

    /// Mean and variance of the times between a client's commands, in intervals.
    #[allow(clippy::cast_precision_loss)]
    fn gaps(spacing: Spacing) -> (f64, f64) {
        let mut open = open(spacing, 1);
        let times: Vec<u64> = (0..50_000).map_while(|_| open.take_due(u64::MAX)).map(|(_, due)| due).collect();
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e4).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        (mean, gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64)
    }

    #[test]
    fn each_spacing_has_its_distribution_and_the_same_mean() {
        // The difference of two uniform values has a variance of a sixth.
        for (spacing, variance) in [(Spacing::Fixed, 0.0), (Spacing::Jittered, 1.0 / 6.0), (Spacing::Exponential, 1.0)]
        {
            let (mean, measured) = gaps(spacing);
            assert!((mean - 1.0).abs() < 0.02 && (measured - variance).abs() < 0.03, "{spacing:?}: {mean} {measured}");
        }
    }

    #[test]
    fn a_jittered_client_sends_once_in_each_interval() {
        let mut open = open(Spacing::Jittered, 1);
        let intervals: Vec<u64> =
            (0..1000).map_while(|_| open.take_due(u64::MAX)).map(|(_, due)| due / 10_000).collect();
        assert_eq!(intervals, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_closed_schedule_fills_the_pipelines_once() {
        let mut schedule = Schedule::Closed { first: vec![0, 0, 1, 1], pipeline: 2 };
        let mut first: Vec<usize> = std::iter::from_fn(|| schedule.take_due(7)).map(|(client, _)| client).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 0, 1, 1]);
        assert_eq!(schedule.next_due(), None);
        schedule.begin_anew(1);
        let again: Vec<usize> = std::iter::from_fn(|| schedule.take_due(9)).map(|(client, _)| client).collect();
        assert_eq!(again, [1, 1]);
    }
}
