//! How the native engine's connections end in a drain, and at its deadline.

use super::{LAST_CHANCE, Reactor};
use crate::engine::{
    Cut, Ready,
    native::{
        connection::Connection,
        lease::{Returned, Stage},
        table::Place,
    },
};
use std::time::Instant;

impl Reactor {
    /// Follows the stage: at the first turn of closing, the backlog is accepted, the listener closed, and what is
    /// idle with it.
    pub(super) fn follow_stage(&mut self, ready: &mut Vec<Ready>) {
        let stage = self.shared.stage();
        if stage == self.stage {
            return;
        }
        self.stage = stage;
        let now = Instant::now();
        if let Some(mut acceptor) = self.acceptor.take() {
            acceptor.try_soon();
            while let Some((stream, peer)) = acceptor.accept_one(now) {
                self.add(stream, peer, now, false);
            }
        }
        for place in 0..self.table.places.len() {
            match &mut self.table.places[place] {
                Place::Held(lease) if lease.connection.is_idle() && stage == Stage::Closing => {
                    // Read once more: a request that has arrived is answered, and not met with a reset.
                    lease.connection.may_be_readable = true;
                    self.step(place, now, ready, Connection::advance);
                }
                Place::Held(lease) if lease.connection.is_fresh() => {
                    lease.connection.deadline = lease.connection.deadline.min(now + LAST_CHANCE);
                    self.keep(place);
                }
                _ => {}
            }
        }
    }

    /// Closes everything that is here. What of it may only be dropped elsewhere is `left`.
    pub(in crate::engine::native) fn cut(&mut self, left: &mut Vec<Ready>) -> Cut {
        let mut cut = Cut::default();
        self.stage = Stage::Cut;
        self.acceptor = None;
        self.shared.take_returned(&mut self.returned);
        for one in std::mem::take(&mut self.returned) {
            if let Returned::Connection(lease) = one {
                self.take_in(lease);
            }
        }
        for place in 0..self.table.places.len() {
            if let Place::Held(lease) = &mut self.table.places[place] {
                let connection = &mut lease.connection;
                cut.receiving += usize::from(connection.is_receiving());
                if connection.is_answering() {
                    cut.sending.push(connection.request().route().to_owned());
                }
                self.close(place);
            }
        }
        self.later.hand_over(left);
        cut
    }
}
