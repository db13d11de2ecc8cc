//! Requests that an engine refused before they were whole: off the road of those that are served, and so counted together.

use super::exposition::{Exposition, Kind};
use ::http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why, as the label has it.
const REASONS: [&str; 7] = [
    "bad_request",
    "timeout",
    "body_too_large",
    "target_too_long",
    "head_too_large",
    "memory",
    "other",
];

/// How many there were, by reason.
#[derive(Default)]
pub(crate) struct Refused([AtomicU64; REASONS.len()]);

impl Refused {
    /// Counts one that is told this status.
    pub(crate) fn count(&self, status: StatusCode) {
        let reason = match status.as_u16() {
            400 => 0,
            408 => 1,
            413 => 2,
            414 => 3,
            431 => 4,
            503 => 5,
            _ => 6,
        };
        self.0[reason].fetch_add(1, Relaxed);
    }

    pub(crate) fn write(&self, out: &mut Exposition) {
        out.family(
            Kind::Counter,
            "seaworthy_requests_refused",
            "Requests that were refused before they were whole.",
        );
        for (reason, count) in REASONS.into_iter().zip(&self.0) {
            out.sample(&[("reason", reason)], count.load(Relaxed));
        }
    }
}
