//! Who goes when `BUFFER_MEMORY` is used up.

use super::Reactor;
use crate::engine::{
    Ready,
    memory::Memory,
    native::{connection::Connection, table::Place},
};
use mio::net::TcpStream;
use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where nobody was slow enough, the table is not gone through again for so long.
const FRUITLESS: Duration = Duration::from_millis(50);

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
    fn is_short(self, memory: &Memory) -> bool {
        match self {
            Share::Requests => memory.requests.is_exceeded(),
            Share::Responses => memory.responses.is_used_up(),
        }
    }

    fn held_by(self, connection: &Connection<TcpStream>) -> usize {
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
    look_again: [Option<Instant>; 2],
    /// How many clients went since the last warning.
    unreported: usize,
    last_warning: Option<Instant>,
}

impl Reactor {
    /// Where memory is short, closes clients that hold some of it and are slower than `MIN_BODY_RATE`, the slowest
    /// first, until it is not short any more.
    pub(super) fn relieve(&mut self, share: Share, now: Instant, ready: &mut Vec<Ready>) {
        let shared = Arc::clone(&self.shared);
        let is_short = || share.is_short(&shared.rules.memory);
        let look_again = self.shortages.look_again[share as usize];
        let nobody_is_slow = shared.rules.min_body_rate == 0;
        if nobody_is_slow || !is_short() || look_again.is_some_and(|time| now < time) {
            return;
        }
        // What a client brings about on its way out must not begin all this anew.
        self.shortages.look_again[share as usize] = Some(now + FRUITLESS);
        let mut closed = 0;
        for place in self.slow_clients(share, now) {
            if !is_short() {
                break;
            }
            self.step(place, now, ready, |connection, context| {
                connection.look_once_more(context).unwrap_or_else(|| {
                    closed += 1;
                    connection.give_way(context)
                })
            });
        }
        if !is_short() {
            self.shortages.look_again[share as usize] = None;
        }
        self.shortages.report(closed, now);
    }

    /// The places of clients that are slower than they may be, the one that is furthest behind first.
    fn slow_clients(&self, share: Share, now: Instant) -> Vec<usize> {
        let behind_since = |held: &Place| match held {
            Place::Held(lease) if share.held_by(&lease.connection) > 0 => {
                lease.connection.is_behind_since(now)
            }
            _ => None,
        };
        let places = self.table.places.iter().enumerate();
        let mut slow: Vec<_> = places
            .filter_map(|(place, held)| Some((behind_since(held)?, place)))
            .collect();
        slow.sort_unstable();
        slow.into_iter().map(|(_, place)| place).collect()
    }
}

impl Shortages {
    fn report(&mut self, closed: usize, now: Instant) {
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
