//! Right answers, at the least expense: bytes in, bytes out.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

/// What Places might say where there is nothing, which is within every bound.
const NOTHING: &[u8] = b"{\"results\":[],\"status\":\"OK\"}\n\n";
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// What is answered with.
#[derive(Debug)]
pub(super) struct Answers {
    /// `AT ` and the server's name.
    start: Vec<u8>,
    /// By client the AT line of what it said last. Stamps of the load generator's clients
    /// ascend, so that is the newest.
    known: HashMap<Vec<u8>, Vec<u8>>,
}

/// The AT line of a client that is not in `known` yet, by its place in the output, and the
/// client's by its place in the input. Pipelined commands of a client thus cost one look-up.
type Newest = Option<(Range<usize>, Range<usize>)>;

impl Answers {
    pub(super) fn new(name: &str) -> Self {
        Self { start: format!("AT {name} ").into_bytes(), known: HashMap::new() }
    }

    /// Appends the answers to all whole lines of `input`, which were received at `now` (since
    /// 1970), and returns how many bytes these are.
    pub(super) fn answer(&mut self, input: &[u8], now: Duration, output: &mut Vec<u8>) -> usize {
        let (mut used, mut newest) = (0, None);
        for end in memchr::memchr_iter(b'\n', input) {
            let line = used..end;
            used = end + 1;
            let answered = self.iamat(input, line.clone(), now, output, &mut newest)
                || self.whatsat(input, line.clone(), output, &mut newest);
            if !answered {
                output.extend_from_slice(b"? ");
                output.extend_from_slice(&input[line.start..used]);
            }
        }
        self.learn(input, output, &mut newest);
        used
    }

    /// Answers a line if it is an IAMAT.
    fn iamat(
        &mut self,
        input: &[u8],
        line: Range<usize>,
        now: Duration,
        output: &mut Vec<u8>,
        newest: &mut Newest,
    ) -> bool {
        let Some(operands) = input[line.clone()].strip_prefix(b"IAMAT ") else { return false };
        let (Some(id_length), Some(stamp)) = (memchr::memchr(b' ', operands), stamp(operands)) else { return false };
        let id_start = line.end - operands.len();
        let id = id_start..id_start + id_length;
        if newest.as_ref().is_some_and(|(before, _)| input[before.clone()] != input[id.clone()]) {
            self.learn(input, output, newest);
        }
        let start = output.len();
        output.extend_from_slice(&self.start);
        write_difference(output, i128::try_from(now.as_nanos()).unwrap_or(i128::MAX) - stamp);
        output.push(b' ');
        output.extend_from_slice(operands);
        output.push(b'\n');
        *newest = Some((id, start..output.len()));
        true
    }

    /// Answers a line if it is a WHATSAT about somebody who is known.
    fn whatsat(&mut self, input: &[u8], line: Range<usize>, output: &mut Vec<u8>, newest: &mut Newest) -> bool {
        let Some(operands) = input[line].strip_prefix(b"WHATSAT ") else { return false };
        self.learn(input, output, newest);
        let id = operands.split(|&byte| byte == b' ').next().unwrap_or_default();
        let Some(at) = self.known.get(id) else { return false };
        output.extend_from_slice(at);
        output.extend_from_slice(NOTHING);
        true
    }

    fn learn(&mut self, input: &[u8], output: &[u8], newest: &mut Newest) {
        let Some((id, at)) = newest.take() else { return };
        let (id, at) = (&input[id], &output[at]);
        if let Some(known) = self.known.get_mut(id) {
            known.clear();
            known.extend_from_slice(at);
        } else {
            self.known.insert(id.to_vec(), at.to_vec());
        }
    }
}

/// The time stamp at the end of an IAMAT, in nanoseconds; it has nine decimals, as the load
/// generator writes it.
fn stamp(operands: &[u8]) -> Option<i128> {
    let start = memchr::memrchr(b' ', operands)? + 1;
    let (seconds, decimals) = operands[start..].split_at_checked(operands.len().checked_sub(start + 10)?)?;
    let number = |digits: &[u8]| -> Option<i128> { str::from_utf8(digits).ok()?.parse().ok() };
    Some(number(seconds)? * NANOS_PER_SECOND + number(decimals.strip_prefix(b".")?)?)
}

/// Appends nanoseconds as seconds with a sign and nine decimals.
fn write_difference(output: &mut Vec<u8>, nanos: i128) {
    let magnitude = nanos.unsigned_abs();
    let per_second = NANOS_PER_SECOND.unsigned_abs();
    let mut text = *b".000000000";
    let mut rest = magnitude % per_second;
    for digit in text[1..].iter_mut().rev() {
        *digit = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
    }
    output.push(if nanos < 0 { b'-' } else { b'+' });
    output.extend_from_slice((magnitude / per_second).to_string().as_bytes());
    output.extend_from_slice(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::new(1_000_000_002, 5);

    fn answered(answers: &mut Answers, input: &str) -> String {
        let mut output = Vec::new();
        assert_eq!(answers.answer(input.as_bytes(), NOW, &mut output), input.rfind('\n').map_or(0, |end| end + 1));
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn answers_by_table() {
        let mut answers = Answers::new("Clark");
        for (input, expected) in [
            ("IAMAT a +1+2 1000000002.000000000\n", "AT Clark +0.000000005 a +1+2 1000000002.000000000\n"),
            ("IAMAT b +1+2 1000000003.500000010\n", "AT Clark -1.500000005 b +1+2 1000000003.500000010\n"),
            ("IAMAT a", ""),
            ("IAMAT a +1+2\nWHATSAT c 1 1\nx\n", "? IAMAT a +1+2\n? WHATSAT c 1 1\n? x\n"),
            (
                "WHATSAT a 1 1\nIAMAT",
                "AT Clark +0.000000005 a +1+2 1000000002.000000000\n{\"results\":[],\"status\":\"OK\"}\n\n",
            ),
        ] {
            assert_eq!(answered(&mut answers, input), expected);
        }
    }

    #[test]
    fn a_question_behind_an_update_is_answered_with_it() {
        let mut answers = Answers::new("Clark");
        let told = answered(
            &mut answers,
            "IAMAT a p 1.000000000\nIAMAT a q 2.000000000\nIAMAT b r 3.000000000\nWHATSAT b 1 1\nIAMAT b s 4.000000000\nWHATSAT a 1 1\n",
        );
        let shown: Vec<&str> = told.lines().filter(|line| line.starts_with("AT")).collect();
        assert!(shown[3].ends_with(" b r 3.000000000") && shown[5].ends_with(" a q 2.000000000"), "{told}");
        assert!(answered(&mut answers, "WHATSAT b 1 1\n").contains(" b s 4.000000000"));
    }
}
