//! Bodies that flow: their pieces are written by workers, of which they never take all.

use super::{HANDOVER, Job, Pool, in_flight::Worker, logged_as};
use crate::{
    engine::{
        Exchange, Ready,
        underway::{Then, Underway},
    },
    message::{log_context::Scope, response::Response},
    observe::metrics::counts::method_code,
};
use http::Method;
use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// The uploads under way, and those whose piece waits for others.
#[derive(Default)]
pub(super) struct Uploads {
    pieces: Mutex<Pieces>,
    /// How many are under way, by the codes of their methods.
    underway: Arc<[AtomicU64; 10]>,
}

#[derive(Default)]
struct Pieces {
    /// How many are in the pool's queue or run.
    admitted: usize,
    /// One a connection at the most.
    waiting: VecDeque<Box<dyn Exchange>>,
}

impl Uploads {
    /// Counts one among those under way, until what it returns is dropped.
    fn count(&self, method: &Method) -> Box<dyn Send> {
        let counted = Counted(Arc::clone(&self.underway), method_code(method));
        counted.0[usize::from(counted.1)].fetch_add(1, Relaxed);
        Box::new(counted)
    }

    /// How many are under way, by the codes of their methods.
    pub(super) fn underway(&self) -> [u64; 10] {
        std::array::from_fn(|code| self.underway[code].load(Relaxed))
    }

    /// What waits for others, when all is cut.
    pub(super) fn take_waiting(&self) -> impl Iterator<Item = Ready> {
        let waiting = mem::take(&mut self.lock().waiting);
        waiting.into_iter().map(Ready::Piece)
    }

    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Counted(Arc<[AtomicU64; 10]>, u8);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0[usize::from(self.1)].fetch_sub(1, Relaxed);
    }
}

impl Pool {
    /// Queues a piece behind what waits for a worker, or behind other pieces: a disk that is slow holds half of the
    /// workers at the most, and whoever comes meanwhile waits behind so many pieces and no more.
    #[cold]
    pub(super) fn admit_piece(&self, exchange: Box<dyn Exchange>, now: Instant) {
        let most = (self.slots() / 2).max(1);
        let mut pieces = self.uploads.lock();
        if pieces.admitted >= most {
            return pieces.waiting.push_back(exchange);
        }
        pieces.admitted += 1;
        drop(pieces);
        self.enqueue(Ready::Piece(exchange), now, 2 * HANDOVER);
    }

    /// A piece is done with: the next one takes its place.
    fn end_piece(&self) {
        let mut pieces = self.uploads.lock();
        let Some(exchange) = pieces.waiting.pop_front() else {
            pieces.admitted -= 1;
            return;
        };
        drop(pieces);
        self.queue.push(Job {
            ready: Ready::Piece(exchange),
            since: Instant::now(),
            expected: 2 * HANDOVER,
        });
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
    pub(super) fn take_piece(&self, mut exchange: Box<dyn Exchange>, worker: &Worker, since: u64) {
        let _place = Place(self);
        let request = exchange.request();
        let _scope = Scope::enter(logged_as(request)).traced(request.known_trace());
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
        let response = underway.answer(request, ended, &*dispatcher.application);
        let took = underway.began.elapsed();
        if let Some(span) = underway.kept.span.take() {
            span.end(response.status, took);
        }
        let began = underway.began;
        let since = super::nanos(began - self.born);
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
struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.end_piece();
    }
}
