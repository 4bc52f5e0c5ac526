//! Where clients are: random way-points on the sphere, in whole millionths of a degree.

use fastrand::Rng;

use crate::digits::digits;

/// Metres from pole to pole along a meridian, per radian.
const EARTH_RADIUS: f64 = 6_371_008.8;
/// How far clients go before they are somewhere else, in radians: 5 cm, which is half of what
/// the last digit of a place tells apart. To find out where that is takes longer than all else
/// that a client does to report it.
const STEP: f64 = 0.5e-6 * std::f64::consts::PI / 180.0;

/// A place, in millionths of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    latitude: i32,
    longitude: i32,
}

impl Position {
    /// The place as IAMAT writes it: `±DD.DDDDDD±DDD.DDDDDD`.
    #[must_use]
    pub fn text(self) -> [u8; 21] {
        let mut text = [0; 21];
        let (latitude, longitude) = text.split_at_mut(10);
        write_degrees::<2>(latitude, self.latitude);
        write_degrees::<3>(longitude, self.longitude);
        text
    }

    /// The place of a point of the unit sphere.
    #[allow(clippy::cast_possible_truncation)]
    fn of([x, y, z]: [f64; 3]) -> Self {
        let micro = |radians: f64| (radians.to_degrees() * 1e6).round() as i32;
        Self { latitude: micro(z.clamp(-1.0, 1.0).asin()), longitude: micro(y.atan2(x)) }
    }
}

/// Writes a sign, so many digits, a point, and six digits more.
fn write_degrees<const N: usize>(out: &mut [u8], micro: i32) {
    let (whole, part) = (micro.unsigned_abs() / 1_000_000, micro.unsigned_abs() % 1_000_000);
    out[0] = if micro < 0 { b'-' } else { b'+' };
    out[1..=N].copy_from_slice(&digits::<N>(whole.into()));
    out[N + 1] = b'.';
    out[N + 2..N + 8].copy_from_slice(&digits::<6>(part.into()));
}

/// A client on its way: at constant speed along great circles, from one random place to the
/// next.
#[derive(Debug)]
pub struct Walk {
    from: [f64; 3],
    to: [f64; 3],
    /// The angle between the two, in radians.
    length: f64,
    /// How much of it is done.
    done: f64,
    /// Radians per second.
    speed: f64,
    /// Where the client was when it had done so much of it.
    seen: Position,
    seen_at: f64,
}

impl Walk {
    /// A walk from somewhere to somewhere, at a walker's to an airliner's speed.
    pub fn new(rng: &mut Rng) -> Self {
        let metres_per_second = 1.0 + 249.0 * rng.f64().powi(3);
        let (from, to) = (somewhere(rng), somewhere(rng));
        let (length, speed) = (angle(from, to), metres_per_second / EARTH_RADIUS);
        Self { from, to, length, done: 0.0, speed, seen: Position::of(from), seen_at: 0.0 }
    }

    /// Goes on for so many seconds, and says where that is.
    pub fn advance(&mut self, seconds: f64, rng: &mut Rng) -> Position {
        self.done += self.speed * seconds;
        if self.done >= self.length {
            self.from = self.to;
            self.to = somewhere(rng);
            self.length = angle(self.from, self.to);
            self.done = 0.0;
            (self.seen, self.seen_at) = (Position::of(self.from), 0.0);
        } else if self.done - self.seen_at >= STEP {
            (self.seen, self.seen_at) = (self.position(), self.done);
        }
        self.seen
    }

    fn position(&self) -> Position {
        let sine = self.length.sin();
        let (a, b) = if sine.abs() < 1e-9 {
            (1.0, 0.0)
        } else {
            ((self.length - self.done).sin() / sine, self.done.sin() / sine)
        };
        Position::of([0, 1, 2].map(|axis| a * self.from[axis] + b * self.to[axis]))
    }
}

/// A point of the unit sphere, all parts of it equally likely.
fn somewhere(rng: &mut Rng) -> [f64; 3] {
    let z = 2.0 * rng.f64() - 1.0;
    let longitude = std::f64::consts::TAU * rng.f64();
    let across = (1.0 - z * z).sqrt();
    [across * longitude.cos(), across * longitude.sin(), z]
}

fn angle(a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot: f64 = (0..3).map(|axis| a[axis] * b[axis]).sum();
    dot.clamp(-1.0, 1.0).acos()
}

#[cfg(test)]
mod tests {
    use herd::protocol::command::Location;

    use super::*;

    fn text(position: Position) -> String {
        String::from_utf8(position.text().to_vec()).unwrap()
    }

    #[test]
    fn places_are_written_with_all_their_digits() {
        for (latitude, longitude, expected) in [
            (34_068_930, -118_445_127, "+34.068930-118.445127"),
            (0, 0, "+00.000000+000.000000"),
            (-1, 1, "-00.000001+000.000001"),
            (90_000_000, -180_000_000, "+90.000000-180.000000"),
        ] {
            assert_eq!(text(Position { latitude, longitude }), expected);
        }
    }

    #[test]
    fn every_step_is_a_valid_place_and_no_longer_than_the_speed_allows() {
        let mut rng = Rng::with_seed(1);
        for _ in 0..50 {
            let mut walk = Walk::new(&mut rng);
            let mut before = walk.advance(0.0, &mut rng);
            for _ in 0..50 {
                let from = walk.to;
                let position = walk.advance(10_000.0, &mut rng);
                assert!(Location::parse(text(position).as_bytes()).is_some(), "{position:?}");
                let turned = from != walk.to;
                let micro = f64::from(before.latitude.abs_diff(position.latitude));
                assert!(turned || micro <= (walk.speed * 10_000.0).to_degrees() * 1e6 + 2.0);
                before = position;
            }
        }
    }

    #[test]
    fn who_goes_by_small_steps_gets_as_far_as_who_goes_by_large_ones() {
        let mut rng = Rng::with_seed(2);
        let mut walk = Walk { speed: 1.0 / EARTH_RADIUS, ..Walk::new(&mut rng) };
        let mut places: Vec<_> = (0..10_000).map(|_| walk.advance(0.001, &mut rng)).collect();
        let (last, exact) = (places[places.len() - 1], walk.position());
        assert!(last.latitude.abs_diff(exact.latitude) <= 1, "{last:?} {exact:?}");
        // Ten metres, of which it notices every 5 cm.
        places.dedup();
        assert!((90..=182).contains(&places.len()), "{}", places.len());
    }

    #[test]
    fn the_same_seed_walks_the_same_way() {
        let walk = || {
            let mut rng = Rng::with_seed(7);
            let mut walk = Walk::new(&mut rng);
            (0..20).map(|_| text(walk.advance(1e5, &mut rng))).collect::<Vec<_>>()
        };
        assert_eq!(walk(), walk());
    }
}
