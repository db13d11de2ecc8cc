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
        self.in_flight.begin_drain(self.engine.sent_later());
    }

    pub(crate) fn stop_accepting(&self) {
        self.engine.stop_accepting();
    }

    /// What was answered so far.
    pub(crate) fn answered(&self) -> Answered {
        self.in_flight
            .answered(self.engine.sent_later(), |route| self.template(route))
    }

    /// Cuts off what is left at the deadline, and names it: the route's template, or what the connection was doing, and
    /// how many.
    pub(crate) fn cut(&self) -> Vec<(String, usize)> {
        let mut abandoned = self.in_flight.running(|route| self.template(route));
        let lanes = self.lanes.iter();
        let queued = lanes.flat_map(|lane| iter::from_fn(|| lane.queue.pop()));
        let mut left: Vec<Ready> = queued.map(|job| job.ready).collect();
        for one in &mut left {
            if let Ready::Request(exchange) | Ready::Stream(exchange) = one {
                count(&mut abandoned, exchange.request().route());
            }
        }
        drop_apart(left);
        let Cut { receiving, sending } = self.engine.cut();
        for route in &sending {
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
