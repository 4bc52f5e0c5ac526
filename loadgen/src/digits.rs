//! Decimal digits, two at a time: a generator spends much of its time on writing numbers.

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b"0123456789"[number / 10], b"0123456789"[number % 10]];
        number += 1;
    }
    pairs
};

/// The last `N` decimal digits of a number; where it has fewer, zeros before them.
#[must_use]
pub(crate) fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    let (odd, pairs) = text.split_at_mut(N % 2);
    for pair in pairs.chunks_exact_mut(2).rev() {
        pair.copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if let [digit] = odd {
        *digit = PAIRS[(number % 10) as usize][1];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_by_table() {
        assert_eq!(&digits::<1>(7), b"7");
        assert_eq!(&digits::<2>(7), b"07");
        assert_eq!(&digits::<3>(1234), b"234");
        assert_eq!(&digits::<9>(98_000_765), b"098000765");
        assert_eq!(&digits::<10>(9_876_543_210), b"9876543210");
    }
}
