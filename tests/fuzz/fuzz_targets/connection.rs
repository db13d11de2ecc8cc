//! Any bytes as the life of a connection: see `connection::invariants`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| seaworthy::internals::fuzzing::connection(data));
