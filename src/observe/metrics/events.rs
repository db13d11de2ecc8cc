//! What happens to a service as a whole, and seldom.

use super::exposition::{Exposition, Kind, Value};
use crate::observe::logging;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[derive(Default)]
pub(crate) struct Events {
    resized: AtomicU64,
    reloads_applied: AtomicU64,
    reloads_refused: AtomicU64,
    /// Nanoseconds since the epoch; 0 while the service does not drain.
    drain_deadline: AtomicU64,
    abandoned: AtomicU64,
}

impl Events {
    /// The limits have changed, and the sizes with them.
    pub(crate) fn note_resized(&self) {
        self.resized.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_reload(&self) {
        self.reloads_applied.fetch_add(1, Relaxed);
    }

    /// Returns how many were refused in all.
    pub(crate) fn note_refused_reload(&self) -> u64 {
        self.reloads_refused.fetch_add(1, Relaxed) + 1
    }

    /// A drain has begun that ends in so much time at the latest.
    pub(crate) fn note_drain(&self, longest: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let deadline = now.unwrap_or_default().saturating_add(longest);
        let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        self.drain_deadline.store(nanos, Relaxed);
    }

    pub(crate) fn note_abandoned(&self, requests: usize) {
        self.abandoned.fetch_add(requests as u64, Relaxed);
    }

    pub(super) fn write(&self, out: &mut Exposition) {
        out.single(
            Kind::Counter,
            "seaworthy_resized",
            "How often the pod's limits have changed, and the sizes with them.",
            self.resized.load(Relaxed),
        );
        out.family(
            Kind::Counter,
            "seaworthy_config_reloads",
            "Changes of CONFIG_DIR that were applied, or refused for what was wrong with them.",
        );
        for (result, count) in [
            ("applied", &self.reloads_applied),
            ("refused", &self.reloads_refused),
        ] {
            out.sample(&[("result", result)], count.load(Relaxed));
        }
        out.single(
            Kind::Gauge,
            "seaworthy_drain_deadline_timestamp_seconds",
            "When what is left of the drain is cut off, since unix epoch; 0 without a drain.",
            Value::Nanos(self.drain_deadline.load(Relaxed)),
        );
        out.single(
            Kind::Counter,
            "seaworthy_drain_abandoned",
            "Requests that were cut off at the drain's deadline.",
            self.abandoned.load(Relaxed),
        );
        out.single(
            Kind::Counter,
            "seaworthy_log_records_dropped",
            "Log records that nobody took in time, of all services in the process.",
            logging::dropped(),
        );
        out.single(
            Kind::Counter,
            "seaworthy_log_records_suppressed",
            "Warnings and errors that were not logged, for there were many of one message.",
            logging::suppressed(),
        );
    }
}
