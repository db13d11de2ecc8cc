//! Which bodies flow, and whose pieces may be written.

use crate::{
    engine::{Exchange, Ready},
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
    pub(super) fn count(&self, method: &Method) -> Box<dyn Send> {
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

    /// Lets a piece in, where fewer than `most` are: it is given back to be queued then, and waits for its turn else.
    pub(super) fn admit(&self, exchange: Box<dyn Exchange>, most: usize) -> Option<Ready> {
        let mut pieces = self.lock();
        if pieces.admitted >= most {
            pieces.waiting.push_back(exchange);
            return None;
        }
        pieces.admitted += 1;
        Some(Ready::Piece(exchange))
    }

    /// A piece is done with: the next one takes its place, unless more than `most` are let in since there were more slots.
    pub(super) fn next(&self, most: usize) -> Option<Ready> {
        let mut pieces = self.lock();
        let next = match pieces.admitted > most {
            true => None,
            false => pieces.waiting.pop_front(),
        };
        if next.is_none() {
            pieces.admitted -= 1;
        }
        next.map(Ready::Piece)
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
