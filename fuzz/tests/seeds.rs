//! The committed seeds, without a fuzzer: a change of the herd or of a target shows at once.

use std::fs;
use std::path::Path;

/// Runs a target on each of its seeds, and on each cut short at every place.
fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let seeds: Vec<Vec<u8>> =
        fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        for length in 0..=seed.len() {
            target(&seed[..length]);
        }
    }
}

#[test]
fn client_line() {
    run("client_line", herd_fuzz::client_line);
}

#[test]
fn peer_stream() {
    run("peer_stream", herd_fuzz::peer_stream);
}

#[test]
fn herd_file() {
    run("herd_file", herd_fuzz::herd_file);
}

#[test]
fn places_json() {
    run("places_json", herd_fuzz::places_json);
}
