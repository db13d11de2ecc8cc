//! What the thread that leads does.

use super::{Pool, in_flight::Worker, leader::RefusedRequests};
use crate::engine::{Pulled, Ready};
use std::time::Instant;

impl Pool {
    /// Pulls from a lane's reactor and deals with what came: probes are answered, the rest is queued or shed. False where
    /// nothing came.
    pub(super) fn lead(&self, number: usize, ready: &mut Vec<Ready>, worker: &Worker) -> bool {
        let lane = &self.lanes[number];
        let mut refused = RefusedRequests::default();
        let waits = !lane.queue.is_empty();
        let expiry = waits.then(|| lane.leader().expiry).flatten();
        let mut until = expiry.into_iter().chain(self.computing.next_look()).min();
        let mut has_come = false;
        loop {
            if self.engine.pull(number, until, ready) == Pulled::Closed {
                self.close(number);
            }
            let now = Instant::now();
            has_come |= !ready.is_empty();
            for one in ready.drain(..) {
                self.admit(one, number, now, &mut refused, worker);
            }
            // First, for it queues what has waited for long already.
            self.see_to_computing(now, &worker.counts);
            self.shed_expired(number, &mut lane.leader(), now, &worker.counts);
            self.see_to_uploads(number);
            self.note_progress(number, now);
            if !refused.is_empty() {
                self.tell_some(&mut refused, &worker.counts);
            }
            if refused.is_empty() {
                return has_come;
            }
            until = Some(now);
        }
    }
}
