//! Which background services are ready, for those that need them.

use crate::phase::Stop;
use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The names of the background services that are ready now. Shared by their threads.
#[derive(Default)]
pub(super) struct ReadyNames {
    names: Mutex<HashSet<&'static str>>,
    changed: Condvar,
}

impl ReadyNames {
    pub(super) fn insert(&self, name: &'static str) {
        if self.names().insert(name) {
            self.changed.notify_all();
        }
    }

    pub(super) fn remove(&self, name: &'static str) {
        self.names().remove(name);
    }

    /// Waits until all of these are ready. False where they are not and the one that waits is told to stop: whoever tells
    /// it has to [`wake_all`](ReadyNames::wake_all) then.
    pub(super) fn wait_for(&self, needed: &[&'static str], stop: &Stop) -> bool {
        let mut names = self.names();
        loop {
            if needed.iter().all(|name| names.contains(name)) {
                return true;
            }
            if stop.is_stopping() {
                return false;
            }
            names = self
                .changed
                .wait(names)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has all that wait look whether they are to stop.
    pub(super) fn wake_all(&self) {
        // Under the lock, or one that has just looked would sleep through it.
        let _names = self.names();
        self.changed.notify_all();
    }

    fn names(&self) -> MutexGuard<'_, HashSet<&'static str>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
