//! The wait of a second thread beside the one that drives the sockets, for what comes while that one runs a handler.
//!
//! Both wait on the same epoll instance. Of those that wait Linux wakes one for an event, the last that began
//! (`ep_poll` puts a waiter at the head of its queue): so the driving thread gets all there is for as long as it waits,
//! and the standby sleeps on, which costs nothing. Were it another that is woken, all would be as right and cost more.

use mio::{Registry, Token};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};
use std::{
    io, mem,
    os::fd::AsFd,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// How many events one wait takes at most; what is more stays for who drives the sockets.
const MOST: usize = 16;

/// An event that the standby took from the one who drives the sockets.
pub(super) struct Seen {
    pub(super) token: Token,
    pub(super) is_read_closed: bool,
}

pub(super) struct Standby {
    epoll: Epoll,
    seen: Mutex<Vec<Seen>>,
    has_seen: AtomicBool,
}

impl Standby {
    pub(super) const EXISTS: bool = true;

    /// On the epoll instance behind the registry.
    ///
    /// # Errors
    /// Where there is no descriptor left.
    pub(super) fn new(registry: &Registry) -> io::Result<Standby> {
        Ok(Standby {
            epoll: Epoll(registry.as_fd().try_clone_to_owned()?),
            seen: Mutex::default(),
            has_seen: AtomicBool::new(false),
        })
    }

    /// Waits for events, and keeps what it took for [`take_seen`](Standby::take_seen).
    pub(super) fn wait(&self) {
        let mut events = [EpollEvent::empty(); MOST];
        // A signal is the only reason to fail; who asked looks and asks again.
        let count = self
            .epoll
            .wait(&mut events, EpollTimeout::NONE)
            .unwrap_or(0);
        let mut seen = self.seen();
        seen.extend(events[..count].iter().map(|event| Seen {
            token: Token(event.data() as usize),
            is_read_closed: event.events().intersects(CLOSED),
        }));
        self.has_seen.store(!seen.is_empty(), SeqCst);
    }

    /// Whether there is something for [`take_seen`](Standby::take_seen); nothing is locked for that.
    pub(super) fn has_seen(&self) -> bool {
        self.has_seen.load(SeqCst)
    }

    /// Takes what was kept. A connection's place may be another's by now: an event for it says no more than that it is
    /// to be looked at.
    pub(super) fn take_seen(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        self.has_seen.store(false, SeqCst);
        mem::take(&mut seen)
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As mio takes them.
const CLOSED: EpollFlags = EpollFlags::EPOLLHUP
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLERR);
