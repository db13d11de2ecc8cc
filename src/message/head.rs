//! The head of a request: method, target, version and fields, as stretches of the bytes that they were parsed from.

use http::Method;

/// A stretch of the bytes that were parsed, counted from the first of them.
///
/// Offsets rather than slices, so that a [`Head`] can outlive one borrow of the input buffer and be used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first byte.
    pub(crate) start: u32,
    /// One past the last byte.
    pub(crate) end: u32,
}

impl Span {
    /// Spans `start..end`, where both fit in 32 bits, as every offset in a head does.
    pub(crate) fn new(start: usize, end: usize) -> Self {
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

    /// The stretch as text, where the parser let only ASCII through (names, targets and their parts).
    pub(crate) fn text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of(bytes)).unwrap_or_default()
    }
}

/// The protocol version that a request speaks. Responses are always sent as HTTP/1.1 (RFC 9110, section 6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0: one request per connection unless it asks for more, no chunks, no `100 Continue`.
    Http10,
    /// HTTP/1.1, or a later minor version, which is treated as it (RFC 9110, section 2.5).
    #[default]
    Http11,
}

/// One field line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The name, a token, in the client's case.
    pub(crate) name: Span,
    /// The value without the whitespace around it; may hold obs-text, so it is not always text.
    pub(crate) value: Span,
}

/// How much body follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// So many bytes, often none.
    Known(u64),
    /// Chunks (RFC 9112, section 7.1).
    Chunked,
}

impl Default for BodyLength {
    fn default() -> Self {
        BodyLength::Known(0)
    }
}

/// A parsed head. One is enough for any number of requests, and then no head allocates.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The method, known or not: whether a route takes it is the router's business.
    pub(crate) method: Method,
    /// The request target as it was sent.
    pub(crate) target: Span,
    /// Its path, `/` where an absolute-form target has none, `*` in asterisk-form.
    pub(crate) path: Span,
    /// What follows its first `?`.
    pub(crate) query: Option<Span>,
    /// The authority of an absolute-form target, which stands in for the Host field (RFC 9112, section 3.2.2).
    pub(crate) authority: Option<Span>,
    /// The version.
    pub(crate) version: Version,
    /// The field lines in order.
    pub(crate) fields: Vec<Field>,
    /// The body that follows.
    pub(crate) body: BodyLength,
    /// Whether the client lets the connection serve another request.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) expect_continue: bool,
    /// Whether there is a `traceparent` among the fields, so that nobody needs to look for it.
    pub(crate) has_traceparent: bool,
}

impl Head {
    /// Adds a field line of this name.
    #[inline]
    pub(crate) fn push_field(&mut self, name: &[u8], field: Field) {
        self.has_traceparent |= name.len() == 11 && name.eq_ignore_ascii_case(b"traceparent");
        self.fields.push(field);
    }

    pub(crate) fn clear_fields(&mut self) {
        self.fields.clear();
        self.has_traceparent = false;
    }
}
