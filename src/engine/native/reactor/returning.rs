//! What the pool is done with, and gives back.

use super::Reactor;
use crate::engine::{
    Ready,
    native::{
        connection::Connection,
        lease::{Lease, Returned, Stage},
        table::Place,
    },
};
use std::time::Instant;

impl Reactor {
    /// Takes in what the pool is done with, for its buffers at once. What has more to do waits for the end of the round:
    /// a client that sends without a pause would have its next request go before the others' first.
    #[inline]
    pub(super) fn take_in_returned(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        self.shared.take_returned(&mut self.returned);
        if !self.returned.is_empty() {
            self.take_in_all(now, ready);
        }
    }

    fn take_in_all(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        for _ in 0..self.returned.len() {
            match self.returned.pop_front() {
                Some(Returned::Connection(lease)) => {
                    let has_more = self.has_more_to_do(&lease);
                    if has_more && !self.arrived.is_empty() {
                        self.returned.push_back(Returned::Connection(lease));
                        continue;
                    }
                    let place = lease.place;
                    self.take_in(lease);
                    match has_more || self.stage != Stage::Open {
                        true => self.step(place, now, ready, Connection::advance),
                        false => self.let_rest(place),
                    }
                }
                Some(Returned::Ended(place)) => self.free(place),
                None => {}
            }
        }
    }

    fn has_more_to_do(&self, lease: &Lease) -> bool {
        let had_event = matches!(
            self.table.places[lease.place],
            Place::Leased { event: true, .. }
        );
        had_event || lease.connection.has_more() || !lease.connection.is_idle()
    }

    pub(super) fn take_in(&mut self, mut lease: Box<Lease>) {
        let place = lease.place;
        if let Place::Leased {
            event,
            client_has_closed,
            has_more,
        } = self.table.places[place]
        {
            lease.connection.may_be_readable |= event;
            lease.connection.client_has_closed |= client_has_closed;
            if has_more {
                lease.connection.note_more();
            }
        }
        self.table.put(place, lease);
    }

    /// The connection has nothing to do until its next request: its buffers are for others.
    fn let_rest(&mut self, place: usize) {
        if let Some(Place::Held(lease)) = self.table.places.get_mut(place) {
            let connection = &mut lease.connection;
            connection.settle(&mut self.buffers, &self.shared.rules);
            self.later.discard(&mut connection.discarded);
            self.keep(place);
        }
    }
}
