//! A stream of bytes becomes lines, with a bound on what is kept of one.

/// Cuts a stream into lines. Holds memory only while a line is unfinished.
#[derive(Debug)]
pub struct LineReader {
    limit: usize,
    /// What has arrived of the line that has not ended yet.
    partial: Vec<u8>,
    /// `partial` was given out as a line; the next call frees it.
    given_out: bool,
    /// The line was too long: its rest is thrown away as it arrives.
    discarding: bool,
}

/// A line without its LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line within the limit.
    Whole(&'a [u8]),
    /// The last line of a stream that ended without an LF.
    Unended(&'a [u8]),
    /// The first [`LineReader::KEPT_OF_TOO_LONG`] bytes of a line past the limit.
    TooLong(&'a [u8]),
}

impl LineReader {
    /// Bytes that are kept of a line that is too long (SPEC 2).
    pub const KEPT_OF_TOO_LONG: usize = 64;

    /// A reader of lines of at most `limit` bytes, LF not counted.
    ///
    /// # Panics
    /// If the limit is below [`Self::KEPT_OF_TOO_LONG`].
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        assert!(limit >= Self::KEPT_OF_TOO_LONG);
        Self { limit, partial: Vec::new(), given_out: false, discarding: false }
    }

    /// Takes the next line off the front of `input`; on `None` all of `input` is used up.
    /// A line that is too long is reported once, as soon as that is known.
    pub fn next_line<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Option<Line<'s>> {
        if self.given_out {
            self.partial = Vec::new();
            self.given_out = false;
        }
        if self.discarding {
            self.discarding = take_until_newline(input).1.is_none();
        }
        let (head, ending) = take_until_newline(input);
        if self.partial.len() + head.len() > self.limit {
            self.discarding = ending.is_none();
            return Some(self.give_out_too_long(head));
        }
        if ending.is_none() {
            self.partial.extend_from_slice(head);
            return None;
        }
        if self.partial.is_empty() {
            return Some(Line::Whole(head));
        }
        self.partial.extend_from_slice(head);
        self.given_out = true;
        Some(Line::Whole(&self.partial))
    }

    /// The unfinished line at the end of the stream, if there is one.
    pub fn finish(&mut self) -> Option<Line<'_>> {
        let unfinished = !self.given_out && !self.partial.is_empty();
        self.given_out = true;
        unfinished.then_some(Line::Unended(&self.partial))
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.discarding || (!self.given_out && !self.partial.is_empty())
    }

    fn give_out_too_long(&mut self, head: &[u8]) -> Line<'_> {
        let missing = Self::KEPT_OF_TOO_LONG.saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&head[..head.len().min(missing)]);
        self.given_out = true;
        Line::TooLong(&self.partial[..Self::KEPT_OF_TOO_LONG])
    }
}

/// A line's ending, where it has arrived.
struct Ending;

/// Splits `input` behind its first LF: what stands before it, and whether there is one.
fn take_until_newline<'i>(input: &mut &'i [u8]) -> (&'i [u8], Option<Ending>) {
    match memchr::memchr(b'\n', input) {
        Some(end) => {
            let head = &input[..end];
            *input = &input[end + 1..];
            (head, Some(Ending))
        }
        None => (std::mem::take(input), None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    enum Owned {
        Whole(Vec<u8>),
        TooLong(Vec<u8>),
    }

    fn own(line: Line<'_>) -> Owned {
        match line {
            Line::Whole(bytes) | Line::Unended(bytes) => Owned::Whole(bytes.to_vec()),
            Line::TooLong(bytes) => Owned::TooLong(bytes.to_vec()),
        }
    }

    fn read(limit: usize, chunks: &[&[u8]]) -> (Vec<Owned>, LineReader) {
        let mut reader = LineReader::new(limit);
        let mut lines = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while let Some(line) = reader.next_line(&mut input) {
                lines.push(own(line));
            }
            assert!(input.is_empty());
        }
        (lines, reader)
    }

    /// What SPEC 2 says of a whole stream, without any of the reader's states.
    fn expected(limit: usize, stream: &[u8]) -> Vec<Owned> {
        let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
        let last = lines.pop().unwrap();
        if !last.is_empty() {
            lines.push(last);
        }
        let own = |line: &[u8]| {
            if line.len() > limit { Owned::TooLong(line[..64].to_vec()) } else { Owned::Whole(line.to_vec()) }
        };
        lines.into_iter().map(own).collect()
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_stream_arrives(
            stream in prop::collection::vec(prop_oneof![3 => Just(b'a'), 1 => Just(b'\n'), 1 => any::<u8>()], 0..600),
            cuts in prop::collection::vec(1..90_usize, 0..600),
        ) {
            let mut chunks = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts {
                let (chunk, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            chunks.push(rest);
            let (mut lines, mut reader) = read(64, &chunks);
            lines.extend(reader.finish().map(own));
            prop_assert_eq!(lines, expected(64, &stream));
        }
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_byte_more_is_too_long() {
        let (at, past) = ([b'x'; 100], [b'x'; 101]);
        let stream = [&at[..], b"\n", &past, b"\nnext\n"].concat();
        let (lines, _) = read(100, &[&stream]);
        let expected = [Owned::Whole(at.to_vec()), Owned::TooLong(vec![b'x'; 64]), Owned::Whole(b"next".to_vec())];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_line_without_end_is_reported_once_and_not_kept() {
        let chunk = [b'x'; 1000];
        let (lines, mut reader) = read(1024, &[&chunk[..]; 10_000]);
        assert_eq!(lines, [Owned::TooLong(vec![b'x'; 64])]);
        assert!(reader.is_unfinished());
        assert!(reader.partial.capacity() < 2 * 1024);
        assert_eq!(reader.finish(), None);
    }

    #[test]
    fn between_lines_nothing_is_held() {
        let (lines, reader) = read(1024, &[b"IAM", b"AT\n", b"x\n"]);
        assert_eq!(lines.len(), 2);
        assert!(!reader.is_unfinished());
        assert_eq!(reader.partial.capacity(), 0);
    }
}
