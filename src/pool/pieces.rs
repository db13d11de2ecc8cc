//! Bodies that flow: their pieces are written by workers, of which they never take all.

use super::{HANDOVER, Pool, UPLOADS_REST, in_flight::Worker, queue::nanos};
use crate::{
    config::limits::usage::cpu_time,
    engine::{
        Exchange,
        underway::{Then, Underway},
    },
    message::{body::Body, log_context::Scope, response::Response},
};
use std::{
    mem,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

impl Pool {
    /// Queues a piece behind what waits for a worker, or behind other pieces: a disk that is slow holds half of the
    /// workers at the most, and whoever comes meanwhile waits behind so many pieces and no more.
    #[cold]
    pub(super) fn admit_piece(&self, exchange: Box<dyn Exchange>, lane: usize, now: Instant) {
        let rest = self.uploads_rest();
        if let Some(ready) = self.uploads.admit(exchange, self.most_pieces(rest)) {
            self.enqueue(ready, lane, now, 2 * HANDOVER);
        }
        self.resume_uploads_after(rest, lane);
    }

    /// How long uploads rest from now on, if they do.
    fn uploads_rest(&self) -> Option<Duration> {
        let now = || nanos(self.born.elapsed());
        let answered = || self.in_flight.answered_by_workers();
        self.pacing.rest(now, cpu_time, answered)
    }

    fn most_pieces(&self, rest: Option<Duration>) -> usize {
        match rest {
            Some(_) => 0,
            None => (self.slots() / 2).max(1),
        }
    }

    /// Sees to it that somebody comes for what waits, when its rest is over.
    fn resume_uploads_after(&self, rest: Option<Duration>, lane: usize) {
        if let Some(rest) = rest
            && self.uploads.are_waiting()
        {
            self.flags.fetch_or(UPLOADS_REST, SeqCst);
            self.engine.wake_within(lane, rest);
        }
    }

    /// Lets pieces in that wait, unless they are to rest on; for a thread that takes from this lane next.
    #[inline]
    pub(super) fn see_to_uploads(&self, lane: usize) {
        if self.flags.load(SeqCst) & UPLOADS_REST != 0 {
            self.resume_uploads(lane);
        }
    }

    #[cold]
    fn resume_uploads(&self, lane: usize) {
        self.flags.fetch_and(!UPLOADS_REST, SeqCst);
        let rest = self.uploads_rest();
        while let Some(ready) = self.uploads.let_in(self.most_pieces(rest)) {
            self.enqueue(ready, lane, Instant::now(), 2 * HANDOVER);
            self.note_left();
        }
        self.resume_uploads_after(rest, lane);
    }

    /// A handler has taken a body that is still to come.
    #[cold]
    pub(super) fn begin_upload(
        &self,
        mut exchange: Box<dyn Exchange>,
        response: Response,
        worker: &Worker,
        began: Instant,
    ) {
        let counted = self.uploads.count(exchange.request().method());
        if let Ok(underway) = Underway::begun(response, began, counted) {
            match exchange.awaits_body() {
                true => exchange.let_body_come(underway),
                // It is empty.
                false => self.write_piece(exchange, underway, Then::Finish, worker),
            }
        }
    }

    /// Has the sink of an upload take its next piece, and answers where that was the last one.
    #[cold]
    pub(super) fn take_piece(
        &self,
        mut exchange: Box<dyn Exchange>,
        lane: usize,
        worker: &Worker,
        since: u64,
    ) {
        let _place = Place { pool: self, lane };
        let request = exchange.request();
        let _scope = Scope::enter(request.logged_route()).traced(request.known_trace());
        worker.begin_piece(request, since);
        if let Some((underway, then)) = exchange.take_piece() {
            self.write_piece(exchange, underway, then, worker);
        }
    }

    fn write_piece(
        &self,
        mut exchange: Box<dyn Exchange>,
        mut underway: Box<Underway>,
        then: Then,
        worker: &Worker,
    ) {
        let dispatcher = &self.dispatcher;
        let request = exchange.request();
        let ended = match then {
            Then::More => match underway.write(request.body()) {
                None => return exchange.let_more_come(underway),
                ended => ended,
            },
            Then::Finish => underway.write(request.body()),
            Then::Refuse(refusal) => {
                dispatcher.refused.count(refusal.status);
                Some(Ok(dispatcher.refusals.response(refusal)))
            }
        };
        exchange.end_body();
        let request = exchange.request();
        let mut response = underway.answer(request, ended, &*dispatcher.application);
        for held in mem::take(&mut underway.kept.held) {
            response.body.keep(held);
        }
        if let Body::Deferred(_) = response.body {
            if let Some(span) = underway.kept.span.take() {
                response.body.keep(span);
            }
            let began = underway.began;
            return self.park(exchange, response, began, nanos(began - self.born));
        }
        let took = underway.began.elapsed();
        if let Some(span) = underway.kept.span.take() {
            span.end(response.status, took);
        }
        let began = underway.began;
        let since = nanos(began - self.born);
        self.note_ended(worker, request, &response, since, took);
        // Before the client has its answer and can ask again, or its next request might find its own place taken.
        drop(underway);
        let is_in_drain = dispatcher.state.is_stopping();
        if self.answer(exchange, response, took, false, &worker.counts) {
            self.note_answered(worker, began, is_in_drain);
        }
    }
}

/// A piece's place among those that may wait for a worker or run.
struct Place<'a> {
    pool: &'a Pool,
    /// Where the piece was queued.
    lane: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let pool = self.pool;
        let rest = pool.uploads_rest();
        if let Some(ready) = pool.uploads.next(pool.most_pieces(rest)) {
            pool.enqueue(ready, self.lane, Instant::now(), 2 * HANDOVER);
            pool.note_left();
        }
        pool.resume_uploads_after(rest, self.lane);
    }
}
