//! What the pool has for each reactor, and which thread works for which.

use super::{leader::Leader, queue::Queue};
use crate::engine::budget::Budget;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

/// So many times a thread takes from its own queue before it looks at the others: after 16 short jobs.
pub(super) const TAKES: u8 = 16;

/// What belongs to one reactor, on cache lines of its own.
#[repr(align(128))]
pub(super) struct Lane {
    /// Bounded by what the pool admits, which counts what is running too.
    pub(super) queue: Queue,
    leader: Mutex<Leader>,
    /// How many threads pull from the reactor: the leader, and who stands by.
    pub(super) pulling: AtomicUsize,
    /// When a leader last pulled or a job began, in nanoseconds since the pool's birth: the monitor sees by it whether
    /// anything goes on.
    pub(super) last_progress: AtomicU64,
    /// Nothing will come from the reactor any more.
    pub(super) is_closed: AtomicBool,
    /// What runs, of as many slots as there are threads for.
    pub(super) running: Budget,
    /// Of `WORKERS` + `QUEUE_CAPACITY`, what runs or waits.
    pub(super) admitted: Budget,
}

impl Lane {
    /// Those of so many reactors.
    pub(super) fn all(reactors: usize, workers: usize, queue_capacity: usize) -> Box<[Lane]> {
        let running = Budget::new(workers, usize::MAX, reactors);
        let admitted = Budget::new(workers + queue_capacity, usize::MAX, reactors);
        let lane = |number| Lane {
            queue: Queue::default(),
            leader: Mutex::default(),
            pulling: AtomicUsize::new(0),
            last_progress: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            running: running.part(number),
            admitted: admitted.part(number),
        };
        (0..reactors).map(lane).collect()
    }

    /// Nobody pulls from its reactor, of which something may come.
    pub(super) fn has_no_leader(&self) -> bool {
        self.pulling.load(SeqCst) == 0 && !self.is_closed.load(SeqCst)
    }

    pub(super) fn leader(&self) -> MutexGuard<'_, Leader> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane that a thread works for.
pub(super) struct Affinity {
    pub(super) lane: usize,
    /// How often it has taken since it looked at the others.
    pub(super) takes: u8,
    /// It has rested, and works for no lane more than for another.
    pub(super) has_rested: bool,
    /// It may have been woken because nobody leads somewhere.
    pub(super) is_free: bool,
}

impl Affinity {
    pub(super) fn to(lane: usize) -> Affinity {
        Affinity {
            lane,
            takes: TAKES,
            has_rested: true,
            is_free: true,
        }
    }

    /// It looks at all queues next.
    pub(super) fn look_around(&mut self) {
        self.takes = TAKES;
    }

    /// It comes from a pull in which nothing came: it may have been woken to work elsewhere.
    pub(super) fn woken(&mut self) {
        self.look_around();
        self.is_free = true;
    }

    pub(super) fn rested(&mut self) {
        self.woken();
        self.has_rested = true;
    }
}
