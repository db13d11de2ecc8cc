//! The worker threads that have nothing to do: a stack to ring them from, and the standby.
//!
//! The last to come to rest is the first to be rung, so that what is warm works and the rest stays asleep. The first
//! that came to rest is the standby: it looks at the pool from time to time while there is traffic, and sleeps too
//! when there is none.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst, fence},
    },
    thread::{self, Thread},
    time::Duration,
};

/// What a look at the pool says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Stop resting and work.
    Now,
    /// There is traffic: look again after this time.
    Soon(Duration),
    /// Nothing goes on: sleep until [`Idle::alert`].
    Nothing,
}

#[derive(Default)]
pub(crate) struct Idle {
    resting: Mutex<Vec<Thread>>,
    /// The length of `resting`, to be read without its lock.
    count: AtomicUsize,
    standby_naps: AtomicBool,
}

impl Idle {
    /// Rests until rung, or until `look` sees a need, true then. Only the standby looks again and again. `look` is called
    /// without any lock.
    pub(crate) fn rest(&self, look: impl Fn() -> Need) -> bool {
        let me = thread::current();
        self.change(|resting| resting.push(me.clone()));
        // Looked at after coming to rest: who rings, rings before it looks whether anybody rests, so one of the two
        // sees the other.
        let mut need = look();
        loop {
            match need {
                Need::Now => {
                    self.leave(&me);
                    return true;
                }
                _ if !self.is_standby(&me) => thread::park(),
                Need::Nothing => self.nap(&me, &look),
                Need::Soon(time) => thread::park_timeout(time),
            }
            if self.was_rung(&me) {
                return false;
            }
            need = look();
        }
    }

    /// The standby sleeps until it is alerted, unless a need has come up in the very moment.
    fn nap(&self, me: &Thread, look: &impl Fn() -> Need) {
        self.standby_naps.store(true, SeqCst);
        fence(SeqCst);
        if look() == Need::Nothing {
            thread::park();
        }
        // Under the lock, and only while it is the standby: one that was rung has a successor, whose nap it may be.
        let resting = self.lock();
        if resting.first().is_some_and(|first| first.id() == me.id()) {
            self.standby_naps.store(false, SeqCst);
        }
    }

    /// The thread at the bottom of the stack is the standby; one that was rung is nowhere in it.
    fn is_standby(&self, me: &Thread) -> bool {
        self.lock()
            .first()
            .is_none_or(|first| first.id() == me.id())
    }

    fn was_rung(&self, me: &Thread) -> bool {
        !self.lock().iter().any(|resting| resting.id() == me.id())
    }

    /// Wakes one resting thread, where there is one.
    pub(crate) fn ring(&self) {
        fence(SeqCst);
        if self.count.load(SeqCst) > 0
            && let Some(thread) = self.change(Vec::pop)
        {
            thread.unpark();
        }
    }

    /// Tells the standby that there is work about, should it sleep. Costs one load where it does not.
    pub(crate) fn alert(&self) {
        fence(SeqCst);
        if self.standby_naps.load(SeqCst)
            && let Some(standby) = self.lock().first()
        {
            standby.unpark();
        }
    }

    /// Wakes all, for the end.
    pub(crate) fn dismiss_all(&self) {
        self.change(std::mem::take).iter().for_each(Thread::unpark);
    }

    /// Leaves the stack, and makes the next in line the standby.
    fn leave(&self, me: &Thread) {
        let next = self.change(|resting| {
            resting.retain(|thread| thread.id() != me.id());
            resting.first().cloned()
        });
        if let Some(next) = next {
            next.unpark();
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Thread>) -> T) -> T {
        let mut resting = self.lock();
        let result = change(&mut resting);
        self.count.store(resting.len(), SeqCst);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Sender, unbounded};
    use std::sync::{Arc, atomic::AtomicU32};

    const LONG: Duration = Duration::from_secs(600);

    fn resting(idle: &Arc<Idle>, name: &'static str, woke: &Sender<&'static str>, before: usize) {
        let (idle_there, woke) = (Arc::clone(idle), woke.clone());
        thread::spawn(move || {
            idle_there.rest(|| Need::Nothing);
            woke.send(name).unwrap();
        });
        while idle.count.load(SeqCst) == before {
            thread::yield_now();
        }
    }

    #[test]
    fn the_thread_whose_caches_are_warmest_is_woken_first_and_every_ring_wakes_one() {
        let idle = Arc::new(Idle::default());
        let (woke, seen) = unbounded();
        resting(&idle, "first", &woke, 0);
        resting(&idle, "second", &woke, 1);
        idle.ring();
        assert_eq!(seen.recv_timeout(LONG), Ok("second"));
        idle.ring();
        assert_eq!(seen.recv_timeout(LONG), Ok("first"));
        idle.ring();
    }

    #[test]
    fn a_napping_standby_looks_again_when_it_is_alerted() {
        let idle = Arc::new(Idle::default());
        let (need, looks) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let standby = thread::spawn({
            let (idle, need, looks) = (Arc::clone(&idle), Arc::clone(&need), Arc::clone(&looks));
            move || {
                idle.rest(|| {
                    looks.fetch_add(1, SeqCst);
                    if need.load(SeqCst) {
                        Need::Now
                    } else {
                        Need::Nothing
                    }
                });
            }
        });
        while !idle.standby_naps.load(SeqCst) {
            thread::yield_now();
        }
        need.store(true, SeqCst);
        idle.alert();
        standby.join().unwrap();
        assert!(looks.load(SeqCst) >= 2 && idle.count.load(SeqCst) == 0);
    }
}
