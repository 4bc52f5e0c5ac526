//! The answer to a Nearby Search.

use crate::draw::{Draw, Purpose};
use crate::google_text::GoogleText;
use crate::location::{Location, Radius};
use crate::ocean::is_ocean;
use crate::place::{PlaceNumber, token, write_place};

/// An answer holds at most so many places, as the service's pages do.
const PAGE: i64 = 20;
/// A page is full, and another one follows, from this radius on: between 100 m in a dense place
/// and 100 m times two to this power.
const SPARSENESS_DOUBLINGS: u32 = 7;
const DENSEST: u32 = 100_000;
const NEXT_PAGE_TOKEN_LENGTH: usize = 480;
/// What an answer of one place and the envelope measure, so that the text is not moved as it grows.
const BYTES_PER_PLACE: usize = 2_200;
const BYTES_OF_ENVELOPE: usize = 1_024;

/// What answers depend on beside the search itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Another seed, other places everywhere.
    pub seed: u64,
    /// Whether nothing is found at sea. The rule is a coarse one: boxes of whole degrees are land.
    pub empty_ocean: bool,
}

/// The body that answers a search: `OK` with 1 to 20 places, or `ZERO_RESULTS`.
///
/// It depends on nothing but the arguments, down to the byte. Places lie inside the radius, spread
/// over all of it; how many there are grows with the radius, faster in some locations than in
/// others. Where there are more than 20, a `next_page_token` says so.
#[must_use]
pub fn nearby_search(world: World, location: Location, radius: Radius) -> String {
    let key = [location.latitude().cast_unsigned(), location.longitude().cast_unsigned()];
    let mut draw = Draw::new(world.seed, Purpose::Answer, &key);
    let found = if world.empty_ocean && is_ocean(location) { 0 } else { places_within(&mut draw, radius) };
    let shown = usize::try_from(found.min(PAGE)).unwrap_or(0);
    let mut text = GoogleText::new(BYTES_OF_ENVELOPE + BYTES_PER_PLACE * shown);
    text.empty_list("html_attributions");
    if found > PAGE {
        text.text("next_page_token", &token(&mut draw, NEXT_PAGE_TOKEN_LENGTH));
    }
    if shown == 0 {
        text.empty_list("results");
        text.text("status", "ZERO_RESULTS");
        return text.finish();
    }
    text.list("results", |results| {
        for index in 0..shown as u64 {
            let number = PlaceNumber { seed: world.seed, centre: location, radius, index };
            write_place(results, number);
        }
    });
    text.text("status", "OK");
    text.finish()
}

/// How many places there are: in proportion to the area, at a density drawn for the location.
fn places_within(draw: &mut Draw, radius: Radius) -> i64 {
    let magnitude = DENSEST << draw.below(SPARSENESS_DOUBLINGS);
    let full_page_radius = i64::from(magnitude + draw.below(magnitude));
    // Squared millimetres of 50 km, times 21, fit an i64.
    let area = radius.millimetres() * radius.millimetres();
    (PAGE + 1) * area / (full_page_radius * full_page_radius)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
    use serde_json::Value;

    use super::{World, nearby_search};

    fn body(seed: u64, location: &str, radius: &str) -> String {
        let world = World { seed, empty_ocean: false };
        let location = location.parse().expect("a location");
        nearby_search(world, location, radius.parse().expect("a radius"))
    }

    fn results(body: &str) -> Vec<Value> {
        let answer = serde_json::from_str::<Value>(body).expect("JSON");
        answer["results"].as_array().expect("a list of results").clone()
    }

    /// Any part of an answer that changes shows here: change it knowingly.
    #[test]
    fn an_answer_stays_as_it_is_byte_for_byte() {
        let body = body(0, "34.068930,-118.445127", "150");
        assert_eq!(results(&body).len(), 4);
        insta::assert_snapshot!("four_places", body);
    }

    #[test]
    fn a_full_answer_stays_as_it_is_too() {
        // FNV-1a of the body: 20 places are too long to read.
        let digest = body(0, "34.068930,-118.445127", "10000")
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(digest, 9_634_589_241_768_981_130);
    }

    #[test]
    fn the_digits_of_a_location_do_not_matter_but_its_value_and_the_seed_do() {
        let base = body(1, "34.068930,-118.445127", "10000");
        assert_eq!(base, body(1, "+34.06893,-118.44512700", "10000.0"));
        assert_ne!(base, body(2, "34.068930,-118.445127", "10000"));
        assert_ne!(base, body(1, "34.068931,-118.445127", "10000"));
    }

    #[test]
    fn every_number_of_places_occurs_and_a_token_only_when_there_are_more() {
        let mut seen = [false; 21];
        for metres in 20..400 {
            let body = body(0, "34.068930,-118.445127", &metres.to_string());
            let answer = serde_json::from_str::<Value>(&body).expect("JSON");
            let count = results(&body).len();
            seen[count] = true;
            let status = if count == 0 { "ZERO_RESULTS" } else { "OK" };
            assert_eq!(answer["status"], status);
            assert!(count == 20 || answer.get("next_page_token").is_none());
        }
        assert_eq!(seen, [true; 21]);
        let dense = body(0, "34.068930,-118.445127", "50000");
        assert!(dense.starts_with("{\n   \"html_attributions\" : [],\n   \"next_page_token\" : \""));
    }

    #[test]
    fn the_ocean_is_empty_only_where_asked() {
        let at = "0,-30".parse().expect("a location");
        let radius = "50000".parse().expect("a radius");
        let search = |empty_ocean| nearby_search(World { seed: 1, empty_ocean }, at, radius);
        assert_eq!(results(&search(false)).len(), 20);
        insta::assert_snapshot!(search(true), @r#"
        {
           "html_attributions" : [],
           "results" : [],
           "status" : "ZERO_RESULTS"
        }
        "#);
    }

    /// Whether each object's keys are in alphabetical order, read off the lines' indentation.
    fn keys_are_in_order(body: &str) -> bool {
        let mut last_keys: Vec<(usize, &str)> = Vec::new();
        body.lines().all(|line| {
            let indent = line.len() - line.trim_start().len();
            last_keys.retain(|(other, _)| *other <= indent);
            match line.split_once("\" : ") {
                None => {
                    // Another element of a list of objects starts, or an object ends.
                    last_keys.retain(|(other, _)| *other < indent);
                    true
                }
                Some((key, _)) => {
                    let after_last = last_keys.last().is_none_or(|(other, last)| *other < indent || *last < key);
                    last_keys.retain(|(other, _)| *other < indent);
                    last_keys.push((indent, key));
                    after_last
                }
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_full_answer_is_sound_json_of_a_realistic_size(
            seed: u64,
            latitude in -90_i32..=90,
            longitude in -180_i32..=180,
        ) {
            let body = body(seed, &format!("{latitude},{longitude}"), "50000");
            prop_assert!((15_000..=40_000).contains(&body.len()), "{} bytes", body.len());
            prop_assert!(body.contains("\n   \"next_page_token\" : \""));
            prop_assert!(keys_are_in_order(&body));
            prop_assert_eq!(results(&body).len(), 20);
        }
    }

    #[test]
    fn names_test_the_readers_json() {
        let names: Vec<_> = (0..100)
            .flat_map(|seed| results(&body(seed, "0,0", "50000")))
            .map(|place| place["name"].as_str().expect("a name").to_owned())
            .collect();
        for name in ["Smith & Sons", "The \"Blue\" Door", "Pit Stop }]}", "C:\\Games\\", "Sushi 🍣 Go", "寿司処 さくら"]
        {
            assert!(names.iter().any(|other| other == name), "{name}");
        }
        let one = body(1, "0,0", "50000");
        assert!(!one.is_ascii() || one.contains('\\'), "each answer has something awkward");
    }
}
