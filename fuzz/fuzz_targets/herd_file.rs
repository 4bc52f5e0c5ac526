//! A herd file against its documented rules.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| herd_fuzz::herd_file(data));
