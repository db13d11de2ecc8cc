//! The answers that are awaited, by their deadlines, and the thread that keeps these.

use super::parked::{self, Expire, Key, Tally};
use crate::{observe::panics, spawn};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

pub(super) struct Registry {
    tally: Tally,
    next: AtomicU64,
    awaited: Mutex<BTreeMap<Key, Weak<dyn Expire>>>,
    /// Tells the thread that there is an earlier deadline; none where there is no thread to be had.
    earlier: Option<Sender<()>>,
}

impl Registry {
    /// The thread ends with the registry.
    pub(super) fn start() -> Arc<dyn parked::Registry> {
        Arc::new_cyclic(|registry: &Weak<Registry>| {
            let (earlier, told) = bounded(1);
            let registry = Weak::clone(registry);
            let thread = spawn::named("deferred", move || keep_deadlines(&registry, &told));
            let thread = thread.inspect_err(|error| {
                log::error!(reason:% = error; "there is no thread for the deadlines of deferred answers");
            });
            Registry {
                tally: Tally::default(),
                next: AtomicU64::new(0),
                awaited: Mutex::default(),
                earlier: thread.is_ok().then_some(earlier),
            }
        })
    }

    /// Answers what is due, and says when more will be.
    fn expire(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut awaited = self.awaited();
            let first = awaited.first_entry()?;
            let deadline = first.key().0;
            if deadline > now {
                return Some(deadline);
            }
            let one = first.remove();
            drop(awaited);
            if let Some(one) = one.upgrade() {
                let expired = panics::catch(|| one.expire());
                if let Err(panicked) = expired {
                    log::error!(panic:% = panicked; "a panic while a deferred answer was told that it is late");
                }
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeMap<Key, Weak<dyn Expire>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep_deadlines(registry: &Weak<Registry>, told: &Receiver<()>) {
    loop {
        // The first is told of once the registry is there.
        let next = registry
            .upgrade()
            .and_then(|registry| registry.expire(Instant::now()));
        let waited = match next {
            Some(next) => told.recv_deadline(next),
            None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if waited == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

impl parked::Registry for Registry {
    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn cut(&self, abandoned: &mut Vec<(String, usize)>) {
        let left = mem::take(&mut *self.awaited());
        for one in left.into_values().filter_map(|one| one.upgrade()) {
            one.cut(abandoned);
        }
    }

    fn key(&self, deadline: Instant) -> Key {
        (deadline, self.next.fetch_add(1, Relaxed))
    }

    fn enter(&self, key: Key, one: Weak<dyn Expire>) {
        let Some(earlier) = &self.earlier else {
            return one.upgrade().iter().for_each(|one| one.expire());
        };
        let mut awaited = self.awaited();
        let first = awaited.first_key_value();
        let is_first = first.is_none_or(|(first, _)| key < *first);
        awaited.insert(key, one);
        drop(awaited);
        if is_first {
            // Told once, the thread looks at all there are by then.
            let _ = earlier.try_send(());
        }
    }

    fn leave(&self, key: Key) {
        self.awaited().remove(&key);
    }
}
