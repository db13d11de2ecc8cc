//! How many connections are open, for all reactors together: written where one begins or ends, and read for each request.

use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};

/// See the module. Connections beyond `MAX_CONNECTIONS` are not counted: the first reactor has all of those.
#[repr(align(128))]
pub(super) struct OpenConnections {
    all: AtomicUsize,
    of_reactor: Box<[AtomicUsize]>,
    /// How many of them end with their answer, because there are more than there may be.
    retiring: AtomicUsize,
    /// Connections that end are waited for: because the engine is closing, or because there are too many.
    pub(super) waits_for_ends: AtomicBool,
    /// The acceptor is told of each that does.
    pub(super) acceptor_waits: AtomicBool,
    has_ended: AtomicBool,
}

impl OpenConnections {
    pub(super) fn new(reactors: usize) -> Arc<OpenConnections> {
        Arc::new(OpenConnections {
            all: AtomicUsize::new(0),
            of_reactor: (0..reactors).map(|_| AtomicUsize::new(0)).collect(),
            retiring: AtomicUsize::new(0),
            waits_for_ends: AtomicBool::new(false),
            acceptor_waits: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        })
    }

    pub(super) fn all(&self) -> usize {
        self.all.load(SeqCst)
    }

    /// How many there are, but for those that end with their answer.
    pub(super) fn staying(&self) -> usize {
        self.all().saturating_sub(self.retiring.load(Relaxed))
    }

    /// A reactor has `now` where it had `before`.
    pub(super) fn change(&self, reactor: usize, before: usize, now: usize) {
        self.of_reactor[reactor].store(now, Relaxed);
        self.all.fetch_add(now.wrapping_sub(before), SeqCst);
    }

    /// The same for those that end with their answer.
    pub(super) fn change_retiring(&self, before: usize, now: usize) {
        self.retiring.fetch_add(now.wrapping_sub(before), Relaxed);
    }

    /// The reactor that has the fewest, the first of those that have equally few.
    pub(super) fn emptiest(&self) -> usize {
        let count = |reactor: &usize| self.of_reactor[*reactor].load(Relaxed);
        (0..self.of_reactor.len()).min_by_key(count).unwrap_or(0)
    }

    /// Tells the acceptor that one has ended. True where it waits for that, and its reactor is to be woken.
    pub(super) fn tell_of_end(&self) -> bool {
        let waits = self.acceptor_waits.load(SeqCst);
        if waits {
            self.has_ended.store(true, SeqCst);
        }
        waits
    }

    /// Whether one has ended since this was last asked.
    pub(super) fn take_end(&self) -> bool {
        self.has_ended.load(SeqCst) && self.has_ended.swap(false, SeqCst)
    }
}
