//! How the native engine's connections begin, where there is room for them and where there is none.

use super::{EVENTS, LAST_CHANCE, Reactor, dealing::Locked, others::Busy};
use crate::engine::{
    Ready,
    lifetime::Past,
    native::{
        acceptor::Acceptor,
        connection::{Connection, waiting::Claim},
        lease::{Lease, Stage},
        table::Place,
    },
    occupancy::Closed,
};
use mio::{Interest, net::TcpStream};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Instant,
};

/// So many connections at most are looked at in vain, because there is work for them, before a newcomer counts as one
/// too many.
const LOOKS: usize = 16;

impl Reactor {
    /// Accepts what waits. A newcomer for whom there is no room is let in beyond the limit, where there is room for it
    /// once it has shown a request ([`admit`](Reactor::admit)) or another has nothing to show at all. So a newcomer
    /// costs at most one other its place, and only one that is there does.
    ///
    /// The acceptor stays where it is meanwhile, so that a panic in here costs a newcomer and not the listener.
    pub(super) fn accept(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        if self.acceptor.is_some() && self.shared.open.take_end() {
            self.acceptor.iter_mut().for_each(Acceptor::room_was_made);
        }
        for _ in 0..EVENTS {
            let Some(acceptor) = self
                .acceptor
                .as_mut()
                .filter(|acceptor| acceptor.is_due(now))
            else {
                break;
            };
            let has_room = self.shared.open.all() < self.shared.rules.max_connections();
            let is_held_back = acceptor.holds_back(now) && !has_room;
            if is_held_back || (self.table.reserve_is_full() && !has_room) {
                if !acceptor.is_awaited() {
                    break;
                }
                // Closing another makes the acceptor try again.
                acceptor.wait_for_room(now);
                let has_room = self.makes_room(Claim::Connection, now, ready)
                    || (!is_held_back && self.make_room_in_reserve(now, ready));
                if !has_room {
                    break;
                }
            }
            self.accept_one(now, ready);
        }
        let Some(acceptor) = &self.acceptor else {
            return;
        };
        let waits_for_room = acceptor.waits_for_room();
        set(&self.shared.open.acceptor_waits, waits_for_room);
        let waits_for_ends = self.stage != Stage::Open || waits_for_room;
        set(&self.shared.open.waits_for_ends, waits_for_ends);
        if acceptor.is_done() {
            self.acceptor = None;
        }
    }

    fn accept_one(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        let Some(acceptor) = &mut self.acceptor else {
            return;
        };
        if let Some((stream, peer)) = acceptor.accept_one(now) {
            match self.has_room() || self.makes_room(Claim::Connection, now, ready) {
                true => self.deal(stream, peer, now),
                false => self.add(stream, peer, now, true),
            }
        } else if acceptor.lacks_descriptors() {
            acceptor.wait_for_room(now);
            // What it has to show cannot be seen without a descriptor. Closing another makes the acceptor try again.
            self.makes_room(Claim::Request, now, ready);
        }
    }

    /// A connection beyond the limit has a request: it gets an ordinary place, where one is free or can be made so.
    pub(super) fn admit(
        &mut self,
        place: usize,
        now: Instant,
        ready: &mut Vec<Ready>,
    ) -> Result<(), Busy> {
        if self.has_room() || self.make_room(Claim::Request, now, ready)? {
            self.table.admit(place);
        }
        Ok(())
    }

    /// Whether there is an ordinary place left.
    fn has_room(&self) -> bool {
        self.shared.open.all() < self.shared.rules.max_connections()
    }

    /// Makes room for who is not there yet, and can be told to wait.
    fn makes_room(&mut self, claim: Claim, now: Instant, ready: &mut Vec<Ready>) -> bool {
        matches!(self.make_room(claim, now, ready), Ok(true))
    }

    /// Closes the connection that can best be spared, if any can, whichever reactor has it. Each is looked at first, and
    /// one that moves stays. Where the limit was lowered and there are more, two have to go for each that comes, until
    /// there are not.
    fn make_room(
        &mut self,
        claim: Claim,
        now: Instant,
        ready: &mut Vec<Ready>,
    ) -> Result<bool, Busy> {
        let all = self.all();
        let mut others = all.lock(now, ready)?;
        let enough = self.shared.open.all().saturating_sub(2);
        for _ in 0..LOOKS {
            let Some((number, place)) = self.best_spared(&mut others, claim, now) else {
                return Ok(false);
            };
            let holder = others.reactor(number, self);
            holder.step(place, now, ready, |connection, context| {
                let moves = connection.look_once_more(context);
                moves.unwrap_or_else(|| connection.make_way())
            });
            let is_gone = matches!(holder.table.places[place], Place::Free);
            if is_gone && (self.has_room() || self.shared.open.all() <= enough) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The connection that can best be spared of all, by its reactor's number and its place there.
    fn best_spared(
        &mut self,
        others: &mut Locked<'_>,
        claim: Claim,
        now: Instant,
    ) -> Option<(usize, usize)> {
        let mut best = None;
        for number in 0..others.count() {
            let one = others.reactor(number, self);
            let Some(found) = one.table.best_spared(claim, now, &one.shared.rules) else {
                continue;
            };
            let beaten = match best {
                Some((_, better)) if better <= found => (number, found),
                _ => match best.replace((number, found)) {
                    Some(beaten) => beaten,
                    None => continue,
                },
            };
            let holder = others.reactor(beaten.0, self);
            holder.table.put_back_spared(beaten.1);
        }
        best.map(|(number, (_, place))| (number, place))
    }

    /// Closes the oldest connection beyond the limit that has no request even when it is looked at.
    fn make_room_in_reserve(&mut self, now: Instant, ready: &mut Vec<Ready>) -> bool {
        let reserve: Vec<usize> = self.table.reserve().collect();
        for place in reserve {
            self.step(place, now, ready, Connection::look);
            // One that is in line for another turn has something to show.
            if matches!(&self.table.places[place], Place::Held(lease) if !lease.is_in_line) {
                self.note_end(place, Closed::Limit);
                self.close(place);
            }
            if !self.table.reserve_is_full() {
                return true;
            }
        }
        false
    }

    pub(super) fn add(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
        now: Instant,
        is_reserve: bool,
    ) {
        let first_byte_timeout = match is_reserve || self.stage != Stage::Open {
            true => LAST_CHANCE,
            false => self.shared.rules.live.keep_alive_timeout.get(),
        };
        let mut connection = Connection::new(stream, peer, now, first_byte_timeout);
        connection.is_reserve = is_reserve;
        let is_bounded = self.shared.rules.lifetime.is_bounded();
        connection.past = is_bounded.then(|| Box::new(Past::beginning(now)));
        let place = self.table.take_place();
        let token = self.table.tokens.token(place);
        let registered = self
            .registry
            .register(connection.stream(), token, Interest::READABLE);
        if let Err(error) = registered {
            log::warn!(reason:% = error; "a connection cannot be watched and is closed");
            self.table.clear(place);
            return;
        }
        let lease = Lease {
            connection,
            place,
            shared: Arc::clone(&self.shared),
            is_watched: false,
            is_out: false,
            watches_room: false,
            is_in_line: false,
        };
        self.table.put(place, Box::new(lease));
        self.keep(place);
    }
}

/// Nearly always it is so already, and a line that nobody writes to is nobody's to wait for.
fn set(flag: &AtomicBool, value: bool) {
    if flag.load(SeqCst) != value {
        flag.store(value, SeqCst);
    }
}
