//! What a span is once it has ended.

use std::borrow::Cow;

/// A span that has ended, as exporters take it.
pub(crate) struct SpanData {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// Zeros where there is none.
    pub(crate) parent: [u8; 8],
    /// Whether the parent lives in another process.
    pub(crate) parent_is_remote: bool,
    /// W3C's `tracestate`, empty where there is none.
    pub(crate) trace_state: String,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    /// Nanoseconds since 1970.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    pub(crate) status: Status,
}

/// Which side of what a span tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Work inside of this process.
    Internal,
    /// The answering of a request.
    Server,
    /// A call of another service.
    Client,
}

/// What an attribute of a [`Span`](crate::trace::Span) holds, of OpenTelemetry's types.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Unset,
    /// It failed, with why, which may be empty.
    Error(String),
}
