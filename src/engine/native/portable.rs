//! Where there is no epoll: one thread waits at a time, and each wait has a timeout of its own.

use super::Arrived;
use mio::{Poll, Registry, Token};
use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(super) const EVENTS: usize = 64;

pub(super) const TIMER: Token = Token(usize::MAX - 2);

pub(super) struct Events(mio::Events);

impl Events {
    pub(super) fn new() -> Events {
        Events(mio::Events::with_capacity(EVENTS))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Arrived> {
        self.0.iter().map(|event| {
            let is_read_closed = event.is_read_closed() || event.is_error();
            Arrived {
                token: event.token(),
                is_readable: event.is_readable() || is_read_closed,
                is_read_closed,
            }
        })
    }
}

pub(super) struct Waiter(Mutex<Poll>);

impl Waiter {
    pub(super) const SERVES_TWO: bool = false;

    pub(super) fn new(poll: Poll) -> io::Result<Waiter> {
        Ok(Waiter(Mutex::new(poll)))
    }

    pub(super) fn wait(&self, bound: Option<Duration>, events: &mut Events) {
        let mut poll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.0.clear();
        if let Err(error) = poll.poll(&mut events.0, bound)
            && error.kind() != io::ErrorKind::Interrupted
        {
            log::error!(reason:% = error; "waiting for events failed");
        }
    }
}

pub(super) struct Timer;

impl Timer {
    pub(super) fn new(_: &Registry) -> io::Result<Timer> {
        Ok(Timer)
    }

    pub(super) fn wake_by(&self, _: Instant, _: Instant) {}

    pub(super) fn bound(&self, due: Option<Instant>, now: Instant) -> Option<Duration> {
        Some(due?.saturating_duration_since(now))
    }

    pub(super) fn has_fired(&self, _: Instant) {}
}
