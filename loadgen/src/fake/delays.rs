//! How long replies are held back.

use std::time::Duration;

use fastrand::Rng;

/// What [`Delays`] are made of.
pub(super) const DESCRIPTION: &str = "1 to 3 ms, 3 % of them 20 ms, 0.5 % 100 ms";

/// Delays of one reply after the other. Their percentiles 50, 99 and 100 lie far from where one
/// kind of delay ends and another begins, so a few replies more or less move none of them.
#[derive(Debug)]
pub(super) struct Delays(Rng);

impl Delays {
    /// Delays that follow from a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// The next reply's.
    pub(super) fn next(&mut self) -> Duration {
        match self.0.u32(..1000) {
            0..5 => Duration::from_millis(100),
            5..35 => Duration::from_millis(20),
            _ => Duration::from_micros(self.0.u64(1000..=3000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_what_their_description_says() {
        let mut delays = Delays::new(1);
        let millis: Vec<u128> = (0..100_000).map(|_| delays.next().as_millis()).collect();
        let count = |wanted: std::ops::RangeInclusive<u128>| millis.iter().filter(|ms| wanted.contains(ms)).count();
        assert_eq!(count(1..=3) + count(20..=20) + count(100..=100), millis.len());
        assert!((2500..3500).contains(&count(20..=20)) && (400..600).contains(&count(100..=100)));
    }
}
