//! Traces.

mod span;

pub use crate::message::trace_context::{
    TraceContext,
    current::{Entered, current},
    ids::{SpanId, TraceId},
};
