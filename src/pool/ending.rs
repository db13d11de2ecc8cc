//! What the pool has to say at the end of a drain.

use super::Pool;
use super::in_flight::{Drained, count};
use crate::engine::{Cut, Ready};

impl Pool {
    /// For a drain in which everything ended in time.
    pub(crate) fn drained(&self) -> Drained {
        self.in_flight.drained()
    }

    /// Cuts off what is left at the deadline, and names it.
    pub(crate) fn cut(&self) -> Drained {
        let mut drained = self.drained();
        while let Ok(job) = self.queue.1.try_recv() {
            let (Ready::Request(mut exchange) | Ready::Stream(mut exchange)) = job.ready;
            count(&mut drained.abandoned, exchange.request().route());
        }
        let running = self
            .in_flight
            .running(|index| self.dispatcher.application.route(index).template.clone());
        for (route, times) in running {
            (0..times).for_each(|_| count(&mut drained.abandoned, &route));
        }
        let Cut { receiving, sending } = self.engine.cut();
        for route in &sending {
            // Its handler had finished; its client has not got the answer.
            drained.finished = drained.finished.saturating_sub(1);
            count(&mut drained.abandoned, route);
        }
        if receiving > 0 {
            drained
                .abandoned
                .push(("(receiving)".to_owned(), receiving));
        }
        drained
    }
}
