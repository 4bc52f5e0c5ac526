//! Seeded random numbers whose sequence is part of what this crate promises.
//!
//! SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014),
//! written out because a library may change its sequence between versions.

/// What a sequence is for, so that equal keys in different uses give unrelated sequences.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// How many places there are and what the answer as a whole needs.
    Answer = 1,
    /// One place.
    Place = 2,
    /// Whether and how a request fails.
    Fault = 3,
    /// How late an answer is.
    Delay = 4,
}

/// A sequence of random numbers, determined by its seed, purpose and key.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// Starts the sequence for one use.
    pub(crate) fn new(seed: u64, purpose: Purpose, key: &[u64]) -> Self {
        let start = mix(seed.wrapping_add(purpose as u64));
        Self(key.iter().fold(start, |state, part| mix(state ^ mix(*part))))
    }

    /// The next 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; the bias, below `bound` / 2^32, does not matter here.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let scaled = (self.bits() >> 32) * u64::from(bound);
        u32::try_from(scaled >> 32).unwrap_or(u32::MAX)
    }

    /// A number in `0.0..1.0`, of 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether an event of `numerator` in `denominator` happens.
    pub(crate) fn chance(&mut self, numerator: u32, denominator: u32) -> bool {
        self.below(denominator) < numerator
    }

    /// One element of a list that is not empty.
    pub(crate) fn pick<'list, T>(&mut self, list: &'list [T]) -> &'list T {
        let bound = u32::try_from(list.len()).unwrap_or(u32::MAX);
        &list[self.below(bound) as usize]
    }
}

/// Spreads every bit of the input over the whole output.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::{Draw, Purpose};

    #[test]
    fn the_sequence_is_splitmix64() {
        // The generator's published first outputs for the seed 1234567.
        let mut draw = Draw(1_234_567);
        assert_eq!(draw.bits(), 6_457_827_717_110_365_317);
        assert_eq!(draw.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn seed_purpose_and_key_each_change_the_sequence() {
        let first = |seed, purpose, key: &[u64]| Draw::new(seed, purpose, key).bits();
        let base = first(7, Purpose::Place, &[1, 2]);
        assert_eq!(base, first(7, Purpose::Place, &[1, 2]));
        assert_ne!(base, first(8, Purpose::Place, &[1, 2]));
        assert_ne!(base, first(7, Purpose::Answer, &[1, 2]));
        assert_ne!(base, first(7, Purpose::Place, &[2, 1]));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut draw = Draw::new(1, Purpose::Answer, &[]);
        let mut seen = [false; 6];
        for _ in 0..200 {
            seen[draw.below(6) as usize] = true;
            assert!((0.0..1.0).contains(&draw.unit()));
        }
        assert_eq!(seen, [true; 6]);
    }
}
