//! The two parameters of a search, checked once: where, and how far around it.

use std::fmt;
use std::str::FromStr;

use crate::decimal::{self, Fixed};

/// Coordinates are kept in units of 10^-7 degree, at most 11 mm.
pub(crate) const DEGREE_DECIMALS: u8 = 7;
/// One degree in those units.
pub(crate) const DEGREE: i64 = 10_000_000;
/// A radius is kept in millimetres.
const METRE_DECIMALS: usize = 3;
/// The largest radius the service accepts, in millimetres.
const MAX_RADIUS: i64 = 50_000_000;

/// Why a parameter of a search is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The location is missing, not two plain decimal numbers, or not on the globe.
    #[error("location must be LATITUDE,LONGITUDE in decimal degrees, from -90 to 90 and from -180 to 180")]
    Location,
    /// The radius is missing, not a plain decimal number, or out of range.
    #[error("radius must be a decimal number of metres, above 0 and at most 50000")]
    Radius,
}

/// A point on the globe, in whole 10^-7 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    latitude: i64,
    longitude: i64,
}

impl Location {
    /// A point already known to be on the globe, in 10^-7 degrees.
    pub(crate) fn from_units(latitude: i64, longitude: i64) -> Self {
        debug_assert!(latitude.abs() <= 90 * DEGREE && longitude.abs() <= 180 * DEGREE);
        Self { latitude, longitude }
    }

    /// The latitude in 10^-7 degrees.
    pub(crate) fn latitude(self) -> i64 {
        self.latitude
    }

    /// The longitude in 10^-7 degrees.
    pub(crate) fn longitude(self) -> i64 {
        self.longitude
    }
}

/// Reads `LAT,LNG`: each an optional sign and `D+[.D+]`, digits beyond the seventh decimal only
/// compared with the range.
///
/// # Errors
///
/// [`ParameterError::Location`].
impl FromStr for Location {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (latitude, longitude) = text.split_once(',')?;
            Some(Self { latitude: coordinate(latitude, 90)?, longitude: coordinate(longitude, 180)? })
        };
        read().ok_or(ParameterError::Location)
    }
}

/// Prints `LAT,LNG` in decimal degrees.
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{},{}", degrees(self.latitude), degrees(self.longitude))
    }
}

/// A coordinate of 10^-7 degrees, printable in degrees.
pub(crate) fn degrees(units: i64) -> Fixed {
    Fixed { units, decimals: DEGREE_DECIMALS }
}

fn coordinate(text: &str, limit: i64) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = decimal::parse(digits, usize::from(DEGREE_DECIMALS))?;
    if size.exceeds(limit * DEGREE) {
        return None;
    }
    Some(if negative { -size.units } else { size.units })
}

/// How far around a location to search: above 0, at most 50,000 metres, in whole millimetres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Radius {
    millimetres: i64,
}

impl Radius {
    /// The radius in millimetres, rounded down.
    pub(crate) fn millimetres(self) -> i64 {
        self.millimetres
    }
}

/// Reads metres, `D+[.D+]`.
///
/// # Errors
///
/// [`ParameterError::Radius`].
impl FromStr for Radius {
    type Err = ParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decimal::parse(text, METRE_DECIMALS)
            .filter(|metres| !metres.is_zero() && !metres.exceeds(MAX_RADIUS))
            .map(|metres| Self { millimetres: metres.units })
            .ok_or(ParameterError::Radius)
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, ParameterError, Radius};

    #[test]
    fn a_location_is_two_numbers_on_the_globe() {
        for (text, expected) in [
            ("34.068930,-118.445127", Some((340_689_300, -1_184_451_270))),
            ("+34.5,+118", Some((345_000_000, 1_180_000_000))),
            ("-0.0,000.0", Some((0, 0))),
            ("90,180", Some((900_000_000, 1_800_000_000))),
            ("-90.000,-180.00", Some((-900_000_000, -1_800_000_000))),
            ("0.00000019,0", Some((1, 0))),
            ("90.00000000001,0", None),
            ("0,180.5", None),
            ("34", None),
            ("34,", None),
            (",118", None),
            ("34,118,0", None),
            (" 34,118", None),
            ("34, 118", None),
            ("34..0,118", None),
            ("--34,118", None),
            ("3.4e1,118", None),
            ("north,west", None),
            ("", None),
        ] {
            let read = text.parse::<Location>().ok();
            assert_eq!(read.map(|at| (at.latitude, at.longitude)), expected, "{text:?}");
        }
    }

    #[test]
    fn a_radius_is_above_zero_and_at_most_fifty_kilometres() {
        for (text, expected) in [
            ("10000", Ok(10_000_000)),
            ("0.5", Ok(500)),
            ("0.0001", Ok(0)),
            ("50000", Ok(50_000_000)),
            ("50000.0", Ok(50_000_000)),
            ("50000.0001", Err(ParameterError::Radius)),
            ("0", Err(ParameterError::Radius)),
            ("0.00", Err(ParameterError::Radius)),
            ("-1", Err(ParameterError::Radius)),
            ("1e3", Err(ParameterError::Radius)),
            ("inf", Err(ParameterError::Radius)),
            ("", Err(ParameterError::Radius)),
        ] {
            assert_eq!(text.parse::<Radius>().map(Radius::millimetres), expected, "{text:?}");
        }
    }

    #[test]
    fn a_location_prints_as_the_service_writes_it() {
        let location = "-34.0680,+118.00".parse::<Location>().expect("a location");
        assert_eq!(location.to_string(), "-34.068,118");
    }
}
