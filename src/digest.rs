//! An order-free hash of a set of AT lines: equal digests, equal sets.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

/// The wrapping sum of the 128-bit XXH3 hashes (seed 0) of all lines in a set. Adding and
/// removing one line takes the same short time however large the set is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u128);

impl Digest {
    /// The digest of one line.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        Self(xxh3_128(line))
    }

    /// The digest as a number, which is how it crosses links.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The lower half, which stands for one line where all of it would be too long.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub const fn low(self) -> u64 {
        self.0 as u64
    }

    /// Counts a line in.
    pub fn add(&mut self, line: &[u8]) {
        self.0 = self.0.wrapping_add(xxh3_128(line));
    }

    /// Counts a line out that was counted in.
    pub fn remove(&mut self, line: &[u8]) {
        self.0 = self.0.wrapping_sub(xxh3_128(line));
    }
}

impl std::iter::Sum for Digest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        Self(digests.fold(0, |sum, digest| sum.wrapping_add(digest.0)))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Digest {
        let mut digest = Digest::default();
        for line in lines {
            digest.add(line.as_bytes());
        }
        digest
    }

    #[test]
    fn the_order_of_lines_does_not_matter_but_each_line_does() {
        assert_eq!(of(&["a", "b", "c"]), of(&["c", "a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]));
        assert_ne!(of(&["a"]), of(&["a", "a"]));
        assert_ne!(of(&["ab"]), of(&["a", "b"]));
    }

    #[test]
    fn a_line_counted_out_leaves_no_trace() {
        let mut digest = of(&["a", "b"]);
        digest.remove(b"a");
        assert_eq!(digest, of(&["b"]));
        digest.remove(b"b");
        assert_eq!(digest, Digest::default());
    }

    #[test]
    fn the_hash_is_the_published_one_so_that_other_languages_can_compute_it() {
        assert_eq!(of(&[""]).to_string(), "99aa06d3014798d86001c324468d497f");
    }
}
