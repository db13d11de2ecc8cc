//! Where a piece of work stands among those of other services: W3C Trace Context
//! (<https://www.w3.org/TR/trace-context/>).

pub(crate) mod current;
pub(crate) mod ids;
mod parse;

#[cfg(test)]
mod tests;

use ids::{SpanId, TraceId};
use std::sync::Arc;

/// What of the flags is kept: `sampled`, and `random-trace-id` of the specification's second level. All others are zero
/// (section 3.2.2.5.2).
const KNOWN_FLAGS: u8 = 0b11;
const SAMPLED: u8 = 0b01;

/// A span's place in its trace, as other services are told: the ids, whether the trace is sampled, and what other
/// vendors have left in `tracestate`.
///
/// [`Request::trace`](crate::Request::trace) tells a request's, [`current`](crate::trace::current) that of the work on this thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: u8,
    /// As it came.
    pub(crate) state: Option<Arc<str>>,
    /// Whether this process exports the span.
    pub(crate) is_recorded: bool,
}

impl TraceContext {
    /// What a client has sent in these fields of a request; none where that is malformed.
    pub(super) fn sent<'f>(
        traceparent: impl Iterator<Item = &'f [u8]>,
        tracestate: impl Iterator<Item = &'f [u8]>,
    ) -> Option<TraceContext> {
        let (trace_id, span_id, flags) = parse::traceparent(traceparent)?;
        Some(TraceContext {
            trace_id,
            span_id,
            flags: flags & KNOWN_FLAGS,
            state: parse::tracestate(tracestate).map(Arc::from),
            is_recorded: false,
        })
    }

    /// The first of a new trace, which is not sampled.
    pub(crate) fn random() -> TraceContext {
        TraceContext {
            trace_id: TraceId::random(),
            span_id: SpanId::random(),
            flags: 0,
            state: None,
            is_recorded: false,
        }
    }

    /// A span of the same trace.
    pub(crate) fn child(&self) -> TraceContext {
        TraceContext {
            span_id: SpanId::random(),
            ..self.clone()
        }
    }

    /// Sets whether the trace is sampled, and then exported, from here on.
    pub(crate) fn record(&mut self, is_sampled: bool) {
        self.flags = (self.flags & !SAMPLED) | u8::from(is_sampled);
        self.is_recorded = is_sampled;
    }

    /// What all spans of the trace have in common.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span's own id.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether whoever began the trace, or this service, wants it kept.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The value of `traceparent` for an outgoing call, `00-{trace id}-{span id}-{flags}`.
    ///
    /// ```
    /// use seaworthy::{Request, http::{HeaderName, HeaderValue}};
    ///
    /// let sent = HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    /// let request = Request::get("/").with_header(HeaderName::from_static("traceparent"), sent);
    /// assert_eq!(request.trace().trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// assert!(request.trace().traceparent().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    /// ```
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!(
            "00-{}-{}-{}",
            self.trace_id,
            self.span_id,
            self.flags_text()
        )
    }

    /// In hexadecimal, as `traceparent` has them.
    pub(crate) fn flags_text(&self) -> &'static str {
        ["00", "01", "02", "03"][usize::from(self.flags & KNOWN_FLAGS)]
    }

    /// The value of `tracestate` for an outgoing call, as it came in; none where there was none, or it was malformed.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }
}
