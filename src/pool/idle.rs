//! The worker threads that have nothing to do: a stack to wake them from, and the monitor.
//!
//! The last to come to rest is the first to be woken, so that what is warm works and the rest stays asleep. The first
//! that came to rest is the monitor: it looks at the pool from time to time while there is traffic, and sleeps too
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
pub(crate) enum Look {
    /// Stop resting and work.
    StepIn,
    /// There is traffic: look again after this time.
    Again(Duration),
    /// Nothing goes on: sleep until [`IdleThreads::wake_monitor`].
    Sleep,
}

#[derive(Default)]
pub(crate) struct IdleThreads {
    resting: Mutex<Vec<Thread>>,
    /// The length of `resting`, to be read without its lock.
    count: AtomicUsize,
    monitor_sleeps: AtomicBool,
}

impl IdleThreads {
    /// Rests until woken, or until `look` says to step in, true then. Only the monitor looks again and again. `look` is called
    /// without any lock.
    pub(crate) fn rest(&self, look: impl Fn() -> Look) -> bool {
        let me = thread::current();
        self.change(|resting| resting.push(me.clone()));
        // Looked at after coming to rest: who wakes another makes its work visible before it looks whether anybody rests, so one of the two
        // sees the other.
        let mut seen = look();
        loop {
            match seen {
                Look::StepIn => {
                    self.leave(&me);
                    return true;
                }
                _ if !self.is_monitor(&me) => thread::park(),
                Look::Sleep => self.sleep(&me, &look),
                Look::Again(time) => thread::park_timeout(time),
            }
            if self.was_woken(&me) {
                return false;
            }
            seen = look();
        }
    }

    /// The monitor sleeps until it is woken, unless work has come up in the very moment.
    fn sleep(&self, me: &Thread, look: &impl Fn() -> Look) {
        self.monitor_sleeps.store(true, SeqCst);
        fence(SeqCst);
        if look() == Look::Sleep {
            thread::park();
        }
        // Under the lock, and only while it is the monitor: one that was woken for work has a successor, whose sleep it may be.
        let resting = self.lock();
        if resting.first().is_some_and(|first| first.id() == me.id()) {
            self.monitor_sleeps.store(false, SeqCst);
        }
    }

    /// The thread at the bottom of the stack is the monitor; one that was woken is nowhere in it.
    fn is_monitor(&self, me: &Thread) -> bool {
        self.lock()
            .first()
            .is_none_or(|first| first.id() == me.id())
    }

    fn was_woken(&self, me: &Thread) -> bool {
        !self.lock().iter().any(|resting| resting.id() == me.id())
    }

    /// Wakes one resting thread: false where there is none.
    pub(crate) fn wake_one(&self) -> bool {
        fence(SeqCst);
        if self.count.load(SeqCst) > 0
            && let Some(thread) = self.change(Vec::pop)
        {
            thread.unpark();
            return true;
        }
        false
    }

    /// Whether nobody rests.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(SeqCst) == 0
    }

    /// Tells the monitor that there is work about, should it sleep. Costs one load where it does not.
    pub(crate) fn wake_monitor(&self) {
        fence(SeqCst);
        if self.monitor_sleeps.load(SeqCst)
            && let Some(monitor) = self.lock().first()
        {
            monitor.unpark();
        }
    }

    /// Wakes all, for the end.
    pub(crate) fn wake_all(&self) {
        self.change(std::mem::take).iter().for_each(Thread::unpark);
    }

    /// Leaves the stack, and makes the next in line the monitor.
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

    fn resting(
        idle: &Arc<IdleThreads>,
        name: &'static str,
        woke: &Sender<&'static str>,
        before: usize,
    ) {
        let (idle_there, woke) = (Arc::clone(idle), woke.clone());
        thread::spawn(move || {
            idle_there.rest(|| Look::Sleep);
            woke.send(name).unwrap();
        });
        while idle.count.load(SeqCst) == before {
            thread::yield_now();
        }
    }

    #[test]
    fn the_thread_whose_caches_are_warmest_is_woken_first_and_every_wake_wakes_one() {
        let idle = Arc::new(IdleThreads::default());
        let (woke, seen) = unbounded();
        resting(&idle, "first", &woke, 0);
        resting(&idle, "second", &woke, 1);
        idle.wake_one();
        assert_eq!(seen.recv_timeout(LONG), Ok("second"));
        idle.wake_one();
        assert_eq!(seen.recv_timeout(LONG), Ok("first"));
        idle.wake_one();
    }

    #[test]
    fn a_sleeping_monitor_looks_again_when_it_is_woken() {
        let idle = Arc::new(IdleThreads::default());
        let (need, looks) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let monitor = thread::spawn({
            let (idle, need, looks) = (Arc::clone(&idle), Arc::clone(&need), Arc::clone(&looks));
            move || {
                idle.rest(|| {
                    looks.fetch_add(1, SeqCst);
                    if need.load(SeqCst) {
                        Look::StepIn
                    } else {
                        Look::Sleep
                    }
                });
            }
        });
        while !idle.monitor_sleeps.load(SeqCst) {
            thread::yield_now();
        }
        need.store(true, SeqCst);
        idle.wake_monitor();
        monitor.join().unwrap();
        assert!(looks.load(SeqCst) >= 2 && idle.count.load(SeqCst) == 0);
    }
}
