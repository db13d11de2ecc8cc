//! How many connections are in which state: known to the thread that drives them, and asked for by others.

use crate::engine::occupancy::Connections;
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

/// How long the thread that drives connections may take to tell; then what it told last has to do. An idle one is woken for
/// it, and a busy one has its turns in less.
const LONGEST: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct ConnectionCounts {
    is_wanted: AtomicBool,
    last: Mutex<Told>,
    told: Condvar,
}

#[derive(Default)]
struct Told {
    number: u64,
    connections: Connections,
}

impl ConnectionCounts {
    /// Asks whoever drives the connections, and waits for the answer, if not for long.
    pub(super) fn ask(&self, wake: impl FnOnce()) -> Connections {
        let last = self.last();
        let before = last.number;
        self.is_wanted.store(true, SeqCst);
        wake();
        let is_old = |told: &mut Told| told.number == before;
        let waited = self.told.wait_timeout_while(last, LONGEST, is_old);
        waited.unwrap_or_else(PoisonError::into_inner).0.connections
    }

    /// Asked at every turn, and so in a plain load.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Relaxed)
    }

    pub(super) fn tell(&self, connections: Connections) {
        self.is_wanted.store(false, SeqCst);
        let mut last = self.last();
        last.number += 1;
        last.connections = connections;
        drop(last);
        self.told.notify_all();
    }

    fn last(&self) -> MutexGuard<'_, Told> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
