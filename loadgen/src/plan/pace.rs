//! How often clients send: at a rate that is the same or rises, at even times or not.

use std::time::Duration;

use crate::measure::nanos;

/// When commands are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Open loop: each client on its schedule, whether or not replies come.
    Open {
        /// How often.
        rate: Rate,
        /// How evenly.
        spacing: Spacing,
    },
    /// Closed loop: as fast as replies come.
    Closed {
        /// Commands of a client under way at a time.
        pipeline: usize,
    },
}

impl Pace {
    /// One command of each of so many clients in an interval, at even times.
    #[must_use]
    pub const fn every(interval: Duration, clients: usize) -> Self {
        Self::Open { rate: Rate::every(interval, clients), spacing: Spacing::Fixed }
    }
}

/// How the times between two commands of a client are distributed; their mean follows from the
/// rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// All the same.
    #[default]
    Fixed,
    /// One command somewhere in each interval.
    Jittered,
    /// As if each moment were as good as any other: a Poisson process.
    Exponential,
}

/// Commands per second of all clients of all shards together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// At first, the warm-up included.
    pub from: f64,
    /// In the end.
    pub to: f64,
    /// How long the rate takes from one to the other, from the end of the warm-up on.
    pub over: Duration,
}

impl Rate {
    /// A rate that does not change.
    #[must_use]
    pub const fn constant(rate: f64) -> Self {
        Self { from: rate, to: rate, over: Duration::ZERO }
    }

    /// One command of each client in an interval.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub const fn every(interval: Duration, clients: usize) -> Self {
        Self::constant(clients as f64 / interval.as_secs_f64())
    }

    /// Whether it changes.
    #[must_use]
    pub fn is_ramp(&self) -> bool {
        self.from.total_cmp(&self.to).is_ne()
    }

    /// The rate at a time after the end of the warm-up.
    #[must_use]
    pub fn after(&self, time: Duration) -> f64 {
        if !self.is_ramp() {
            return self.to;
        }
        let done = (time.as_secs_f64() / self.over.as_secs_f64()).min(1.0);
        self.from + (self.to - self.from) * done
    }

    /// The mean rate of a measured time.
    #[must_use]
    pub fn mean(&self, duration: Duration) -> f64 {
        if !self.is_ramp() || duration.is_zero() {
            return self.from;
        }
        let ramp = self.over.min(duration);
        let in_ramp = (self.from + self.after(ramp)) / 2.0 * ramp.as_secs_f64();
        let behind = self.to * duration.saturating_sub(ramp).as_secs_f64();
        (in_ramp + behind) / duration.as_secs_f64()
    }

    /// The times at which one of so many clients sends, if its warm-up takes so long.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn course(&self, clients: usize, warm_up: Duration) -> Course {
        let per_client = |rate: f64| rate / clients as f64 / 1e9;
        let begin = nanos(warm_up) as f64;
        let over = if self.is_ramp() { nanos(self.over) as f64 } else { 0.0 };
        Course { from: per_client(self.from), to: per_client(self.to), begin, over }
    }
}

/// Tells when a client sends, counted in its intervals: its k-th command has interval number
/// phase + k, whatever the rate is then.
#[derive(Debug, Clone, Copy)]
pub struct Course {
    /// Commands per nanosecond, before and after the ramp.
    from: f64,
    to: f64,
    /// When the ramp begins and how long it takes, in nanoseconds.
    begin: f64,
    over: f64,
}

impl Course {
    /// The time, in nanoseconds of the run, at which so many intervals are over.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn time(&self, intervals: f64) -> u64 {
        self.exact_time(intervals).round() as u64
    }

    fn exact_time(&self, intervals: f64) -> f64 {
        let of_ramp = intervals - self.from * self.begin;
        if of_ramp <= 0.0 || self.over == 0.0 {
            return intervals / self.from;
        }
        let behind = of_ramp - (self.from + self.to) / 2.0 * self.over;
        if behind >= 0.0 {
            return self.begin + self.over + behind / self.to;
        }
        // In the ramp, from × t + slope × t² / 2 intervals are over after t. Written so that
        // nothing cancels out where the slope is small.
        let slope = (self.to - self.from) / self.over;
        let root = (self.from * self.from + 2.0 * slope * of_ramp).max(0.0).sqrt();
        self.begin + 2.0 * of_ramp / (self.from + root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: f64 = 1e9;

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn a_constant_rate_has_even_times_to_the_nanosecond() {
        let course = Rate::every(Duration::from_micros(333), 7).course(7, Duration::from_secs(2));
        for k in [0, 1, 2, 1_000, 10_000_000_u64] {
            assert_eq!(course.time(k as f64), k * 333_000);
        }
    }

    #[test]
    fn the_mean_of_a_ramp_counts_what_is_behind_it_and_only_what_is_measured() {
        let rate = Rate { from: 100.0, to: 200.0, over: Duration::from_secs(10) };
        for (seconds, expected) in [(5, 125.0), (10, 150.0), (20, 175.0)] {
            let mean = rate.mean(Duration::from_secs(seconds));
            assert!((mean - expected).abs() < 1e-9, "{seconds} s: {mean}");
        }
    }

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn a_ramp_offers_the_rate_that_its_moment_asks_for() {
        for (from, to) in [(100.0, 5000.0), (5000.0, 100.0), (1000.0, 1000.001)] {
            let rate = Rate { from, to, over: Duration::from_secs(20) };
            let course = rate.course(10, Duration::from_secs(5));
            let times: Vec<f64> = (0..1_000_000).map(|k| course.time(f64::from(k) / 100.0) as f64).collect();
            assert!(times.is_sorted());
            // One client of ten: in each second a tenth of the rate in its middle.
            let until = |end: f64| times.partition_point(|time| *time < end * SECOND) as f64 / 100.0;
            for second in 0..30_u32 {
                let sent = until(f64::from(second + 1)) - until(f64::from(second));
                let middle = Duration::from_millis((u64::from(second) * 1000 + 500).saturating_sub(5000));
                let due = rate.after(middle) / 10.0;
                assert!((sent - due).abs() < 0.05, "second {second}: {sent} for {due}");
            }
        }
    }
}
