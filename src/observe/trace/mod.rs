//! Traces.

mod span;
