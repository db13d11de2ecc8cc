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

    /// Whether a piece waits for its place.
    pub(super) fn are_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
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

    /// Lets in a piece that waits, where fewer than `most` are.
    pub(super) fn let_in(&self, most: usize) -> Option<Ready> {
        let mut pieces = self.lock();
        if pieces.admitted >= most {
            return None;
        }
        let next = pieces.waiting.pop_front()?;
        pieces.admitted += 1;
        Some(Ready::Piece(next))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{request::Request, response::Response};

    struct Waiting;

    impl Exchange for Waiting {
        fn request(&mut self) -> &mut Request {
            unreachable!("nobody runs it");
        }

        fn respond(self: Box<Self>, _: Response, _: bool) -> bool {
            unreachable!("nobody answers it");
        }

        fn stream(self: Box<Self>) -> bool {
            unreachable!("it has no stream");
        }
    }

    #[test]
    fn after_a_shrink_pieces_have_no_more_places_than_there_are_then_and_none_is_forgotten() {
        let uploads = Uploads::default();
        let lets_in = |most| uploads.admit(Box::new(Waiting), most).is_some();
        assert!(lets_in(2) && lets_in(2));
        assert!(!lets_in(2) && !lets_in(2), "they wait");
        assert!(
            uploads.next(1).is_none(),
            "one is in, which is all there may be"
        );
        assert!(
            uploads.next(1).is_some() && uploads.next(1).is_some(),
            "each takes the place before it"
        );
        assert!(uploads.next(1).is_none() && lets_in(1), "nobody is in");
    }
}
