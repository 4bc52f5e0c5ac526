//! What one update is in Redis.

use std::io::Write;

use clap::ValueEnum;
use fastrand::Rng;

use super::protocol::write_command;

/// The latitude up to which GEOADD takes places, in millionths of a degree, and a bit less.
const FARTHEST_NORTH: i32 = 85_000_000;
const FARTHEST_EAST: i32 = 180_000_000;
const MICRO: u32 = 1_000_000;
const NANOS: u64 = 1_000_000_000;
/// The set that all places go to.
const PLACES: &[u8] = b"herd";

/// How an update is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UpdateCommand {
    /// The client is the key, its place and stamp the value: the operands of an IAMAT.
    Set,
    /// The client is a member of a set that is ordered by place.
    Geoadd,
}

impl UpdateCommand {
    /// As the command line has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Geoadd => "geoadd",
        }
    }

    /// Appends the update of a client that is somewhere else each time: a place that a set has
    /// already would not be told to replicas. The stamp is in nanoseconds since the epoch.
    pub(super) fn write(self, out: &mut Vec<u8>, id: &[u8], stamp: u64, rng: &mut Rng) {
        let latitude = rng.i32(-FARTHEST_NORTH..=FARTHEST_NORTH);
        let longitude = rng.i32(-FARTHEST_EAST..=FARTHEST_EAST);
        match self {
            Self::Set => {
                let mut value = Vec::with_capacity(48);
                write_degrees(&mut value, latitude, 2);
                write_degrees(&mut value, longitude, 3);
                let _ = write!(value, " {:010}.{:09}", stamp / NANOS, stamp % NANOS);
                write_command(out, &[b"SET", id, &value]);
            }
            Self::Geoadd => {
                let (mut east, mut north) = (Vec::with_capacity(12), Vec::with_capacity(12));
                write_degrees(&mut east, longitude, 3);
                write_degrees(&mut north, latitude, 2);
                write_command(out, &[b"GEOADD", PLACES, &east, &north, id]);
            }
        }
    }
}

/// Appends millionths of a degree as IAMAT has them. A Vec takes every write.
fn write_degrees(out: &mut Vec<u8>, micro: i32, digits: usize) {
    let magnitude = micro.unsigned_abs();
    let sign = if micro < 0 { '-' } else { '+' };
    let _ = write!(out, "{sign}{:0digits$}.{:06}", magnitude / MICRO, magnitude % MICRO);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_as_long_as_an_iamat_has_it() {
        let mut rng = Rng::with_seed(1);
        let mut out = Vec::new();
        UpdateCommand::Set.write(&mut out, b"c1.x.load", 1_621_464_827_959_498_503, &mut rng);
        let text = String::from_utf8(out).unwrap();
        let value = text.lines().last().unwrap();
        assert_eq!(value.len(), "+34.068930-118.445127 1621464827.959498503".len());
        assert!(value.ends_with(" 1621464827.959498503"), "{value}");
    }

    #[test]
    fn a_place_is_two_words_the_longitude_first() {
        let mut out = Vec::new();
        UpdateCommand::Geoadd.write(&mut out, b"c1", 0, &mut Rng::with_seed(1));
        let text = String::from_utf8(out).unwrap();
        let words: Vec<&str> = text.lines().collect();
        assert_eq!((words[0], words[2], words[4], words[10]), ("*5", "GEOADD", "herd", "c1"));
        assert_eq!((words[6].len(), words[8].len()), ("+118.445127".len(), "+34.068930".len()));
    }
}
