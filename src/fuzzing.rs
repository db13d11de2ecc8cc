//! What the fuzz targets call. Only there in a fuzzing build, and no part of the library's interface.

use crate::engine::{connection::invariants as connections, http1::invariants as http1};

/// Any bytes as a request head.
pub fn head(data: &[u8]) {
    http1::head(data);
}

/// Any bytes as a chunked body.
pub fn chunks(data: &[u8]) {
    http1::chunks(data);
}

/// Any bytes as a script of what the client, the clock and the handlers of a connection do.
pub fn connection(script: &[u8]) {
    connections::connection(script);
}
