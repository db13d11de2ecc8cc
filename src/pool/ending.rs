//! What the pool has to say at the end of a drain.

use super::{
    Pool,
    in_flight::{Answered, count},
};
use crate::engine::{Cut, Ready, drop_apart};
use std::iter;

impl Pool {
    /// From now on, what is answered is answered in the drain.
    pub(crate) fn begin_drain(&self) {
        self.in_flight.begin_drain(self.answered_apart());
    }

    pub(crate) fn stop_accepting(&self) {
        self.engine.stop_accepting();
    }

    /// What was answered so far.
    pub(crate) fn answered(&self) -> Answered {
        self.in_flight
            .answered(self.answered_apart(), |route| self.template(route))
    }

    /// What was sent by others than the workers: by the engine, and by whoever had a deferred answer.
    fn answered_apart(&self) -> u64 {
        let deferred = self
            .deferred_answers
            .get()
            .map_or(0, |registry| registry.tally().answered());
        self.engine.sent_later() + deferred
    }

    /// Cuts off what is left at the deadline, and names it: the route's template, or what the connection was doing, and
    /// how many.
    pub(crate) fn cut(&self) -> Vec<(String, usize)> {
        let mut abandoned = self.in_flight.running(|route| self.template(route));
        // Before the queues, or one of them would still move on to a queue.
        let mut left: Vec<Ready> = self.computing.take_waiting().collect();
        left.extend(self.uploads.take_waiting());
        let lanes = self.lanes.iter();
        let queued = lanes.flat_map(|lane| iter::from_fn(|| lane.queue.pop()));
        left.extend(queued.map(|job| job.ready));
        for one in &mut left {
            if let Ready::Request(exchange) | Ready::Stream(exchange) | Ready::Piece(exchange) = one
            {
                count(&mut abandoned, exchange.request().route());
            }
        }
        drop_apart(left);
        if let Some(registry) = self.deferred_answers.get() {
            registry.cut(&mut abandoned);
        }
        let Cut {
            receiving,
            sending,
            uploading,
        } = self.engine.cut();
        for route in sending.iter().chain(&uploading) {
            count(&mut abandoned, route);
        }
        if receiving > 0 {
            abandoned.push(("(receiving)".to_owned(), receiving));
        }
        abandoned
    }

    pub(super) fn template(&self, route: usize) -> String {
        self.dispatcher.application.route(route).template.clone()
    }
}
