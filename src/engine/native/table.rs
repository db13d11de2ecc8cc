//! The native engine's connections, each in its place, and which of them can be spared.

use super::lease::Lease;
use std::{
    mem,
    time::{Duration, Instant},
};

/// How many connections that can be spared are looked up at once: finding them goes through the whole table.
const CANDIDATES: usize = 64;

/// Where none can be spared, the table is not gone through again for so long.
const FRUITLESS: Duration = Duration::from_millis(100);

/// A new connection is given so long for its first byte before it may be spared for another.
const FIRST_BYTE: Duration = Duration::from_secs(1);

/// One place in the table.
pub(super) enum Place {
    Free,
    Held(Box<Lease>),
    /// With the pool; `event` is set where something has happened to the socket since.
    Leased {
        event: bool,
        client_has_closed: bool,
    },
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) places: Vec<Place>,
    /// Beside the places, so that a sweep reads plain memory: none for a free place or a leased one.
    deadlines: Vec<Option<Instant>>,
    free: Vec<usize>,
    pub(super) leased: usize,
    /// Connections that could be spared when last looked, the best last, with their deadlines of then.
    candidates: Vec<(Instant, usize)>,
    look_again: Option<Instant>,
    /// The places of connections beyond the limit, the oldest first; some may have been freed since.
    reserve: Vec<usize>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn reserve_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::Free);
            self.deadlines.push(None);
            self.places.len() - 1
        })
    }

    pub(super) fn put(&mut self, place: usize, lease: Box<Lease>) {
        match self.places[place] {
            Place::Leased { .. } => self.leased -= 1,
            _ if lease.connection.is_reserve => self.reserve.push(place),
            _ => {}
        }
        self.places[place] = Place::Held(lease);
    }

    pub(super) fn lease(&mut self, place: usize) -> Option<Box<Lease>> {
        let leased = Place::Leased {
            event: false,
            client_has_closed: false,
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
        self.places[place] = Place::Free;
        self.deadlines[place] = None;
        self.free.push(place);
    }

    pub(super) fn set_deadline(&mut self, place: usize, deadline: Instant) {
        self.deadlines[place] = Some(deadline);
    }

    /// A connection is idle now: looking for one that can be spared is not fruitless any more.
    pub(super) fn note_idle(&mut self) {
        self.look_again = None;
    }

    pub(super) fn is_due(&self, place: usize, now: Instant) -> bool {
        self.deadlines[place].is_some_and(|deadline| deadline <= now)
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }

    /// The idle connection that has waited longest; where none is idle, one that never sent a byte.
    pub(super) fn longest_idle(&mut self, now: Instant) -> Option<usize> {
        if self.candidates.is_empty() && self.look_again.is_none_or(|time| time <= now) {
            self.find_candidates(now);
            self.look_again = self.candidates.is_empty().then(|| now + FRUITLESS);
        }
        while let Some((deadline, place)) = self.candidates.pop() {
            if self.deadlines[place] == Some(deadline) && self.can_be_spared(place, now) {
                return Some(place);
            }
        }
        None
    }

    fn find_candidates(&mut self, now: Instant) {
        let spared = (0..self.places.len()).filter(|place| self.can_be_spared(*place, now));
        let mut found: Vec<(bool, Instant, usize)> = spared
            .filter_map(|place| Some((self.is_fresh(place), self.deadlines[place]?, place)))
            .collect();
        found.sort_unstable();
        found.truncate(CANDIDATES);
        self.candidates.extend(
            found
                .into_iter()
                .rev()
                .map(|(_, deadline, place)| (deadline, place)),
        );
    }

    fn can_be_spared(&self, place: usize, now: Instant) -> bool {
        match &self.places[place] {
            Place::Held(lease) => {
                let connection = &lease.connection;
                connection.is_idle()
                    || (connection.is_fresh() && connection.accepted + FIRST_BYTE < now)
            }
            Place::Free | Place::Leased { .. } => false,
        }
    }

    fn is_fresh(&self, place: usize) -> bool {
        matches!(&self.places[place], Place::Held(lease) if lease.connection.is_fresh())
    }

    /// The connection beyond the limit that has gone longest without a whole request: a probe sends its own at once,
    /// so the newest are the likeliest probes.
    pub(super) fn oldest_reserve(&mut self, _now: Instant) -> Option<usize> {
        let is_reserve =
            |place: &Place| matches!(place, Place::Held(lease) if lease.connection.is_reserve);
        let is_leased = |place: &Place| matches!(place, Place::Leased { .. });
        let places = &self.places;
        self.reserve
            .retain(|place| is_reserve(&places[*place]) || is_leased(&places[*place]));
        self.reserve
            .iter()
            .position(|place| is_reserve(&places[*place]))
            .map(|oldest| self.reserve.remove(oldest))
    }
}
