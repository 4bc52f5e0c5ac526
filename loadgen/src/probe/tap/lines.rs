//! Lines cut out of a stream, however it arrives.

/// A line that has not ended by then ends the link. How long a client's line may be is for the
/// servers to say; this is many times what they take unless told otherwise.
const LONGEST: usize = 1 << 20;

/// The lines of one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
}

/// A line is longer than any that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endless;

impl Lines {
    /// Hands over each line that ends in `bytes`, without its LF, and keeps what follows the last.
    pub(super) fn cut(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), Endless> {
        if !self.begun.is_empty()
            && let Some(end) = memchr::memchr(b'\n', bytes)
        {
            self.begun.extend_from_slice(&bytes[..end]);
            each(&self.begun);
            self.begun.clear();
            bytes = &bytes[end + 1..];
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            each(&bytes[start..end]);
            start = end + 1;
        }
        self.begun.extend_from_slice(&bytes[start..]);
        if self.begun.len() > LONGEST { Err(Endless) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"AT one\n\nPING\nAT two\nAT thr";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let (mut lines, mut cut) = (Lines::default(), Vec::new());
                for part in [&text[..first], &text[first..second], &text[second..]] {
                    lines.cut(part, |line| cut.push(line.to_vec())).unwrap();
                }
                assert_eq!(cut, [&b"AT one"[..], b"", b"PING", b"AT two"], "cut at {first} and {second}");
                assert_eq!(lines.begun, b"AT thr");
            }
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let (mut lines, part) = (Lines::default(), vec![b'x'; LONGEST / 2]);
        assert_eq!(lines.cut(&part, |_| ()), Ok(()));
        assert_eq!(lines.cut(&part, |_| ()), Ok(()));
        assert_eq!(lines.cut(b"x", |_| ()), Err(Endless));
    }
}
