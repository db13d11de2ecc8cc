//! Any bytes as a `multipart/form-data` form: see `multipart::invariants`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy::internals::fuzzing::form(data));
