//! What the pool tells of itself while it works, for the admin port's pages.

use super::{
    Pool,
    in_flight::{ThreadState, Worker},
    nanos,
};
use crate::{
    engine::occupancy::Occupancy,
    message::{request::Request, response::Response},
    observe::latencies::Totals,
};
use std::time::Duration;

/// The pool in numbers, at one moment.
pub(crate) struct Overview {
    /// How many handlers may run at once.
    pub(crate) slots: usize,
    /// How many run.
    pub(crate) running: usize,
    /// How many requests wait for a slot.
    pub(crate) queued: usize,
    /// How many may wait.
    pub(crate) queue_capacity: usize,
    /// How many wait for an answer that is given later.
    pub(crate) deferred: u64,
}

impl Pool {
    /// How busy the pool is.
    pub(crate) fn overview(&self) -> Overview {
        let slots = self.slots();
        Overview {
            slots,
            running: self.running(),
            queued: self.waiting(),
            deferred: self.deferred().iter().sum(),
            queue_capacity: self.most_admitted().saturating_sub(slots),
        }
    }

    /// How many connections there are and what they hold. Takes milliseconds at most.
    pub(crate) fn occupancy(&self) -> Occupancy {
        self.engine.occupancy()
    }

    /// What each worker thread does, in no order.
    pub(crate) fn threads(&self) -> Vec<ThreadState> {
        self.in_flight.threads(|route| self.template(route))
    }

    /// How long requests took so far, and how many failed; nothing where there are no pages.
    pub(crate) fn totals(&self) -> Totals {
        self.in_flight.totals()
    }

    /// How long the pool has been there: the clock of what it notes.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Counts and remembers a request whose handler has returned, where there are pages that tell of it.
    pub(super) fn note_ended(
        &self,
        worker: &Worker,
        request: &Request,
        response: &Response,
        since: u64,
        took: Duration,
    ) {
        if let Some(recent) = &self.dispatcher.recent {
            let took = nanos(took);
            worker.latencies.note(response.status, took);
            recent.note(worker.number, request, response.status, took, since + took);
        }
    }
}
