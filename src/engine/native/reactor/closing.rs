//! How the native engine's connections end: at their deadlines, in a drain, and when that has to end too.

use super::{EVENTS, LAST_CHANCE, READY_BYTES, Reactor, SWEEP};
use crate::engine::{
    Cut, Ready,
    native::{
        acceptor::Acceptor,
        connection::Connection,
        lease::{Returned, Stage},
        table::Place,
    },
    occupancy::Closed,
};
use crate::message::pushed::outlet::SPREAD;
use std::{
    mem,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

/// So many turns a connection has when all is cut: what they move fills every buffer of a socket.
const LAST_TURNS: usize = 64;

impl Reactor {
    /// Times out what is due. Where much of that turns out to have a request, as after a stall, the rest has its turn
    /// later: until then it stays due.
    pub(super) fn sweep(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        if self.next_sweep().is_none_or(|due| due > now) {
            return;
        }
        let most_ready = ready.len() + EVENTS;
        let most_bytes = self.ready_bytes + READY_BYTES;
        while self.swept < self.table.places.len() {
            if ready.len() >= most_ready || self.ready_bytes >= most_bytes {
                return;
            }
            let place = self.swept;
            self.swept += 1;
            if self.table.is_due(place, now) {
                self.step(place, now, ready, Connection::time_out);
            }
        }
        self.swept = 0;
        self.last_sweep = Some(now);
        self.next_sweep = self.table.first_deadline();
    }

    /// When a deadline is to be looked at next.
    pub(super) fn next_sweep(&self) -> Option<Instant> {
        let due = self.next_sweep?;
        Some(self.last_sweep.map_or(due, |last| due.max(last + SWEEP)))
    }

    /// Follows the stage: at the first turn of closing, what is idle is due, and the backlog is called for.
    pub(super) fn follow_stage(&mut self, now: Instant) {
        let stage = self.shared.stage();
        if stage == self.stage {
            return;
        }
        self.stage = stage;
        if stage != Stage::Closing {
            return;
        }
        self.shared.open.waits_for_ends.store(true, SeqCst);
        self.last_sweep = None;
        let places = self.table.places.len();
        for place in 0..places {
            if let Place::Held(lease) = &mut self.table.places[place] {
                let connection = &mut lease.connection;
                let longest = match connection.is_idle() {
                    true => Duration::ZERO,
                    false if connection.is_fresh() => LAST_CHANCE,
                    // Its client comes back at once, to another pod: not all of them at a time.
                    false if connection.awaits_more() => {
                        SPREAD.mul_f64(place as f64 / places as f64)
                    }
                    false => continue,
                };
                connection.deadline = connection.deadline.min(now + longest);
                self.keep(place);
            }
        }
        self.acceptor
            .iter_mut()
            .for_each(|acceptor| acceptor.call_last(now));
    }

    /// What is about to be closed here ends for this.
    pub(super) fn note_end(&mut self, place: usize, why: Closed) {
        if let Place::Held(lease) = &mut self.table.places[place] {
            lease.connection.ends_for(why);
        }
    }

    /// Where a panic has ended an earlier turn in the middle: it costs the connection that it came upon and no other.
    /// Which of the others had an event is not known any more, so each is taken to have had one.
    pub(super) fn recover(&mut self, ready: &mut Vec<Ready>) {
        let broken = self.stepping.take();
        if !mem::take(&mut self.is_in_turn) && broken.is_none() {
            return;
        }
        if let Some(place) = broken {
            self.note_end(place, Closed::Failed);
            self.close(place);
        }
        self.arrived.clear();
        self.acceptor.iter_mut().for_each(Acceptor::try_soon);
        let now = Instant::now();
        self.shared.timer.has_fired(now);
        for place in 0..self.table.places.len() {
            match &mut self.table.places[place] {
                Place::Held(_) => self.step(place, now, ready, Connection::look),
                Place::Leased { event, .. } => {
                    *event = true;
                    self.shared.await_return(place);
                }
                Place::Free => {}
            }
        }
    }

    /// Closes everything that is here, and says what was under way: a response that the client has room for is sent
    /// first, and a request that has arrived counts. What of it may only be dropped elsewhere is `left`.
    pub(in crate::engine::native) fn cut(&mut self, cut: &mut Cut, left: &mut Vec<Ready>) {
        let now = Instant::now();
        self.stage = Stage::Cut;
        self.acceptor = None;
        self.shared.take_returned(&mut self.returned);
        for one in mem::take(&mut self.returned) {
            if let Returned::Connection(lease) = one {
                self.take_in(lease);
            }
        }
        for place in 0..self.table.places.len() {
            let mut ready = Vec::new();
            self.step(place, now, &mut ready, Connection::look);
            for _ in 0..LAST_TURNS {
                match &self.table.places[place] {
                    Place::Held(lease) if lease.is_in_line => {
                        self.step(place, now, &mut ready, Connection::advance);
                    }
                    _ => break,
                }
            }
            for one in &mut ready {
                match one {
                    Ready::Request(_) => cut.receiving += 1,
                    Ready::Stream(exchange) => {
                        cut.sending.push(exchange.request().route().to_owned());
                    }
                    Ready::Piece(exchange) => {
                        cut.uploading.push(exchange.request().route().to_owned());
                    }
                    Ready::Discarded(_) => {}
                }
            }
            left.append(&mut ready);
            if let Place::Held(lease) = &mut self.table.places[place] {
                let connection = &mut lease.connection;
                if connection.is_answering() {
                    cut.sending.push(connection.request().route().to_owned());
                } else if connection.awaits_body() {
                    cut.uploading.push(connection.request().route().to_owned());
                } else {
                    cut.receiving += usize::from(connection.is_receiving());
                }
                self.note_end(place, Closed::Cut);
                self.close(place);
            }
        }
        self.later.hand_over(left);
    }
}
