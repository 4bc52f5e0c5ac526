//! What neighbours send against a naive model of the flood.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| herd_fuzz::peer_stream(data));
