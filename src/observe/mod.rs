//! What the service says of itself: log records, the access log, metrics, traces, and panics as records.

pub(crate) mod access_log;
pub(crate) mod latencies;
pub(crate) mod logging;
pub(crate) mod metrics;
pub(crate) mod panics;
pub(crate) mod recent;
pub mod trace;
#[cfg(feature = "tracing")]
mod tracing;
