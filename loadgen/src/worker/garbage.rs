//! Lines that are no commands, of every kind that a client may send by mistake.

use fastrand::Rng;

/// Bytes of a line of noise at most.
const NOISE: usize = 200;

/// A line, without its LF, that a server must send back behind `? `. `id` is a client's name.
pub(super) fn line(id: &str, rng: &mut Rng) -> Vec<u8> {
    const PLACE: &str = "+34.068930-118.445127";
    const STAMP: &str = "1621464827.959498503";
    let text = match rng.u8(..12) {
        0 => String::new(),
        1 => format!("IAMAT {id} {PLACE}"),
        2 => format!("IAMAT {id} 34.068930-118.445127 {STAMP}"),
        3 => format!("IAMAT {id} +90.000001-118.445127 {STAMP}"),
        4 => format!("IAMAT {id} {PLACE} yesterday"),
        5 => format!("IAMAT {id} {PLACE} {STAMP} again"),
        6 => format!("WHATSAT {id} 51 5"),
        7 => format!("WHATSAT {id} 10 21"),
        8 => format!("whatsat {id} 10 5"),
        9 => format!("AT Clark +0.263873386 {id} {PLACE} {STAMP}"),
        10 => format!("GET / HTTP/1.1 {id}"),
        _ => return noise(rng),
    };
    text.into_bytes()
}

/// Any bytes that neither end a line nor belong to its end.
fn noise(rng: &mut Rng) -> Vec<u8> {
    let byte = |_| match rng.u8(..) {
        b'\n' | b'\r' => b'?',
        byte => byte,
    };
    (0..NOISE).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use herd::protocol::command::Command;

    use super::*;

    #[test]
    fn no_line_is_a_command_or_two_lines() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..2_000 {
            let line = line("c1.load", &mut rng);
            assert!(Command::parse(&line).is_err(), "{}", line.escape_ascii());
            assert!(!line.contains(&b'\n') && line.last() != Some(&b'\r'));
        }
    }
}
