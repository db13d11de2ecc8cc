//! Traces: what a request did, here and in the services behind it, for a collector that speaks OTLP.
//!
//! Where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector, each request that is sampled is a span, and every log record of
//! it carries `trace_id`, `span_id` and `trace_flags`. Nothing has to be added for that. What else to tell is the
//! program's:
//!
//! ```
//! use seaworthy::{Error, Request, trace};
//! # mod orders { pub fn find(_: &str) -> Result<Vec<String>, seaworthy::Error> { Ok(Vec::new()) } }
//!
//! fn list(request: &Request) -> Result<String, Error> {
//!     let mut span = trace::span("query orders");
//!     let found = orders::find(&request.query_param("customer").unwrap_or_default())?;
//!     span.set("orders.found", found.len());
//!     drop(span);
//!     Ok(found.join("\n"))
//! }
//! ```
//!
//! # Other services
//!
//! A client's trace context is believed as [W3C Trace Context](https://www.w3.org/TR/trace-context/) says: its trace goes
//! on, and by the default sampler it decides what is sampled. A malformed one is as good as none. To have the trace go on
//! in the next service, a call is a [`client`](Span::client) span, and is sent that span's [`headers`](Span::headers). This
//! passes on what came in even where this service exports nothing.
//!
//! # Threads
//!
//! What is current belongs to a thread: [`span`] is a child of what its own thread does. On a thread that works for no
//! request it is a no-op. To go on with a request's trace on another thread, take [`current`] along and
//! [`enter`](TraceContext::enter) it there, or take [`Request::context`](crate::Request::context), which carries the
//! fields of log records too. Bodies that are read or written while they are sent belong to their request's trace, though
//! its span has ended by then: that is as long as the handler and its layers take, as the metrics' duration.
//!
//! # Cost
//!
//! Spans are handed to a thread of their own by a bounded queue that no request waits for. A request that is not sampled
//! costs its ids, and where nothing is exported and its client has sent none, not even these. Only
//! [`Service::run`](crate::Service::run) exports, for the process as a whole; a service that was
//! [`start`](crate::Service::start)ed passes on what it is sent.

mod active;
mod deliver;
pub(crate) mod encode;
pub(crate) mod environment;
pub(crate) mod export;
mod sample;
pub(crate) mod server;
pub(crate) mod span;

pub use crate::message::trace_context::{
    TraceContext,
    current::{Entered, current},
    ids::{SpanId, TraceId},
};
pub use active::{Span, span};
pub use span::Value;
