//! The wait for events, by one thread or by two: the second stands by for what comes while the first runs a handler.
//!
//! Of the threads that wait on an epoll instance Linux wakes one for an event, the one that began last (`ep_poll` puts
//! a waiter at the head of its queue). So the thread that comes back from a handler gets what comes next, and the other
//! sleeps on for as long as nothing comes in between, at no cost. Were it another that is woken, all would be as right
//! and cost more.

use super::arrived::{Arrived, EVENTS};
use mio::{Poll, Token};
use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout},
};
use std::{io, os::fd::AsFd, time::Duration};

/// What one wait returned.
pub(crate) struct Events {
    buffer: [EpollEvent; EVENTS],
    count: usize,
}

impl Default for Events {
    fn default() -> Events {
        Events {
            buffer: [EpollEvent::empty(); EVENTS],
            count: 0,
        }
    }
}

impl Events {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Arrived> {
        self.buffer[..self.count].iter().map(|event| {
            let is_read_closed = event.events().intersects(CLOSED);
            Arrived {
                token: Token(event.data() as usize),
                is_readable: is_read_closed || event.events().intersects(EpollFlags::EPOLLIN),
                is_read_closed,
            }
        })
    }
}

const CLOSED: EpollFlags = EpollFlags::EPOLLHUP
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLERR);

pub(crate) struct Waiter(Epoll);

impl Waiter {
    pub(crate) const SERVES_TWO: bool = true;

    /// On the epoll instance behind the poll's registry.
    ///
    /// # Errors
    /// Where there is no descriptor left.
    pub(crate) fn new(poll: Poll) -> io::Result<Waiter> {
        let epoll = poll.registry().as_fd().try_clone_to_owned()?;
        Ok(Waiter(Epoll(epoll)))
    }

    /// Waits until something arrives; or only looks, with a bound of zero. Every other end of a wait comes from the timer.
    pub(crate) fn wait(&self, bound: Option<Duration>, events: &mut Events) {
        let timeout = match bound {
            Some(_) => EpollTimeout::ZERO,
            None => EpollTimeout::NONE,
        };
        events.count = self
            .0
            .wait(&mut events.buffer, timeout)
            .unwrap_or_else(|error| {
                if error != Errno::EINTR {
                    log::error!(reason:% = io::Error::from(error); "waiting for events failed");
                }
                0
            });
    }
}
