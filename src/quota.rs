//! How often something may happen: a rate, and the token bucket that keeps it.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// So many times per second, minute or hour: `5/s`, `100/min`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    times: NonZeroU32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

/// The text is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be a whole number, at least 1, and a unit: 5/s, 100/min or 1000/h")]
pub struct RateError;

impl Unit {
    const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    fn text(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
        }
    }

    fn duration(self) -> Duration {
        match self {
            Self::Second => SECOND,
            Self::Minute => 60 * SECOND,
            Self::Hour => 3600 * SECOND,
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (times, unit) = text.split_once('/').ok_or(RateError)?;
        let unit = Unit::ALL.into_iter().find(|known| known.text() == unit).ok_or(RateError)?;
        Ok(Self { times: times.parse().map_err(|_| RateError)?, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.times, self.unit.text())
    }
}

/// A token bucket: it fills at a rate, holds what comes in within a second but at least one
/// token, and whatever happens takes one out.
///
/// It counts in whole numbers: each nanosecond brings as many parts of a token as the rate has
/// times, and as many as its unit has nanoseconds make a token. So nothing is ever rounded.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: Rate,
    parts: u128,
    /// When `parts` was true.
    as_of: Instant,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn full(rate: Rate, now: Instant) -> Self {
        let mut bucket = Self { rate, parts: 0, as_of: now };
        bucket.parts = bucket.capacity();
        bucket
    }

    /// Whether there is a token at `now`. An earlier `now` than before counts as the same.
    pub fn has_token(&mut self, now: Instant) -> bool {
        let brought = now.saturating_duration_since(self.as_of).as_nanos() * self.times();
        self.parts = (self.parts + brought).min(self.capacity());
        self.as_of = self.as_of.max(now);
        self.parts >= self.parts_of_a_token()
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let has_token = self.has_token(now);
        if has_token {
            self.parts -= self.parts_of_a_token();
        }
        has_token
    }

    fn times(&self) -> u128 {
        self.rate.times.get().into()
    }

    fn parts_of_a_token(&self) -> u128 {
        self.rate.unit.duration().as_nanos()
    }

    fn capacity(&self) -> u128 {
        self.parts_of_a_token().max(self.times() * SECOND.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().expect(text)
    }

    /// How many tokens can be taken at once.
    fn burst(bucket: &mut Bucket, now: Instant) -> usize {
        std::iter::repeat_with(|| bucket.take(now)).take_while(|&taken| taken).count()
    }

    #[test]
    fn rates_are_read_and_written_as_text() {
        for text in ["5/s", "100/min", "1000/h", "1/s", "4294967295/h"] {
            assert_eq!(rate(text).to_string(), text);
        }
        for wrong in ["", "5", "5/", "/s", "0/s", "-1/s", "0.5/s", "5/S", "5 / s", "5/d", "5/s/s", "4294967296/s"] {
            assert_eq!(wrong.parse::<Rate>(), Err(RateError), "{wrong}");
        }
    }

    #[test]
    fn a_burst_is_what_comes_in_within_a_second_but_at_least_one() {
        let now = Instant::now();
        for (text, expected) in [("5/s", 5), ("1/s", 1), ("1/h", 1), ("59/min", 1), ("119/min", 1), ("120/min", 2)] {
            let mut bucket = Bucket::full(rate(text), now);
            assert_eq!(burst(&mut bucket, now), expected, "{text}");
            assert_eq!(burst(&mut bucket, now + 10_000 * SECOND), expected, "{text} after a long time");
        }
    }

    #[test]
    fn a_token_is_there_when_it_is_due_and_not_a_nanosecond_earlier() {
        let start = Instant::now();
        // The third of a second is no whole number of nanoseconds: three of them still make one.
        // A bucket that is full with one token has no room for the rest of a nanosecond.
        for (text, due) in [
            ("3/s", [333_333_334, 666_666_667, 1_000_000_000]),
            ("7/min", [8_571_428_572, 17_142_857_144, 25_714_285_716]),
            ("1/h", [3_600_000_000_000, 7_200_000_000_000, 10_800_000_000_000]),
        ] {
            let mut bucket = Bucket::full(rate(text), start);
            burst(&mut bucket, start);
            for nanoseconds in due {
                let due = start + Duration::from_nanos(nanoseconds);
                assert!(!bucket.take(due - Duration::from_nanos(1)), "{text} {nanoseconds}");
                assert!(bucket.take(due), "{text} {nanoseconds}");
            }
        }
    }

    #[test]
    fn asking_whether_there_is_a_token_takes_none() {
        let now = Instant::now();
        let mut bucket = Bucket::full(rate("1/s"), now);
        assert!(bucket.has_token(now) && bucket.has_token(now) && bucket.take(now));
        assert!(!bucket.has_token(now));
    }

    #[test]
    fn no_time_counts_twice_where_moments_come_out_of_order() {
        let start = Instant::now();
        let mut bucket = Bucket::full(rate("1/s"), start);
        assert!(bucket.take(start + SECOND));
        assert!(!bucket.take(start));
        assert!(!bucket.take(start + SECOND));
    }

    proptest! {
        #[test]
        fn within_any_time_no_more_is_taken_than_a_burst_and_what_the_rate_brings(
            times in 1..200_u32,
            unit in 0..3_usize,
            pauses in prop::collection::vec(0..3_000_000_000_u64, 1..200),
        ) {
            let rate = Rate { times: NonZeroU32::new(times).unwrap(), unit: Unit::ALL[unit] };
            let start = Instant::now();
            let mut bucket = Bucket::full(rate, start);
            let full = burst(&mut bucket.clone(), start) as u128;
            let (mut now, mut taken) = (start, 0_u128);
            for pause in pauses {
                now += Duration::from_nanos(pause);
                taken += u128::from(bucket.take(now));
                let brought = (now - start).as_nanos() * u128::from(times) / rate.unit.duration().as_nanos();
                // The burst may hold parts of a token besides.
                prop_assert!(taken <= full + 1 + brought);
            }
        }

        #[test]
        fn who_keeps_to_the_rate_is_never_refused(times in 1..100_000_u32, unit in 0..3_usize) {
            let rate = Rate { times: NonZeroU32::new(times).unwrap(), unit: Unit::ALL[unit] };
            let start = Instant::now();
            let mut bucket = Bucket::full(rate, start);
            burst(&mut bucket, start);
            let pause = rate.unit.duration().as_nanos().div_ceil(times.into());
            for number in 1..1000 {
                prop_assert!(bucket.take(start + Duration::from_nanos(number * u64::try_from(pause).unwrap())));
            }
        }
    }
}
