//! Where there is no epoll: one thread waits at a time, and each wait has a timeout of its own.

use super::arrived::{Arrived, EVENTS};
use mio::{Poll, Registry};
use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) struct Events(mio::Events);

impl Default for Events {
    fn default() -> Events {
        Events(mio::Events::with_capacity(EVENTS))
    }
}

impl Events {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Arrived> {
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

pub(crate) struct Waiter(Mutex<Poll>);

impl Waiter {
    pub(crate) const SERVES_TWO: bool = false;

    pub(crate) fn new(poll: Poll) -> io::Result<Waiter> {
        Ok(Waiter(Mutex::new(poll)))
    }

    pub(crate) fn wait(&self, bound: Option<Duration>, events: &mut Events) {
        let mut poll = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.0.clear();
        if let Err(error) = poll.poll(&mut events.0, bound)
            && error.kind() != io::ErrorKind::Interrupted
        {
            log::error!(reason:% = error; "waiting for events failed");
        }
    }
}

/// Each wait's own timeout, in the place of a timer.
pub(crate) struct Timer;

impl Timer {
    pub(crate) fn new(_: &Registry) -> io::Result<Timer> {
        Ok(Timer)
    }

    pub(crate) fn wake_by(&self, _: Instant, _: Instant) {}

    /// How long a wait that begins now may last.
    pub(crate) fn bound(&self, due: Option<Instant>, now: Instant) -> Option<Duration> {
        Some(due?.saturating_duration_since(now))
    }

    pub(crate) fn has_fired(&self, _: Instant) {}
}
