//! Where there is no epoll: nobody stands by, and a wait has a timeout of its own.

use mio::{Registry, Token};
use std::{
    io,
    time::{Duration, Instant},
};

pub(super) const TIMER: Token = Token(usize::MAX - 2);

pub(super) struct Seen {
    pub(super) token: Token,
    pub(super) is_read_closed: bool,
}

pub(super) struct Standby;

impl Standby {
    pub(super) const EXISTS: bool = false;

    pub(super) fn new(_: &Registry) -> io::Result<Standby> {
        Ok(Standby)
    }

    pub(super) fn wait(&self) {}

    pub(super) fn has_seen(&self) -> bool {
        false
    }

    pub(super) fn take_seen(&self) -> Vec<Seen> {
        Vec::new()
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
