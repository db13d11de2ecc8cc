//! How requests whose handlers compute come to their turn, and pass it on: [`computing`](super::computing).

use super::{
    Pool, TICK,
    computing::ComputingRequest,
    queue::{Job, TurnId},
};
use crate::{
    engine::Ready,
    message::refusal::Refusal,
    observe::metrics::counts::{Counts, Shed},
};
use std::time::Instant;

impl Pool {
    /// Queues a request whose handler computes, or has it wait for its turn.
    #[cold]
    pub(super) fn admit_computing(&self, request: ComputingRequest, now: Instant) {
        if let Some((turn, request)) = self.computing.admit(request, now) {
            self.enqueue_turn(turn, request);
        }
    }

    /// Gives the turn of a request that has run since then, if it has run, to the next.
    #[cold]
    pub(super) fn pass_turn(&self, turn: TurnId, began: Option<Instant>) {
        let now = Instant::now();
        if let Some((turn, next)) = self
            .computing
            .end(turn, began.map(|began| now - began), now)
        {
            self.pass_to(turn, next);
        }
    }

    /// Does what is due for those who wait for their turn; for who leads.
    #[inline]
    pub(super) fn see_to_computing(&self, now: Instant, counts: &Counts) {
        if !self.computing.is_empty() {
            self.look_for_turns(now, counts);
        }
    }

    #[cold]
    fn look_for_turns(&self, now: Instant, counts: &Counts) {
        let queue_timeout = self.dispatcher.live.queue_timeout.get();
        let found = self.computing.look(now, queue_timeout);
        for (turn, next) in found.turns {
            self.pass_to(turn, next);
        }
        for ComputingRequest { exchange, lane, .. } in found.expired {
            self.lanes[lane].admitted.subtract(1);
            self.shed(
                exchange,
                Refusal::WAITED_TOO_LONG,
                Shed::QueueTimeout,
                counts,
            );
        }
        // For who stands by, should this thread be away then.
        if let Some((time, lane)) = found.next_look {
            self.engine.wake_within(lane, time - now);
        }
    }

    fn pass_to(&self, turn: TurnId, next: ComputingRequest) {
        let lane = next.lane;
        self.enqueue_turn(turn, next);
        // It may be another lane's than that which this thread works for.
        if self.note_left() {
            self.engine.wake_within(lane, TICK);
        }
    }

    fn enqueue_turn(&self, turn: TurnId, request: ComputingRequest) {
        self.lanes[request.lane].queue.insert(Job {
            ready: Ready::Request(request.exchange),
            since: request.since,
            expected: request.expected,
            turn: Some(turn),
        });
    }
}
