//! What clients are told, and when they are turned away.

use super::{
    Job, Pool,
    dispatcher::AtOnce,
    leader::{Leader, RefusedRequests, STALL},
    scrapes::Reply,
};
use crate::{
    engine::{Exchange, Ready},
    message::{refusal::Refusal, response::Response},
    observe::metrics::counts::{Counts, Shed},
};
use std::time::{Duration, Instant};

impl Pool {
    /// Counts, logs and sends a response. True where all of it is sent; false where the client takes it slowly, and where it is
    /// gone.
    pub(super) fn answer(
        &self,
        mut exchange: Box<dyn Exchange>,
        mut response: Response,
        took: Duration,
        close: bool,
        counts: &Counts,
    ) -> bool {
        let all = &self.dispatcher.http_counts;
        let request = exchange.request();
        all.record(counts, request, &mut response, took);
        self.dispatcher.log_access(request, &response, took);
        exchange.respond(response, close || self.dispatcher.state.is_stopping())
    }

    /// Answers what waits for no worker; all else is given back. A connection beyond the limit must not stay: it would be
    /// told 503 for as long as it lives.
    pub(super) fn answer_at_once(
        &self,
        mut exchange: Box<dyn Exchange>,
        counts: &Counts,
    ) -> Option<Box<dyn Exchange>> {
        let is_reserve = exchange.is_reserve();
        let dispatcher = &self.dispatcher;
        match dispatcher.answer_at_once(exchange.request(), is_reserve) {
            None => return Some(exchange),
            Some(AtOnce::Probe(answer)) => dispatcher.answer_apart(exchange, answer, is_reserve),
            Some(AtOnce::Scrape) => self.answer_scrape(exchange, |dispatcher, exchange, answer| {
                let close = exchange.is_reserve();
                dispatcher.answer_apart(exchange, answer, close);
            }),
            Some(AtOnce::Refusal(refusal, shed)) => {
                if let Some(why) = shed {
                    counts.record_shed(why);
                }
                self.answer(exchange, refusal, Duration::ZERO, is_reserve, counts);
            }
        }
        None
    }

    /// Has a scrape answered as soon as it can be, and with `reply` as its port does it.
    pub(crate) fn answer_scrape(&self, exchange: Box<dyn Exchange>, reply: Reply) {
        let dispatcher = &self.dispatcher;
        if let Err(exchange) = self.scrapes.answer(exchange, reply, dispatcher) {
            let refusal = dispatcher.refusals.response(Refusal::OVERLOADED);
            reply(dispatcher, exchange, refusal);
        }
    }

    /// Tells a few of those that are refused. Meanwhile somebody else may take what waits in the queue.
    #[cold]
    pub(super) fn tell_some(&self, refused: &mut RefusedRequests, counts: &Counts) {
        if self.queued() > 0 && self.running() < self.slots() {
            self.wake_one();
        }
        for (exchange, why) in refused.next_few() {
            self.shed(exchange, Refusal::OVERLOADED, why, counts);
        }
    }

    /// Turns a request away.
    pub(super) fn shed(
        &self,
        exchange: Box<dyn Exchange>,
        told: Refusal,
        why: Shed,
        counts: &Counts,
    ) {
        counts.record_shed(why);
        let response = self.dispatcher.refusals.response(told);
        self.answer(exchange, response, Duration::ZERO, false, counts);
    }

    /// Sheds what has waited longer than `QUEUE_TIMEOUT` and cannot run now either, at the time that was set for that,
    /// and sets the next one. After a stall the wait begins anew: it was none for a worker.
    pub(super) fn shed_expired(
        &self,
        lane: usize,
        leader: &mut Leader,
        now: Instant,
        counts: &Counts,
    ) {
        leader.expiry = match leader.expiry {
            _ if self.lanes[lane].queue.is_empty() => None,
            Some(expiry) if expiry > now => Some(expiry),
            None => {
                let oldest = self.lanes[lane].queue.oldest().unwrap_or(now);
                let since = oldest.max(leader.resumed.unwrap_or(oldest));
                Some((since + self.dispatcher.live.queue_timeout.get()).max(now))
            }
            Some(expiry) => {
                if now > expiry + STALL {
                    leader.resumed = Some(now);
                }
                // Never in the past, or it would look as if the leader came late.
                self.shed_since(lane, leader.resumed, now, counts)
                    .map(|first| first.max(now))
            }
        };
    }

    /// Sheds, and says when to look again. What has not expired keeps its order, and so does what free slots can take:
    /// as many from the front as there are of them.
    fn shed_since(
        &self,
        lane: usize,
        resumed: Option<Instant>,
        now: Instant,
        counts: &Counts,
    ) -> Option<Instant> {
        let mut first = None;
        let mut turns = Vec::new();
        let queue_timeout = self.dispatcher.live.queue_timeout.get();
        let free_slots = self.slots().saturating_sub(self.running());
        let lane = &self.lanes[lane];
        for position in 0..lane.queue.len() {
            let Some(job) = lane.queue.pop() else {
                break;
            };
            let expiry = job.since.max(resumed.unwrap_or(job.since)) + queue_timeout;
            match job.ready {
                Ready::Request(exchange) if expiry <= now && position >= free_slots => {
                    lane.admitted.subtract(1);
                    self.shed(
                        exchange,
                        Refusal::WAITED_TOO_LONG,
                        Shed::QueueTimeout,
                        counts,
                    );
                    turns.extend(job.turn);
                }
                ready => {
                    if matches!(ready, Ready::Request(_)) {
                        first = first.or(Some(expiry));
                    }
                    lane.queue.push(Job { ready, ..job });
                }
            }
        }
        if !turns.is_empty() {
            // Whose turn it is now may have waited for as long.
            first = Some(now);
        }
        turns
            .into_iter()
            .for_each(|turn| self.pass_turn(turn, None));
        first
    }
}

#[cfg(test)]
mod tests;
