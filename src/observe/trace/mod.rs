//! Traces: what each request did, in spans, for a collector that speaks OTLP.
#![cfg_attr(not(test), expect(dead_code, reason = "what makes spans comes next"))]

mod deliver;
pub(crate) mod encode;
pub(crate) mod environment;
pub(crate) mod export;
pub(crate) mod span;

pub use crate::message::trace_context::{
    TraceContext,
    current::{Entered, current},
    ids::{SpanId, TraceId},
};
