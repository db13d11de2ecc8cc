//! The native engine's connections, each in its place, and which of them can be spared.

mod tokens;

use super::{
    connection::waiting::{Claim, Spared},
    lease::{Lease, Shared},
    open::OpenConnections,
};
use crate::engine::rules::Rules;
use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    time::{Duration, Instant},
};
use tokens::Tokens;

/// Connections let in beyond `MAX_CONNECTIONS`, so that a probe is answered while every other place is taken; they
/// are told 503 otherwise. The 32 descriptors that the configuration keeps back have room for them.
pub(super) const RESERVE: usize = 16;

/// How many connections that can be spared are looked up at once: finding them goes through the whole table.
const CANDIDATES: usize = 64;

/// How long what was found counts, or that nothing was.
const SEARCH_AGAIN: Duration = Duration::from_millis(100);

/// One place in the table.
pub(super) enum Place {
    Free,
    Held(Box<Lease>),
    /// With the pool; `event` is set where something has happened to the socket since.
    Leased {
        event: bool,
        client_has_closed: bool,
        /// There is more of its response than when it left.
        has_more: bool,
    },
}

pub(super) struct Table {
    open: Arc<OpenConnections>,
    /// The reactor's, and how many connections it was counted with there.
    index: usize,
    counted: usize,
    pub(super) places: Vec<Place>,
    pub(super) tokens: Tokens,
    /// Beside the places, so that a sweep reads plain memory: none for a free place or a leased one.
    deadlines: Vec<Option<Instant>>,
    free: Vec<usize>,
    pub(super) leased: usize,
    /// Leased with the word that their answer is the last one, for there are more than there may be.
    retiring: Vec<usize>,
    /// The places of the connections beyond the limit, the oldest first.
    reserve: VecDeque<usize>,
    /// Connections that could be spared when last looked, the best last.
    candidates: Vec<(Spared, usize)>,
    search_at: Option<Instant>,
}

impl Table {
    pub(super) fn new(shared: &Shared) -> Table {
        Table {
            open: Arc::clone(&shared.open),
            index: shared.index,
            counted: 0,
            places: Vec::new(),
            tokens: Tokens::default(),
            deadlines: Vec::new(),
            free: Vec::new(),
            leased: 0,
            retiring: Vec::new(),
            reserve: VecDeque::with_capacity(RESERVE),
            candidates: Vec::new(),
            search_at: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// How many connections all tables have that were not let in beyond the limit.
    #[cfg(test)]
    pub(super) fn ordinary(&self) -> usize {
        self.open.all()
    }

    /// Counts those of this one, where that may have changed.
    fn count(&mut self) {
        let now = self.places.len() - self.free.len() - self.reserve.len();
        if now != self.counted {
            self.open.change(self.index, self.counted, now);
            self.counted = now;
        }
    }

    /// Whether the one at this place, whose request is handed out, is to end with its answer: where there are more than
    /// `most`, because that was lowered, each that asks goes until there are no more than that.
    pub(super) fn retires(&mut self, place: usize, most: usize) -> bool {
        // Given back unanswered, it is handed out again.
        if self.retiring.contains(&place) {
            return true;
        }
        let retires = self.open.staying() > most;
        if retires {
            self.retiring.push(place);
            self.open.change_retiring(0, 1);
        }
        retires
    }

    pub(super) fn reserve_is_full(&self) -> bool {
        self.reserve.len() >= RESERVE
    }

    /// A place for a new connection, which [`put`](Table::put) then puts there.
    pub(super) fn take_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::Free);
            self.tokens.add_place();
            self.deadlines.push(None);
            self.places.len() - 1
        })
    }

    pub(super) fn put(&mut self, place: usize, lease: Box<Lease>) {
        match self.places[place] {
            Place::Leased { .. } => self.leased -= 1,
            _ => {
                if lease.connection.is_reserve {
                    self.reserve.push_back(place);
                }
                self.count();
            }
        }
        self.places[place] = Place::Held(lease);
    }

    pub(super) fn lease(&mut self, place: usize) -> Option<Box<Lease>> {
        let leased = Place::Leased {
            event: false,
            client_has_closed: false,
            has_more: false,
        };
        let Place::Held(mut lease) = mem::replace(&mut self.places[place], leased) else {
            return None;
        };
        self.deadlines[place] = None;
        self.leased += 1;
        lease.is_out = true;
        Some(lease)
    }

    pub(super) fn clear(&mut self, place: usize) {
        if matches!(self.places[place], Place::Leased { .. }) {
            self.leased -= 1;
        }
        self.leave_reserve(place);
        if !self.retiring.is_empty() {
            let before = self.retiring.len();
            self.retiring.retain(|retiring| *retiring != place);
            self.open.change_retiring(before, self.retiring.len());
        }
        self.places[place] = Place::Free;
        self.tokens.end(place);
        self.deadlines[place] = None;
        self.free.push(place);
        self.count();
    }

    /// A connection beyond the limit has an ordinary place from now on.
    pub(super) fn admit(&mut self, place: usize) {
        if let Place::Held(lease) = &mut self.places[place] {
            lease.connection.is_reserve = false;
        }
        self.leave_reserve(place);
        self.count();
    }

    fn leave_reserve(&mut self, place: usize) {
        if !self.reserve.is_empty() {
            self.reserve.retain(|reserved| *reserved != place);
        }
    }

    pub(super) fn set_deadline(&mut self, place: usize, deadline: Instant) {
        self.deadlines[place] = Some(deadline);
    }

    /// A connection is idle now: that none could be spared is true no longer.
    pub(super) fn note_idle(&mut self) {
        if self.candidates.is_empty() {
            self.search_at = None;
        }
    }

    pub(super) fn is_due(&self, place: usize, now: Instant) -> bool {
        self.deadlines[place].is_some_and(|deadline| deadline <= now)
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// The connection that can best be spared for another with this claim, and how well: one that was silent from the
    /// beginning, the one with the slowest head, the one that has been idle for longest.
    pub(super) fn best_spared(
        &mut self,
        claim: Claim,
        now: Instant,
        rules: &Rules,
    ) -> Option<(Spared, usize)> {
        loop {
            if self.search_at.is_none_or(|time| time <= now) {
                self.search(now, rules);
            }
            let &(found, place) = self.candidates.last()?;
            if !found.yields_to(claim) {
                return None;
            }
            self.candidates.pop();
            if self.candidates.is_empty() {
                // There may be more than were looked up.
                self.search_at = None;
            }
            // Another may have its place by now, or it has become better than it was.
            if self
                .spared(place, now, rules)
                .is_some_and(|spared| spared <= found)
            {
                return Some((found, place));
            }
        }
    }

    /// It was not needed after all.
    pub(super) fn put_back_spared(&mut self, spared: (Spared, usize)) {
        self.candidates.push(spared);
    }

    fn search(&mut self, now: Instant, rules: &Rules) {
        let spared = |place| Some((self.spared(place, now, rules)?, place));
        let mut best = Vec::with_capacity(CANDIDATES);
        for found in (0..self.places.len()).filter_map(spared) {
            let rank = best.partition_point(|better| *better < found);
            if rank < CANDIDATES {
                best.truncate(CANDIDATES - 1);
                best.insert(rank, found);
            }
        }
        best.reverse();
        self.candidates = best;
        self.search_at = Some(now + SEARCH_AGAIN);
    }

    /// Whether the connection that has this place can be spared for one with an ordinary place.
    pub(super) fn spared(&self, place: usize, now: Instant, rules: &Rules) -> Option<Spared> {
        match &self.places[place] {
            Place::Held(lease) if !lease.connection.is_reserve => {
                lease.connection.spared(now, rules)
            }
            _ => None,
        }
    }

    /// The connections beyond the limit that no worker answers, the oldest first: a probe is sent at once, so the newest
    /// are the likeliest probes.
    pub(super) fn reserve(&self) -> impl Iterator<Item = usize> {
        let is_held = |place: &usize| matches!(self.places[*place], Place::Held(_));
        self.reserve.iter().copied().filter(is_held)
    }
}

#[cfg(test)]
mod tests;
