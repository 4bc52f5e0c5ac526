//! A client's stream against the reference of the client protocol.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| herd_fuzz::client_line(data));
