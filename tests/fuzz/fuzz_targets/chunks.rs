//! Any bytes as a chunked body: see `invariants::chunks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy::internals::fuzzing::chunks(data));
