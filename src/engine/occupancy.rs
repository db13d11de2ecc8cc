//! What an engine tells whoever scrapes: its connections by their state, how they have ended, and the memory they hold.

use super::http1::Refusal;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Its client has closed or reset it, or has vanished.
    Client,
    /// With an answer that was to be its last.
    Answered,
    /// With the answer to what is no request, or one that is too much.
    Refused,
    /// `KEEP_ALIVE_TIMEOUT`.
    IdleTimeout,
    /// `HEAD_TIMEOUT`, `BODY_TIMEOUT`.
    RequestTimeout,
    WriteTimeout,
    /// Its place, or its descriptor, was needed for another.
    Limit,
    /// It was slow, and what it held was needed for others.
    Memory,
    /// Idle, when the service stopped accepting.
    Drain,
    /// At the deadline of the drain.
    Cut,
    /// A handler's stream or the service has failed.
    Failed,
}

impl Closed {
    /// Why a connection ends that is refused something.
    pub(crate) fn by_refusal(refusal: Refusal) -> Closed {
        match refusal {
            Refusal::TOO_SLOW => Closed::RequestTimeout,
            Refusal::NO_MEMORY => Closed::Memory,
            _ => Closed::Refused,
        }
    }
}

/// As the label has them, in the enum's order.
pub(crate) const CLOSED: [&str; 11] = [
    "client",
    "answered",
    "refused",
    "idle_timeout",
    "request_timeout",
    "write_timeout",
    "limit",
    "memory",
    "drain",
    "cut",
    "failed",
];

/// How many connections have ended, by reason. They end seldom enough for one place to count them.
#[derive(Default)]
pub(crate) struct ClosedCounts([AtomicU64; CLOSED.len()]);

impl ClosedCounts {
    pub(crate) fn count(&self, why: Closed) {
        self.0[why as usize].fetch_add(1, Relaxed);
    }

    /// By reason, as [`CLOSED`] has them.
    pub(crate) fn all(&self) -> [u64; CLOSED.len()] {
        std::array::from_fn(|reason| self.0[reason].load(Relaxed))
    }
}

/// How many connections are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Nothing of a request has come.
    pub(crate) idle: usize,
    pub(crate) head: usize,
    pub(crate) body: usize,
    /// The request is with the pool.
    pub(crate) handed_out: usize,
    pub(crate) writing: usize,
    /// They have had their last answer.
    pub(crate) closing: usize,
}

impl Connections {
    /// How many are open.
    pub(crate) fn all(&self) -> usize {
        self.idle + self.head + self.body + self.handed_out + self.writing + self.closing
    }
}

/// What is in use of a share of `BUFFER_MEMORY`, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) used: usize,
    pub(crate) most: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) connections: Connections,
    pub(crate) max_connections: usize,
    pub(crate) requests: Used,
    pub(crate) responses: Used,
    /// By reason, as [`CLOSED`] has them.
    pub(crate) closed: [u64; CLOSED.len()],
}
