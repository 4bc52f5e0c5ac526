//! The client protocol as SPEC 2 states it, in the plainest way: bytes are looked at one by
//! one, numbers are compared digit by digit, nothing is fast.

/// What a line asks for, with its operands as they were sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// `IAMAT id location stamp`.
    Iamat([&'a [u8]; 3]),
    /// `WHATSAT id radius bound`, and the bound as a number.
    Whatsat([&'a [u8]; 3], usize),
    /// Anything else.
    Invalid,
}

/// What a line (without LF) means.
pub fn meaning(line: &[u8]) -> Meaning<'_> {
    let fields: Vec<&[u8]> = line.split(|byte| b" \t\r\n\x0c\x0b".contains(byte)).filter(|f| !f.is_empty()).collect();
    match fields[..] {
        [b"IAMAT", id, location, stamp] if is_location(location) && is_stamp(stamp) => {
            Meaning::Iamat([id, location, stamp])
        }
        [b"WHATSAT", id, radius, bound] => match (at_most(radius, "50"), whole_at_most_20(bound)) {
            (true, Some(number)) => Meaning::Whatsat([id, radius, bound], number),
            _ => Meaning::Invalid,
        },
        _ => Meaning::Invalid,
    }
}

/// The lines of a whole stream: each within `limit` as it is, of longer ones the first `kept`
/// bytes and `true`. A last line without LF counts if it holds anything.
pub fn lines(stream: &[u8], limit: usize, kept: usize) -> Vec<(Vec<u8>, bool)> {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let cut = |line: &[u8]| match line.len() > limit {
        true => (line[..kept].to_vec(), true),
        false => (line.to_vec(), false),
    };
    lines.into_iter().map(cut).collect()
}

/// Nanoseconds since the epoch of a valid stamp.
pub fn nanoseconds(stamp: &[u8]) -> i128 {
    let (whole, fraction) = halves(stamp).expect("a valid stamp");
    let mut digits = whole.to_vec();
    digits.extend(fraction.iter().chain(&[b'0'; 9]).take(9));
    digits.iter().fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'))
}

/// A difference as the AT line writes it.
pub fn difference(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { '-' } else { '+' };
    let size = nanoseconds.unsigned_abs();
    format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)
}

/// `D+[.D+]`: what stands before the point and behind it.
fn halves(number: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = number.split(|&byte| byte == b'.');
    let (whole, fraction) = (parts.next()?, parts.next());
    let are_digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let valid = parts.next().is_none() && are_digits(whole) && fraction.is_none_or(are_digits);
    valid.then_some((whole, fraction.unwrap_or_default()))
}

fn is_stamp(stamp: &[u8]) -> bool {
    halves(stamp).is_some_and(|(whole, _)| whole.len() <= 12)
}

fn is_location(location: &[u8]) -> bool {
    // Signs stand at the front and once more: that is where the longitude begins.
    let signs: Vec<usize> = (0..location.len()).filter(|&at| b"+-".contains(&location[at])).collect();
    let [0, second] = signs[..] else { return false };
    let within = |degrees: &[u8], most_digits, limit| {
        halves(degrees).is_some_and(|(whole, _)| whole.len() <= most_digits) && at_most(degrees, limit)
    };
    within(&location[1..second], 2, "90") && within(&location[second + 1..], 3, "180")
}

/// Whether this is `D+[.D+]` and no more than `limit`, a whole number without leading zeros.
fn at_most(number: &[u8], limit: &str) -> bool {
    let Some((whole, fraction)) = halves(number) else { return false };
    let significant: Vec<u8> = whole.iter().copied().skip_while(|&digit| digit == b'0').collect();
    // Of two whole numbers the one with more digits is greater, else the one that sorts later.
    let order = (significant.len(), &significant[..]).cmp(&(limit.len(), limit.as_bytes()));
    order.is_lt() || (order.is_eq() && fraction.iter().all(|&digit| digit == b'0'))
}

fn whole_at_most_20(bound: &[u8]) -> Option<usize> {
    if bound.is_empty() || bound.iter().any(|byte| !byte.is_ascii_digit()) || !at_most(bound, "20") {
        return None;
    }
    std::str::from_utf8(bound).ok()?.trim_start_matches('0').parse().ok().or(Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assignments_own_example() {
        let operands: [&[u8]; 3] = [b"kiwi.cs.ucla.edu", b"+34.068930-118.445127", b"1621464827.959498503"];
        let line = b"IAMAT kiwi.cs.ucla.edu\t+34.068930-118.445127 1621464827.959498503\r";
        assert_eq!(meaning(line), Meaning::Iamat(operands));
        assert_eq!(difference(1_621_464_828_223_371_889 - nanoseconds(operands[2])), "+0.263873386");
    }

    #[test]
    fn the_limits_count_by_every_digit() {
        assert_eq!(meaning(b"WHATSAT a 050.000 020"), Meaning::Whatsat([b"a", b"050.000", b"020"], 20));
        for invalid in ["WHATSAT a 50.0001 1", "WHATSAT a 1 21", "IAMAT a +90.1+1 1", "IAMAT a +1+180.01 1"] {
            assert_eq!(meaning(invalid.as_bytes()), Meaning::Invalid, "{invalid}");
        }
    }

    #[test]
    fn a_stream_of_three_lines() {
        assert_eq!(lines(b"a\n\nlonger", 4, 2), [(b"a".to_vec(), false), (vec![], false), (b"lo".to_vec(), true)]);
        assert_eq!(lines(b"", 4, 2), []);
    }
}
