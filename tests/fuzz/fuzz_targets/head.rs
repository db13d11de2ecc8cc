//! Any bytes as a request head: see `invariants::head`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy::internals::fuzzing::head(data));
