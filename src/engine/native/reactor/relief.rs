//! Who goes when `BUFFER_MEMORY` is used up.

use super::{Reactor, dealing::Locked, others::Busy};
use crate::engine::{
    Ready,
    native::{shortages::Share, table::Place},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Where nobody was slow enough, the table is not gone through again for so long.
const FRUITLESS: Duration = Duration::from_millis(50);

/// While responses take much of their share, those that wait for their clients are looked at so often.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

impl Reactor {
    /// Looks at the clients that take a response, where it may soon matter how fast they are: room in a socket is told
    /// of only where there is much, and what a client took before it stopped must not count as taken later.
    pub(super) fn look_at_readers(&mut self, now: Instant) {
        if self.next_look_at_readers(now).is_none_or(|next| now < next) {
            return;
        }
        self.shortages.looked_at_readers = Some(now);
        for place in 0..self.table.places.len() {
            if let Place::Held(lease) = &mut self.table.places[place]
                && lease.connection.is_answering()
                && !lease.is_in_line
            {
                lease.is_in_line = true;
                self.later.stand_in_line(place);
            }
        }
    }

    /// When to look at them, if at all.
    pub(super) fn next_look_at_readers(&self, now: Instant) -> Option<Instant> {
        let is_soon_short = self.shared.rules.memory.responses.is_half_used();
        let last = self.shortages.looked_at_readers;
        is_soon_short.then(|| last.map_or(now, |last| last + BETWEEN_LOOKS))
    }

    /// Where memory is short, closes clients that hold some of it and are slower than `MIN_BODY_RATE`, the slowest of all
    /// reactors' first, until it is not short any more.
    ///
    /// # Errors
    /// Where another reactor does the same: there may be memory when that has been done.
    #[inline]
    pub(super) fn relieve(
        &mut self,
        share: Share,
        now: Instant,
        ready: &mut Vec<Ready>,
    ) -> Result<(), Busy> {
        match share.is_short(&self.shared.rules.memory) {
            true => self.close_slow_clients(share, now, ready),
            false => Ok(()),
        }
    }

    #[cold]
    fn close_slow_clients(
        &mut self,
        share: Share,
        now: Instant,
        ready: &mut Vec<Ready>,
    ) -> Result<(), Busy> {
        let shared = Arc::clone(&self.shared);
        let is_short = || share.is_short(&shared.rules.memory);
        let look_again = self.shortages.look_again[share as usize];
        let nobody_is_slow = shared.rules.min_body_rate == 0;
        if nobody_is_slow || look_again.is_some_and(|time| now < time) {
            return Ok(());
        }
        let all = self.all();
        let mut others = all.lock(now, ready)?;
        // What a client brings about on its way out must not begin all this anew.
        self.shortages.look_again[share as usize] = Some(now + FRUITLESS);
        let mut closed = 0;
        for (_, number, place) in self.slow_clients(&mut others, share, now) {
            if !is_short() {
                break;
            }
            let holder = others.reactor(number, self);
            holder.step(place, now, ready, |connection, context| {
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
        Ok(())
    }

    /// The clients that are slower than they may be, the one that is furthest behind first: since when that is, the number
    /// of the reactor, and the place there.
    fn slow_clients(
        &mut self,
        others: &mut Locked<'_>,
        share: Share,
        now: Instant,
    ) -> Vec<(Instant, usize, usize)> {
        let behind_since = |held: &Place| match held {
            Place::Held(lease) if share.held_by(&lease.connection) > 0 => {
                lease.connection.is_behind_since(now)
            }
            _ => None,
        };
        let mut slow = Vec::new();
        for number in 0..others.count() {
            let places = others.reactor(number, self).table.places.iter();
            let found = places.enumerate();
            slow.extend(
                found.filter_map(|(place, held)| Some((behind_since(held)?, number, place))),
            );
        }
        slow.sort_unstable();
        slow
    }
}
