//! What is short when `BUFFER_MEMORY` is used up, and what is known from the last time.

use super::connection::Connection;
use crate::engine::memory::Memory;
use mio::net::TcpStream;
use std::{
    mem,
    time::{Duration, Instant},
};

/// The log hears of it no more often than this.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// A share of the memory.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// Short of which something that has arrived does not fit.
    Requests,
    /// Short of which no handler may begin.
    Responses,
}

impl Share {
    pub(super) fn is_short(self, memory: &Memory) -> bool {
        match self {
            Share::Requests => memory.requests.is_exceeded(),
            Share::Responses => memory.responses.is_used_up(),
        }
    }

    pub(super) fn held_by(self, connection: &Connection<TcpStream>) -> usize {
        match self {
            Share::Requests => connection.charged_request(),
            Share::Responses => connection.charged_response(),
        }
    }
}

/// What is known from the last shortages.
#[derive(Default)]
pub(super) struct Shortages {
    /// Of each share.
    pub(super) look_again: [Option<Instant>; 2],
    pub(super) looked_at_readers: Option<Instant>,
    /// How many clients went since the last warning.
    unreported: usize,
    last_warning: Option<Instant>,
}

impl Shortages {
    pub(super) fn report(&mut self, closed: usize, now: Instant) {
        self.unreported += closed;
        let is_soon = self
            .last_warning
            .is_some_and(|last| now < last + BETWEEN_WARNINGS);
        if self.unreported > 0 && !is_soon {
            self.last_warning = Some(now);
            let closed = mem::take(&mut self.unreported);
            log::warn!(closed = closed; "BUFFER_MEMORY is used up: clients slower than MIN_BODY_RATE were closed");
        }
    }
}
