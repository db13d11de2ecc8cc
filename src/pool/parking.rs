//! Requests whose answers are given later leave their workers.

use super::{Pool, deferred::parked::Parked};
use crate::{
    engine::Exchange,
    message::{
        body::{Body, Deferred},
        log_context::LogContext,
        response::Response,
    },
};
use std::{mem, sync::Arc, time::Instant};

impl Pool {
    /// Leaves the request to whoever has its answer.
    #[cold]
    pub(super) fn park(
        &self,
        exchange: Box<dyn Exchange>,
        mut placeholder: Response,
        started: Instant,
        since: u64,
    ) {
        let Body::Deferred(Deferred(deferral)) = mem::take(&mut placeholder.body) else {
            return;
        };
        let parked = Parked {
            exchange,
            dispatcher: Arc::clone(&self.dispatcher),
            deferred_answers: Arc::clone(&self.deferred_answers),
            writers: Arc::clone(&self.writers),
            placeholder,
            context: LogContext::current(),
            started,
            since,
        };
        deferral.take_over(&mut Some(parked));
    }
}
