//! One place of an answer.

use crate::decimal::Fixed;
use crate::draw::{Draw, Purpose};
use crate::google_text::GoogleText;
use crate::location::{DEGREE, Location, Radius, degrees};
use crate::plus_code::{local_part, plus_code};
use crate::spread::point_within;
use crate::words::{AUTHORS, AWKWARD_NAMES, FIRST_NAMES, KINDS, Kind, STREETS, TOWNS};

/// A viewport's half side in 10^-13 degrees: a pixel rectangle's, as the service shows it.
const HALF_VIEWPORT: i64 = 13_489_802_915;
const VIEWPORT_DECIMALS: u8 = 13;
/// From the unit of locations to that of viewports.
const VIEWPORT_SCALE: i64 = 1_000_000;
/// Every third place of an answer has an awkward name, the second one first.
const AWKWARD_EVERY: u64 = 3;
const AWKWARD_REST: u64 = 1;
const PLACE_ID_LENGTH: usize = 23;
const PHOTO_REFERENCE_LENGTH: usize = 172;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ICONS: &str = "https://maps.gstatic.com/mapfiles/place_api/icons";

/// Which place, of which search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceNumber {
    /// The seed of the whole world.
    pub(crate) seed: u64,
    /// Where the search is.
    pub(crate) centre: Location,
    /// How far it goes.
    pub(crate) radius: Radius,
    /// The place's index among the results.
    pub(crate) index: u64,
}

/// Writes one element of `results`, its keys in the service's order.
pub(crate) fn write_place(list: &mut GoogleText, number: PlaceNumber) {
    let centre = number.centre;
    let key = [centre.latitude().cast_unsigned(), centre.longitude().cast_unsigned(), number.index];
    let mut draw = Draw::new(number.seed, Purpose::Place, &key);
    let location = point_within(&mut draw, centre, number.radius);
    let kind = draw.pick(&KINDS);
    let name = name(&mut draw, kind, number.index);
    let place_id = format!("ChIJ{}", token(&mut draw, PLACE_ID_LENGTH));
    let town = draw.pick(&TOWNS);
    list.element(|place| {
        place.text("business_status", business_status(&mut draw));
        place.object("geometry", |geometry| write_geometry(geometry, location));
        place.composed("icon", format_args!("{ICONS}/v1/png_71/{}-71.png", kind.icon));
        place.text("icon_background_color", kind.colour);
        place.composed("icon_mask_base_uri", format_args!("{ICONS}/v2/{}_pinlet", kind.pinlet));
        place.text("name", &name);
        if draw.chance(3, 4) {
            place.object("opening_hours", |hours| hours.value("open_now", draw.chance(2, 3)));
        }
        if draw.chance(3, 4) {
            place.list("photos", |photos| write_photo(photos, &mut draw));
        }
        place.text("place_id", &place_id);
        place.object("plus_code", |code| write_plus_code(code, location, town));
        if kind.priced && draw.chance(2, 3) {
            place.value("price_level", 1 + draw.below(4));
        }
        place.value("rating", rating(&mut draw));
        place.text("reference", &place_id);
        place.text("scope", "GOOGLE");
        place.text_list("types", kind.types);
        place.value("user_ratings_total", user_ratings(&mut draw));
        place.composed("vicinity", format_args!("{} {}, {town}", 1 + draw.below(999), draw.pick(&STREETS)));
    });
}

/// Digits and letters as the service's identifiers have them.
pub(crate) fn token(draw: &mut Draw, length: usize) -> String {
    let mut text = Vec::with_capacity(length + size_of::<u64>());
    while text.len() < length {
        let letters = draw.bits().to_le_bytes().map(|byte| BASE64[usize::from(byte % 64)]);
        text.extend_from_slice(&letters);
    }
    text.truncate(length);
    String::from_utf8(text).unwrap_or_default()
}

fn name(draw: &mut Draw, kind: &Kind, index: u64) -> String {
    if index % AWKWARD_EVERY == AWKWARD_REST {
        (*draw.pick(&AWKWARD_NAMES)).to_owned()
    } else {
        format!("{} {}", draw.pick(&FIRST_NAMES), draw.pick(&kind.nouns))
    }
}

fn business_status(draw: &mut Draw) -> &'static str {
    if draw.chance(1, 20) { "CLOSED_TEMPORARILY" } else { "OPERATIONAL" }
}

fn write_geometry(geometry: &mut GoogleText, location: Location) {
    let (latitude, longitude) = (location.latitude(), location.longitude());
    geometry.object("location", |point| {
        point.value("lat", degrees(latitude));
        point.value("lng", degrees(longitude));
    });
    geometry.object("viewport", |viewport| {
        for (corner, side) in [("northeast", HALF_VIEWPORT), ("southwest", -HALF_VIEWPORT)] {
            viewport.object(corner, |point| {
                point.value("lat", viewport_side(latitude, side, 90));
                point.value("lng", viewport_side(longitude, side, 180));
            });
        }
    });
}

/// A side of the viewport; one that would lie beyond the pole or the date line ends there.
fn viewport_side(centre: i64, side: i64, limit: i64) -> Fixed {
    let limit = limit * DEGREE * VIEWPORT_SCALE;
    Fixed { units: (centre * VIEWPORT_SCALE + side).clamp(-limit, limit), decimals: VIEWPORT_DECIMALS }
}

fn write_photo(photos: &mut GoogleText, draw: &mut Draw) {
    photos.element(|photo| {
        let contributor = 100_000_000_000 + draw.bits() % 900_000_000_000;
        let author = format!(
            r#"\u003ca href=\"https://maps.google.com/maps/contrib/{contributor}{:09}\"\u003e{}\u003c/a\u003e"#,
            draw.below(1_000_000_000),
            draw.pick(&AUTHORS),
        );
        photo.value("height", 600 + draw.below(3_000));
        photo.text_list("html_attributions", &[&author]);
        photo.text("photo_reference", &token(draw, PHOTO_REFERENCE_LENGTH));
        photo.value("width", 800 + draw.below(4_000));
    });
}

fn write_plus_code(code: &mut GoogleText, location: Location, town: &str) {
    let global = plus_code(location);
    code.composed("compound_code", format_args!("{} {town}", local_part(&global)));
    code.text("global_code", &global);
}

fn rating(draw: &mut Draw) -> Fixed {
    Fixed { units: i64::from(25 + draw.below(26)), decimals: 1 }
}

/// Few places have many ratings: every order of magnitude is as likely.
fn user_ratings(draw: &mut Draw) -> u32 {
    let magnitude = 10_u32.pow(draw.below(4));
    magnitude + draw.below(9 * magnitude)
}
