//! The run's clock, which counts from the run's start, the wall clock, and processor time.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::measure::nanos;

/// Nanoseconds since the start of a run. All its threads share the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunClock(Instant);

impl RunClock {
    /// A clock that starts at the given moment.
    #[must_use]
    pub(crate) fn starting_at(start: Instant) -> Self {
        Self(start)
    }

    /// Nanoseconds since the start; 0 before it.
    #[must_use]
    pub(crate) fn now(self) -> u64 {
        nanos(self.0.elapsed())
    }

    /// Now, by both clocks.
    #[must_use]
    pub(crate) fn moment(self) -> Moment {
        Moment { run: self.now(), wall: wall() }
    }

    /// How long it is until a moment of this clock.
    #[must_use]
    pub(crate) fn until(self, moment: u64) -> Duration {
        (self.0 + Duration::from_nanos(moment)).saturating_duration_since(Instant::now())
    }
}

/// A moment by both clocks. Replies that were read at once share one, and so do the commands
/// that follow them: looking at clocks is dear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Nanoseconds since the start of the run.
    pub(crate) run: u64,
    /// Nanoseconds since 1970.
    pub(crate) wall: u64,
}

/// Nanoseconds since 1970, by the wall clock.
#[must_use]
pub(crate) fn wall() -> u64 {
    nanos(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
}

/// Processor time that this thread has used so far, in nanoseconds.
#[must_use]
pub(crate) fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    nanos(Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0)))
}

/// Processor time of this process so far.
#[must_use]
pub(crate) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}
