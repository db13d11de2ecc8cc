//! What the thread that leads does.

use super::{
    CLOSED, Pool,
    in_flight::Worker,
    leader::{Leader, RefusedRequests},
};
use crate::engine::{Pulled, Ready};
use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering::SeqCst},
    time::Instant,
};

impl Pool {
    /// Pulls and deals with what came: probes are answered, the rest is queued or shed.
    pub(super) fn lead(&self, ready: &mut Vec<Ready>, worker: &Worker) {
        let mut refused = RefusedRequests::default();
        let waits = !self.queue.is_empty();
        let mut until = waits.then(|| self.leader().expiry).flatten();
        loop {
            if self.engine.pull(until, ready) == Pulled::Closed {
                self.flags.fetch_or(CLOSED, SeqCst);
            }
            let now = Instant::now();
            for one in ready.drain(..) {
                self.admit(one, now, &mut refused, worker);
            }
            self.shed_expired(&mut self.leader(), now, &worker.counts);
            self.note_progress(now);
            if !refused.is_empty() {
                self.tell_some(&mut refused, &worker.counts);
            }
            if refused.is_empty() {
                return;
            }
            until = Some(now);
        }
    }

    pub(super) fn leader(&self) -> MutexGuard<'_, Leader> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
