//! Requests that are turned away.

use super::{Job, Pool, nanos};
use crate::{
    engine::{Exchange, Ready},
    message::refusal::Refusal,
};
use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

impl Pool {
    /// Turns a request away.
    pub(super) fn shed(&self, exchange: Box<dyn Exchange>, why: Refusal) {
        let response = self.dispatcher.refusals.response(why);
        self.answer(exchange, response, Duration::ZERO, false);
    }

    /// Sheds what has waited longer than `QUEUE_TIMEOUT`, and says when to look again. What has not keeps its order.
    pub(super) fn shed_expired(&self, now: Instant) -> Option<Instant> {
        let mut oldest = None;
        for _ in 0..self.queue.1.len() {
            let Ok(job) = self.queue.1.try_recv() else {
                break;
            };
            match job.ready {
                Ready::Request(exchange) if now.duration_since(job.since) >= self.queue_timeout => {
                    self.queued_nanos.fetch_sub(nanos(job.expected), SeqCst);
                    self.admitted.fetch_sub(1, SeqCst);
                    self.shed(exchange, Refusal::WAITED_TOO_LONG);
                }
                ready => {
                    if matches!(ready, Ready::Request(_)) {
                        oldest = oldest.or(Some(job.since + self.queue_timeout));
                    }
                    let sent = self.queue.0.send(Job { ready, ..job });
                    debug_assert!(sent.is_ok(), "the pool holds the receiver itself");
                }
            }
        }
        oldest
    }
}
