//! HTTP/1.1 as pure functions: bytes to requests, and responses to bytes.
//!
//! Nothing here knows of sockets, threads or time, so every rule of RFC 9110 and RFC 9112 that this
//! crate keeps can be tested as bytes in, outcome out. Rules are strict wherever two readers of the
//! same bytes might disagree on where a request ends, since that is how requests are smuggled; a
//! [`Refusal`] therefore always ends the connection.
//!
//! The road of a request: [`read_head`] (`head.rs`, which asks `target.rs` what is requested and
//! `terms.rs` on which terms), then [`Chunks`] where the body is chunked; of a response:
//! [`framing`], [`write_head`] and, for a streamed body, [`write_chunk`].

mod chunks;
mod head;
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
mod target;
mod terms;
mod write;

pub(crate) use chunks::Chunks;
pub(crate) use head::{Field, Head, Limits, Progress, is_blank, read_head};
pub(crate) use target::read_target;
pub(crate) use terms::{BodyLength, Terms, validate};
pub(crate) use write::{CONTINUE, Framing, LAST_CHUNK, framing, write_chunk, write_head};

use http::StatusCode;

/// A stretch of the bytes that were parsed, counted from the first of them.
///
/// Offsets rather than slices, so that a [`Head`] can outlive one borrow of the input buffer and be
/// used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
}

impl Span {
    /// Spans `start..end`, where both fit in 32 bits, as every offset in a head does.
    fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The stretch as bytes; `bytes` is what was parsed.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }

    /// The stretch as text, where the parser let only ASCII through (names, targets and their
    /// parts).
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of(bytes)).unwrap_or_default()
    }
}

/// The protocol version that a request speaks. Responses are always sent as HTTP/1.1 (RFC 9110,
/// section 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0: one request per connection unless it asks for more, no chunks, no `100 Continue`.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// Why a request is not served. Its connection ends, since where the next request would begin
/// cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the client is told.
    pub(crate) status: StatusCode,
    /// What the log is told.
    pub(crate) reason: &'static str,
}

impl Refusal {
    /// Refuses with any status.
    const fn new(status: StatusCode, reason: &'static str) -> Self {
        Refusal { status, reason }
    }

    /// Refuses with 400, which is what RFC 9112 asks for wherever it names no other status.
    const fn bad(reason: &'static str) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }
}

/// What a byte may be part of, one bit each; see [`is_value_byte`] and its neighbours.
///
/// One table for all, since every byte of a request is looked up in it at least once.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = classify(byte as u8);
        byte += 1;
    }
    classes
};

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const HOST: u8 = 4;
const TARGET: u8 = 8;

/// The bits of one byte, from the grammars.
const fn classify(byte: u8) -> u8 {
    let mut class = 0;
    if byte.is_ascii_alphanumeric() {
        class |= TOKEN | HOST;
    }
    // RFC 9110, section 5.6.2.
    if matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~') {
        class |= TOKEN;
    }
    // RFC 9110, section 5.5: visible ASCII, space, tab and obs-text.
    if byte >= b' ' && byte != 0x7f || byte == b'\t' {
        class |= VALUE;
    }
    // RFC 3986, section 3.2.2: reg-name, of which `%` must be looked at more closely.
    if matches!(
        byte,
        b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'='
    ) {
        class |= HOST;
    }
    // RFC 9112, section 3.2, without fragments; what RFC 3986 would have percent-encoded is let be.
    if byte.is_ascii_graphic() && byte != b'#' {
        class |= TARGET;
    }
    class
}

/// Whether a token (a method, a field name) may hold this byte.
fn is_token_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

/// Whether a field value may hold this byte: no CR, LF, NUL or other control but the tab.
fn is_value_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & VALUE != 0
}

/// Whether a request target may hold this byte.
fn is_target_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TARGET != 0
}

/// Whether the name of a host may hold this byte as it is.
fn is_host_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & HOST != 0
}

/// `value` without the optional whitespace around it (RFC 9110, section 5.6.3: spaces and tabs).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
