//! Points spread over a circle on the globe, in integers only.

use crate::draw::Draw;
use crate::location::{DEGREE, Location, Radius};

/// Millimetres of one degree of latitude, on a sphere of the mean radius 6,371,009 m.
const DEGREE_LENGTH: i64 = 111_195_000;
/// Points keep to this share of the radius, so that neither rounding nor another figure for the
/// globe's radius (they differ by 0.1 %) puts one outside.
const USED_PERCENT: i64 = 97;
/// A point of a square misses the circle in it with a probability of 0.21.
const TRIES: usize = 16;
/// The scale of [`cosine_bound`].
const ONE: i64 = 1_000_000;

/// A random point at most `radius` from `centre`, at any latitude.
///
/// With Δφ and Δλ the differences of latitude and longitude, the haversine formula says that the
/// distance d on a sphere of radius R obeys
/// sin²(d/2R) = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) ≤ (north² + east²)/4R²
/// where east = R·Δλ·c with c not below either cosine. A too large c costs some width, never
/// puts a point outside.
pub(crate) fn point_within(draw: &mut Draw, centre: Location, radius: Radius) -> Location {
    let (east, north) = offset(draw, radius.millimetres() * USED_PERCENT / 100);
    let latitude = beside(centre.latitude(), north * DEGREE / DEGREE_LENGTH);
    let cosine = cosine_bound(latitude.abs().min(centre.latitude().abs()));
    let turn = (east * DEGREE / DEGREE_LENGTH * ONE / cosine).clamp(-180 * DEGREE, 180 * DEGREE);
    Location::from_units(latitude, around(centre.longitude() + turn))
}

/// A point of the circle of `reach` millimetres around the origin: east, north.
fn offset(draw: &mut Draw, reach: i64) -> (i64, i64) {
    let mut along = || i64::from(draw.below(u32::try_from(2 * reach + 1).unwrap_or(u32::MAX))) - reach;
    for _ in 0..TRIES {
        let (east, north) = (along(), along());
        if east * east + north * north <= reach * reach {
            return (east, north);
        }
    }
    // Half of the square's point is in the circle, whichever it is.
    (along() / 2, along() / 2)
}

/// Goes the other way where the pole is in the way.
fn beside(latitude: i64, north: i64) -> i64 {
    let wanted = latitude + north;
    if wanted.abs() > 90 * DEGREE { latitude - north } else { wanted }
}

/// Brings a longitude back to ±180 degrees.
fn around(longitude: i64) -> i64 {
    match longitude {
        east if east > 180 * DEGREE => east - 360 * DEGREE,
        west if west < -180 * DEGREE => west + 360 * DEGREE,
        within => within,
    }
}

/// An upper bound, in millionths, on the cosine of a latitude of 0 to 90 degrees.
///
/// Bhaskara's rational approximation errs by at most 0.0017, which is added. (The function of the
/// floating-point library may differ between machines in its last digit.)
fn cosine_bound(latitude: i64) -> i64 {
    // 10^-4 degrees, so that the products fit an i64.
    const SQUARE: i64 = 10_000 * 10_000;
    let angle = latitude / (DEGREE / 10_000);
    let square = angle * angle;
    (32_400 * SQUARE - 4 * square) * ONE / (32_400 * SQUARE + square) + 1_700
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    use super::{ONE, cosine_bound, point_within};
    use crate::draw::{Draw, Purpose};
    use crate::location::{DEGREE, Location, Radius};

    fn radians(units: i64) -> f64 {
        (units as f64 / DEGREE as f64).to_radians()
    }

    /// Metres between two points, by the haversine formula.
    fn distance(one: Location, other: Location) -> f64 {
        let (from, to) = (radians(one.latitude()), radians(other.latitude()));
        let north = (to - from) / 2.0;
        let east = radians(other.longitude() - one.longitude()) / 2.0;
        let haversine = north.sin().powi(2) + from.cos() * to.cos() * east.sin().powi(2);
        2.0 * 6_371_008.8 * haversine.sqrt().min(1.0).asin()
    }

    fn circle(latitude: i64, longitude: i64, metres: u32) -> (Location, Radius) {
        let radius = metres.to_string().parse::<Radius>().expect("a radius");
        (Location::from_units(latitude, longitude), radius)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_point_is_outside(
            seed: u64,
            latitude in -90 * DEGREE..=90 * DEGREE,
            longitude in -180 * DEGREE..=180 * DEGREE,
            metres in 1_u32..=50_000,
        ) {
            let (centre, radius) = circle(latitude, longitude, metres);
            let point = point_within(&mut Draw::new(seed, Purpose::Place, &[]), centre, radius);
            prop_assert!(distance(centre, point) <= f64::from(metres), "{centre} {point}");
        }

        #[test]
        fn no_point_is_outside_where_the_globe_is_awkward(
            seed: u64,
            pole in -1_i64..=1,
            beside in 0..DEGREE,
            longitude in 179 * DEGREE..=180 * DEGREE,
            metres in 1_u32..=50_000,
        ) {
            let latitude = pole * (90 * DEGREE - beside);
            let (centre, radius) = circle(latitude, longitude, metres);
            let point = point_within(&mut Draw::new(seed, Purpose::Place, &[]), centre, radius);
            prop_assert!(distance(centre, point) <= f64::from(metres), "{centre} {point}");
        }
    }

    #[test]
    fn points_fill_the_circle_evenly() {
        for latitude in [0, 340_689_300, -600_000_000, 850_000_000] {
            let (centre, radius) = circle(latitude, 0, 10_000);
            let mut draw = Draw::new(1, Purpose::Place, &[]);
            let points: Vec<_> = (0..4_000).map(|_| point_within(&mut draw, centre, radius)).collect();
            // Half of the area is within 0.71 of the radius; a little more as 3 % are not used.
            let inner = points.iter().filter(|point| distance(centre, **point) < 7_071.0).count();
            assert!((2_000..2_400).contains(&inner), "{latitude}: {inner}");
            let quarter = points.iter().filter(|point| point.latitude() > latitude && point.longitude() > 0).count();
            assert!((900..1_100).contains(&quarter), "{latitude}: {quarter}");
        }
    }

    #[test]
    fn the_cosine_is_never_too_small_and_hardly_too_large() {
        for hundredth in 0..=9_000 {
            let true_cosine = f64::from(hundredth).mul_add(0.01, 0.0).to_radians().cos();
            let bound = cosine_bound(i64::from(hundredth) * DEGREE / 100) as f64 / ONE as f64;
            assert!((true_cosine..true_cosine + 0.0035).contains(&bound), "{hundredth}: {bound}");
        }
    }
}
