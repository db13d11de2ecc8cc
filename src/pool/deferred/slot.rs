//! Where an answer and the request that it is for meet, whichever comes first.

use super::parked::{Awaited, Expire, Kept, Parked, Registry};
use crate::message::response::Response;
use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

pub(super) struct Slot {
    patience: Duration,
    deadline: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    /// The handler has not returned.
    Empty,
    /// The answer was there first.
    Answered(Box<Response>),
    /// The request was.
    Awaited(Box<Awaited>),
    /// A test waits, without any engine.
    Waited,
    /// It was answered, or nobody wants the answer any more.
    Over,
}

impl Slot {
    pub(super) fn new(patience: Duration) -> Arc<Slot> {
        Arc::new(Slot {
            patience,
            deadline: Instant::now() + patience,
            state: Mutex::new(State::Empty),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes whoever awaits the answer: nobody else has it then.
    fn take(&self) -> Option<Box<Awaited>> {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Over) {
            State::Awaited(awaited) => Some(awaited),
            other => {
                *state = other;
                None
            }
        }
    }

    /// False where nobody wants the answer.
    pub(super) fn answer(&self, answer: Response) -> bool {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Over) {
            State::Empty | State::Waited => {
                *state = State::Answered(Box::new(answer));
                self.changed.notify_all();
            }
            State::Awaited(awaited) => {
                drop(state);
                awaited.answer(answer);
            }
            State::Answered(_) | State::Over => return false,
        }
        true
    }

    /// The response is gone. Where it has not come back before, nobody wants the answer.
    pub(super) fn leave_unreturned(&self) {
        let mut state = self.state();
        if matches!(*state, State::Empty | State::Answered(_)) {
            let left = mem::replace(&mut *state, State::Over);
            drop(state);
            drop(left);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(*self.state(), State::Over)
    }

    pub(super) fn is_closing(&self) -> bool {
        match &*self.state() {
            State::Awaited(awaited) => awaited.is_closing(),
            _ => false,
        }
    }

    /// The handler has returned. What is answered already is sent, and for anything else it is entered on the registry.
    pub(super) fn take_over(
        self: &Arc<Self>,
        parked: Parked,
        kept: Kept,
        registry: &Arc<dyn Registry>,
    ) {
        let key = registry.key(self.deadline);
        let mut awaited = parked.await_answer(kept, registry, key);
        let mut state = self.state();
        match mem::replace(&mut *state, State::Over) {
            State::Answered(answer) => {
                drop(state);
                awaited.answer(*answer);
            }
            _ => {
                let slot = Arc::downgrade(self);
                let has_gone = awaited.watch(Box::new(move || {
                    let awaited = slot.upgrade()?.take()?;
                    log::debug!("the client has gone before its deferred answer was given");
                    Some(awaited.abandon())
                }));
                if has_gone {
                    drop(state);
                    return drop(awaited);
                }
                *state = State::Awaited(Box::new(awaited));
                drop(state);
                let slot: Weak<Slot> = Arc::downgrade(self);
                registry.enter(key, slot);
                // Answered meanwhile, it has left before it came.
                if self.is_closed() {
                    registry.leave(key);
                }
            }
        }
    }

    /// Waits for the answer, until its deadline.
    pub(super) fn wait(&self) -> Option<Response> {
        let mut state = self.state();
        if matches!(*state, State::Empty) {
            *state = State::Waited;
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        let waits = |state: &mut State| matches!(state, State::Waited);
        let waited = self.changed.wait_timeout_while(state, left, waits);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *state, State::Over) {
            State::Answered(answer) => Some(*answer),
            _ => None,
        }
    }
}

impl Expire for Slot {
    fn expire(&self) {
        if let Some(awaited) = self.take() {
            awaited.answer_too_late(self.patience);
        }
    }

    fn cut(&self, abandoned: &mut Vec<(String, usize)>) {
        if let Some(mut awaited) = self.take() {
            awaited.count_in(abandoned);
        }
    }
}
