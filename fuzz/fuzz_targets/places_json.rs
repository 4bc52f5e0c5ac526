//! A Places body against a reference parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| herd_fuzz::places_json(data));
