//! When the next deadline is due, as a descriptor that the sockets' epoll watches: it is set only where an earlier time
//! is needed than the one that is set already, and no wait needs a timer of its own. Whoever waits is woken, the thread
//! that drives the sockets or the standby.

use super::arrived::TIMER;
use mio::{Interest, Registry, unix::SourceFd};
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// No time is set.
const NEVER: u64 = u64::MAX;

pub(crate) struct Timer {
    fd: TimerFd,
    born: Instant,
    /// The time that is set, in nanoseconds since `born`: to be read without the lock.
    due: AtomicU64,
    setting: Mutex<()>,
}

impl Timer {
    /// # Errors
    /// Where the system gives no timer.
    pub(crate) fn new(registry: &Registry) -> io::Result<Timer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let fd = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let raw = fd.as_fd().as_raw_fd();
        registry.register(&mut SourceFd(&raw), TIMER, Interest::READABLE)?;
        Ok(Timer {
            fd,
            born: Instant::now(),
            due: AtomicU64::new(NEVER),
            setting: Mutex::default(),
        })
    }

    /// From now on who waits is woken by this time, or earlier.
    #[inline]
    pub(crate) fn wake_by(&self, due: Instant, now: Instant) {
        let nanos = self.nanos(due);
        if self.due.load(SeqCst) > nanos {
            self.set(due, nanos, now);
        }
    }

    fn set(&self, due: Instant, nanos: u64, now: Instant) {
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.due.load(SeqCst) <= nanos {
            return;
        }
        // Nought would stop it.
        let left = due
            .saturating_duration_since(now)
            .max(Duration::from_nanos(1));
        let once = Expiration::OneShot(TimeSpec::from(left));
        match self.fd.set(once, TimerSetTimeFlags::empty()) {
            Ok(()) => self.due.store(nanos, SeqCst),
            Err(error) => {
                // Said by the system and not by nix, whose table of texts is 12 KB of the binary.
                let error = io::Error::from(error);
                log::error!(reason:% = error; "the timer of deadlines cannot be set");
            }
        }
    }

    /// Sees to it that a wait ends when this is due. How long one that begins now may last by itself: for ever.
    pub(crate) fn bound(&self, due: Option<Instant>, now: Instant) -> Option<Duration> {
        due.iter().for_each(|due| self.wake_by(*due, now));
        None
    }

    /// Somebody was woken by it: it is set no more, unless it was set anew meanwhile.
    pub(crate) fn has_fired(&self, now: Instant) {
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.due.load(SeqCst) <= self.nanos(now) {
            self.due.store(NEVER, SeqCst);
        }
    }

    fn nanos(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.born);
        // Not by `as_nanos`, which multiplies in 128 bits: this is asked twice a request.
        since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
    }
}
