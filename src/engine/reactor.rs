//! The native engine's table of connections, and the turn of the thread that drives them.

mod closing;

use super::{
    Pulled, Ready,
    accept::Acceptor,
    connection::{Bench, Connection, Next},
    native::{Back, LISTENER, Shared, Stage, Visit, WAKER},
    spare::Spare,
    table::{Place, Table},
};
use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

/// How many events one wait returns at most. It is also how many short requests run before the sockets are looked at
/// again, so it bounds how long a probe waits for them.
const EVENTS: usize = 64;

/// How much is read from a socket at a time.
const SCRATCH: usize = 32 * 1024;

/// A turn ends early when the requests that became ready in it hold so many bytes: a few uploads at a time use the
/// same buffers again while those are in the caches.
const READY_BYTES: usize = 128 * 1024;

/// Deadlines are looked at no more often than this: timeouts are that exact, and ten thousand connections cost a
/// few milliseconds of CPU a minute.
const SWEEP: Duration = Duration::from_millis(50);

/// While connections are with the pool, their deadlines are not known here; nothing waits longer than this for them.
const LONGEST_WAIT_WITH_AWAY: Duration = Duration::from_secs(1);

/// What a new connection that has not sent a byte gets once the listener is closing.
const LAST_CHANCE: Duration = Duration::from_secs(1);

pub(super) struct Reactor {
    poll: Poll,
    events: Events,
    /// How many of the events were handled already, and whether that leaves any for the next turn.
    handled: usize,
    has_events_left: bool,
    ready_bytes: usize,
    acceptor: Option<Acceptor>,
    table: Table,
    returned: Vec<Back>,
    scratch: Box<[u8]>,
    spare: Spare,
    shared: Arc<Shared>,
    stage: Stage,
    next_sweep: Option<Instant>,
    last_sweep: Instant,
}

impl Reactor {
    pub(super) fn new(
        poll: Poll,
        mut listener: mio::net::TcpListener,
        max_connections: usize,
        shared: Arc<Shared>,
    ) -> io::Result<Reactor> {
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Reactor {
            poll,
            events: Events::with_capacity(EVENTS),
            handled: 0,
            has_events_left: false,
            ready_bytes: 0,
            acceptor: Some(Acceptor::new(listener, max_connections)),
            table: Table::default(),
            returned: Vec::new(),
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            spare: Spare::default(),
            shared,
            stage: Stage::Open,
            next_sweep: None,
            last_sweep: Instant::now(),
        })
    }

    /// Drives every connection until a request is whole, `until` has come, or somebody woke the engine.
    pub(super) fn turn(&mut self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        if self.events.capacity() == 0 {
            // A panic has ended an earlier turn in the middle.
            self.events = Events::with_capacity(EVENTS);
            self.has_events_left = false;
        }
        loop {
            // One wait's events are one round, over however many turns: what changes the table comes between rounds, so
            // that no event is taken for another connection's, and none waits for more than what came with it.
            if !self.has_events_left {
                self.welcome_back(ready);
                self.obey(ready);
            }
            if self.stage == Stage::Cut || (self.stage == Stage::Closing && self.table.is_empty()) {
                return Pulled::Closed;
            }
            self.wait_for_events(until, !ready.is_empty());
            let now = Instant::now();
            self.handle_events(now, ready);
            if !self.has_events_left {
                self.accept(now);
                self.sweep(now, ready);
            }
            if !ready.is_empty()
                || self.shared.take_woken()
                || until.is_some_and(|until| until <= now)
            {
                return Pulled::Open;
            }
        }
    }

    /// Waits until something happens or is due; not at all where `only_look`, or where something has come home.
    fn wait_for_events(&mut self, until: Option<Instant>, only_look: bool) {
        if self.has_events_left {
            return;
        }
        let may_wait = self.shared.begin_wait() && !only_look;
        let now = Instant::now();
        let wait = if may_wait {
            self.time_left(until, now)
        } else {
            Some(Duration::ZERO)
        };
        let polled = self.poll.poll(&mut self.events, wait);
        self.shared.end_wait();
        self.handled = 0;
        if let Err(error) = polled
            && error.kind() != io::ErrorKind::Interrupted
        {
            log::error!(reason:% = error; "waiting for events failed");
        }
    }

    /// How long nothing is due.
    fn time_left(&self, until: Option<Instant>, now: Instant) -> Option<Duration> {
        let sweep = self.next_sweep.map(|due| due.max(self.last_sweep + SWEEP));
        let accept = self
            .acceptor
            .as_ref()
            .and_then(|acceptor| acceptor.next_attempt(now));
        let away = (self.table.away > 0).then(|| now + LONGEST_WAIT_WITH_AWAY);
        let first = [until, sweep, accept, away].into_iter().flatten().min()?;
        Some(first.saturating_duration_since(now))
    }

    fn handle_events(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut left = events.iter().skip(self.handled);
        self.ready_bytes = 0;
        while self.ready_bytes < READY_BYTES
            && let Some(event) = left.next()
        {
            self.handled += 1;
            match event.token() {
                WAKER => {}
                LISTENER => self.acceptor.iter_mut().for_each(Acceptor::try_soon),
                Token(place) => self.handle_event(place, event, now, ready),
            }
        }
        self.has_events_left = left.next().is_some();
        self.events = events;
    }

    fn handle_event(&mut self, place: usize, event: &Event, now: Instant, ready: &mut Vec<Ready>) {
        let closed = event.is_read_closed();
        match self.table.places.get_mut(place) {
            Some(Place::Home(visit)) => {
                visit.connection.may_be_readable |=
                    event.is_readable() || closed || event.is_error();
                visit.connection.client_has_closed |= closed;
                self.step(place, now, ready, Connection::advance);
            }
            Some(Place::Away {
                event,
                client_has_closed,
            }) => {
                *event = true;
                *client_has_closed |= closed;
                self.shared.await_return(place);
            }
            Some(Place::Free) | None => {}
        }
    }

    /// Takes in what the pool is done with.
    fn welcome_back(&mut self, ready: &mut Vec<Ready>) {
        let mut returned = std::mem::take(&mut self.returned);
        self.shared.take_home(&mut returned);
        let now = Instant::now();
        for back in returned.drain(..) {
            match back {
                Back::Gone(place) => self.free(place),
                Back::Here(mut visit) => {
                    let place = visit.place;
                    if let Place::Away {
                        event,
                        client_has_closed,
                    } = self.table.places[place]
                    {
                        visit.connection.may_be_readable |= event;
                        visit.connection.client_has_closed |= client_has_closed;
                    }
                    self.table.put(place, visit);
                    self.step(place, now, ready, Connection::advance);
                }
            }
        }
        self.returned = returned;
    }

    /// Lets one connection take a step, and does what it says.
    fn step(
        &mut self,
        place: usize,
        now: Instant,
        ready: &mut Vec<Ready>,
        step: impl FnOnce(&mut Connection<TcpStream>, &mut Bench<'_>) -> Next,
    ) {
        let Some(Place::Home(visit)) = self.table.places.get_mut(place) else {
            return;
        };
        let mut bench = Bench {
            now,
            rules: &self.shared.rules,
            scratch: &mut self.scratch,
            spare: &mut self.spare,
        };
        match step(&mut visit.connection, &mut bench) {
            Next::Wait if self.stage == Stage::Closing && visit.connection.is_idle() => {
                self.close(place)
            }
            Next::Wait => self.keep(place),
            Next::Request => {
                self.ready_bytes += visit.connection.charged();
                ready.extend(
                    self.table
                        .send_away(place)
                        .map(|visit| Ready::Request(visit)),
                );
            }
            Next::Stream => ready.extend(
                self.table
                    .send_away(place)
                    .map(|visit| Ready::Stream(visit)),
            ),
            Next::Close => self.close(place),
        }
    }

    /// The connection waits: for its deadline, and for room in its socket where it has something to send.
    fn keep(&mut self, place: usize) {
        let Some(Place::Home(visit)) = self.table.places.get_mut(place) else {
            return;
        };
        if visit.connection.wants_to_send() && !visit.watches_room {
            visit.watches_room = true;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) =
                self.poll
                    .registry()
                    .reregister(visit.connection.stream(), Token(place), interest)
            {
                log::error!(reason:% = error; "a connection cannot be watched");
                return self.close(place);
            }
        }
        let deadline = visit.connection.deadline;
        let is_idle = visit.connection.is_idle();
        self.table.set_deadline(place, deadline);
        if is_idle {
            self.table.note_idle();
        }
        if self.next_sweep.is_none_or(|due| deadline < due) {
            self.next_sweep = Some(deadline);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(Place::Home(visit)) = self.table.places.get_mut(place) {
            visit.connection.release(&self.shared.rules);
            self.free(place);
        }
    }

    fn free(&mut self, place: usize) {
        self.table.clear(place);
        self.acceptor.iter_mut().for_each(Acceptor::room_was_made);
    }

    /// Times out what is due.
    fn sweep(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        if self.next_sweep.is_none_or(|due| due > now) || now < self.last_sweep + SWEEP {
            return;
        }
        self.last_sweep = now;
        for place in 0..self.table.places.len() {
            if self.table.is_due(place, now) {
                self.step(place, now, ready, Connection::time_out);
            }
        }
        self.next_sweep = self.table.first_deadline();
    }

    /// Accepts what waits, and makes room for it where there is none.
    fn accept(&mut self, now: Instant) {
        let Some(mut acceptor) = self.acceptor.take() else {
            return;
        };
        for _ in 0..EVENTS {
            if !acceptor.is_due(now) {
                break;
            }
            if acceptor.reserve_is_full(&self.table)
                && !self.make_room(now, Table::longest_idle)
                && !self.make_room(now, Table::oldest_reserve)
            {
                acceptor.wait_for_room(now);
                break;
            }
            match acceptor.accept_one(now) {
                Some((stream, peer)) => {
                    // Only now: an idle connection is closed for one that is there.
                    let is_reserve =
                        !acceptor.admits(&self.table) && !self.make_room(now, Table::longest_idle);
                    self.add(stream, peer, now, is_reserve);
                }
                None if acceptor.lacks_descriptors()
                    && self.make_room(now, Table::longest_idle) =>
                {
                    acceptor.try_soon()
                }
                None if acceptor.lacks_descriptors() => acceptor.wait_for_room(now),
                None => {}
            }
        }
        self.shared
            .waits_for_ends
            .store(acceptor.waits_for_room(), SeqCst);
        self.acceptor = Some(acceptor);
    }

    /// Closes the connection that can best be spared, if any can.
    fn make_room(
        &mut self,
        now: Instant,
        spared: impl FnOnce(&mut Table, Instant) -> Option<usize>,
    ) -> bool {
        spared(&mut self.table, now)
            .map(|place| self.close(place))
            .is_some()
    }

    fn add(&mut self, mut stream: TcpStream, peer: SocketAddr, now: Instant, is_reserve: bool) {
        let place = self.table.reserve_place();
        if let Err(error) =
            self.poll
                .registry()
                .register(&mut stream, Token(place), Interest::READABLE)
        {
            log::warn!(reason:% = error; "a connection cannot be watched and is closed");
            self.table.clear(place);
            return;
        }
        let patience = if is_reserve {
            LAST_CHANCE
        } else {
            self.shared.rules.head_timeout
        };
        let mut connection = Connection::new(stream, peer, now, patience);
        connection.is_reserve = is_reserve;
        let shared = Arc::clone(&self.shared);
        self.table.put(
            place,
            Box::new(Visit {
                connection,
                place,
                shared,
                is_away: false,
                watches_room: false,
            }),
        );
        self.keep(place);
    }
}
