//! Who works in the pool: how many threads there are, how many there should be, and what each of them does.

use crossbeam_channel::Sender;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread::JoinHandle,
};

/// The threads of a pool. Only what begins or ends a thread locks it.
#[derive(Default)]
pub(super) struct Roster {
    members: Mutex<Members>,
    /// From when on another thread may begin, in nanoseconds since the pool's birth.
    grows_from: AtomicU64,
}

/// No other thread is to begin.
const NEVER: u64 = u64::MAX;

#[derive(Default)]
pub(super) struct Members {
    /// How many there may be: as many as slots, and one more for each reactor.
    pub(super) wanted: usize,
    pub(super) threads: Vec<Member>,
    /// Each thread holds a clone; none once the first has ended, and no other begins.
    pub(super) running: Option<Sender<()>>,
}

/// One thread.
pub(super) struct Member {
    pub(super) number: usize,
    pub(super) thread: JoinHandle<()>,
    /// It works, or is about to: it has not left because there are too many.
    pub(super) is_working: bool,
}

impl Roster {
    pub(super) fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there may be more threads than there are.
    pub(super) fn note_growth(&self, may_grow: bool) {
        let grows_from = if may_grow { 0 } else { NEVER };
        self.grows_from.store(grows_from, SeqCst);
    }

    /// Whether another thread may begin at this time since the pool's birth.
    pub(super) fn may_grow(&self, now: impl FnOnce() -> u64) -> bool {
        let from = self.grows_from.load(SeqCst);
        from != NEVER && from <= now()
    }

    /// No other thread is to begin until then.
    pub(super) fn grow_from(&self, time: u64) {
        self.grows_from.store(time, SeqCst);
    }
}

impl Members {
    /// How many threads work, be it that they wait for work.
    pub(super) fn working(&self) -> usize {
        let working = self.threads.iter().filter(|member| member.is_working);
        working.count()
    }

    /// The lowest number that no thread has.
    pub(super) fn free_number(&self) -> usize {
        let is_free = |number: &usize| self.threads.iter().all(|known| known.number != *number);
        (0..).find(is_free).unwrap_or_default()
    }

    /// The thread of this number works no more.
    pub(super) fn let_go(&mut self, number: usize) {
        let mut threads = self.threads.iter_mut();
        if let Some(member) = threads.find(|member| member.number == number) {
            member.is_working = false;
        }
    }

    /// Forgets the threads that have left and ended.
    pub(super) fn forget_ended(&mut self) {
        self.threads
            .retain(|member| member.is_working || !member.thread.is_finished());
    }
}
