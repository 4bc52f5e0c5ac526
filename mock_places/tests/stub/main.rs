//! The stub over real sockets, and the program.

mod connection;
mod faults;
mod memory;
mod program;
mod searches;

use mock_places::{DUMMY_KEY, MockPlaces, Options};

/// A search that finds 20 places with the default seed, and its location and radius.
const LOCATION: &str = "34.068930,-118.445127";
const RADIUS: &str = "10000";

fn target(location: &str, radius: &str, key: &str) -> String {
    format!("/maps/api/place/nearbysearch/json?location={location}&radius={radius}&key={key}")
}

fn good_target() -> String {
    target(LOCATION, RADIUS, DUMMY_KEY)
}

/// The body that the good target must get.
fn good_body() -> String {
    let location = LOCATION.parse().expect("a location");
    let radius = RADIUS.parse().expect("a radius");
    mock_places::nearby_search(mock_places::World::default(), location, radius)
}

fn start(options: Options) -> MockPlaces {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(MockPlaces::start(options)).expect("a stub")
}
