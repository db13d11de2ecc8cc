//! The reactors' way to each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};

/// The event loops of all reactors, as one of them knows them; nothing where it is the only one.
pub(super) struct Others<Loop> {
    all: Weak<[Loop]>,
    /// Held by who has the others locked.
    turn: Arc<Mutex<()>>,
}

impl<Loop> Others<Loop> {
    pub(super) fn none() -> Others<Loop> {
        Others::of(Weak::<[Loop; 0]>::new(), &Arc::default())
    }

    pub(super) fn of(all: Weak<[Loop]>, turn: &Arc<Mutex<()>>) -> Others<Loop> {
        Others {
            all,
            turn: Arc::clone(turn),
        }
    }

    /// None where there are no others.
    pub(super) fn all(&self) -> Option<Arc<[Loop]>> {
        self.all.upgrade()
    }

    pub(super) fn turn(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.turn)
    }
}

/// Another reactor makes room now: what needs some has its next turn for that.
pub(super) struct Busy;

/// What a lock holds, whoever panicked there; none where somebody has it.
pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
