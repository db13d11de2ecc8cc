//! The worker threads that have nothing to do: a stack to wake them from, and the monitor.
//!
//! The last to come to rest is the first to be woken, so that what is warm works and the rest stays asleep. The first
//! that came to rest is the monitor: it looks at the pool from time to time while there is much traffic, and sleeps too
//! while there is little or none. Where the engine has a wait for it, it sleeps in there and *stands by*: the engine
//! wakes it, and no unpark does.

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
    /// Whoever is busy may not come back in time: look again after this time.
    Again(Duration),
    /// Somebody is there for what comes: sleep.
    Sleep,
}

/// Who was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    Done,
    /// The standby is to be woken, by who knows the engine.
    Standby,
}

#[derive(Default)]
pub(crate) struct IdleThreads {
    /// The monitor sleeps in the engine.
    has_standby: bool,
    resting: Mutex<Vec<Thread>>,
    /// The length of `resting`, to be read without its lock.
    count: AtomicUsize,
    monitor_sleeps: AtomicBool,
    /// The standby was woken to work.
    standby_is_wanted: AtomicBool,
}

impl IdleThreads {
    pub(crate) fn new(has_standby: bool) -> IdleThreads {
        IdleThreads {
            has_standby,
            ..IdleThreads::default()
        }
    }

    /// Rests until woken, or until `look` says to step in, true then. Only the monitor looks again and again, and sleeps
    /// by `sleep`. Both are called without any lock.
    pub(crate) fn rest(&self, look: impl Fn() -> Look, sleep: impl Fn()) -> bool {
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
                Look::Sleep => self.sleep(&me, &look, &sleep),
                Look::Again(time) => thread::park_timeout(time),
            }
            if self.was_woken(&me) {
                return false;
            }
            if self.is_wanted(&me) {
                self.leave(&me);
                return false;
            }
            seen = look();
        }
    }

    /// The monitor sleeps until it is woken, unless work has come up in the very moment.
    fn sleep(&self, me: &Thread, look: &impl Fn() -> Look, sleep: &impl Fn()) {
        {
            let resting = self.lock();
            if resting.first().is_none_or(|first| first.id() != me.id()) {
                return;
            }
            self.monitor_sleeps.store(true, SeqCst);
        }
        fence(SeqCst);
        if look() == Look::Sleep {
            sleep();
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

    /// Only who stands by can be wanted, and whoever is at the bottom of the stack next in its stead.
    fn is_wanted(&self, me: &Thread) -> bool {
        self.standby_is_wanted.load(SeqCst)
            && self.is_monitor(me)
            && self.standby_is_wanted.swap(false, SeqCst)
    }

    /// Wakes one resting thread, where there is one: the standby last.
    pub(crate) fn wake_one(&self) -> Woken {
        fence(SeqCst);
        if self.count.load(SeqCst) == 0 {
            return Woken::Done;
        }
        let mut resting = self.lock();
        if resting.len() == 1 && self.stands_by() {
            self.standby_is_wanted.store(true, SeqCst);
            return Woken::Standby;
        }
        let woken = resting.pop();
        self.count.store(resting.len(), SeqCst);
        drop(resting);
        woken.iter().for_each(Thread::unpark);
        Woken::Done
    }

    /// Whether the monitor sleeps, and sees nothing of the pool. For who has made its work visible.
    pub(crate) fn monitor_sleeps(&self) -> bool {
        fence(SeqCst);
        self.monitor_sleeps.load(SeqCst)
    }

    /// Whether a thread stands by in the engine, or is about to.
    pub(crate) fn stands_by(&self) -> bool {
        self.has_standby && self.monitor_sleeps()
    }

    /// Tells a parked monitor that there is work about.
    pub(crate) fn unpark_monitor(&self) {
        self.lock().first().into_iter().for_each(Thread::unpark);
    }

    /// Wakes all, for the end.
    pub(crate) fn wake_all(&self) -> Woken {
        let mut resting = self.lock();
        let stays = usize::from(self.stands_by()).min(resting.len());
        let woken = resting.split_off(stays);
        self.count.store(stays, SeqCst);
        drop(resting);
        woken.iter().for_each(Thread::unpark);
        if stays == 0 {
            return Woken::Done;
        }
        self.standby_is_wanted.store(true, SeqCst);
        Woken::Standby
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
            idle_there.rest(|| Look::Sleep, thread::park);
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
                idle.rest(
                    || {
                        looks.fetch_add(1, SeqCst);
                        if need.load(SeqCst) {
                            Look::StepIn
                        } else {
                            Look::Sleep
                        }
                    },
                    thread::park,
                );
            }
        });
        while !idle.monitor_sleeps.load(SeqCst) {
            thread::yield_now();
        }
        need.store(true, SeqCst);
        idle.unpark_monitor();
        monitor.join().unwrap();
        assert!(looks.load(SeqCst) >= 2 && idle.count.load(SeqCst) == 0);
    }
}
