//! The native engine's table of connections, and the turn of the thread that drives them.

mod arriving;
mod closing;
mod counting;
mod later;
mod relief;

use super::{
    acceptor::Acceptor,
    buffer_pool::BufferPool,
    connection::{Connection, Context, Next},
    lease::{Lease, Returned, Shared, Stage, WAKER},
    shortages::{Share, Shortages},
    table::{Place, Table},
};
use crate::engine::{Pulled, Ready, occupancy::Closed};
use later::Later;
use mio::{Events, Interest, Poll, Token, event::Event, net::TcpStream};
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The listener's token; connections count from 0.
const LISTENER: Token = Token(usize::MAX - 1);

/// How many events one wait returns at most. It is also how many short requests run before the sockets are looked at
/// again, so it bounds how long a probe waits for them.
const EVENTS: usize = 64;

/// How much is read from a socket at a time.
const SCRATCH: usize = 32 * 1024;

/// How much one connection reads or sends at a time, before the others have their turn: at the speed of memory, a
/// tenth of a millisecond. An upload of 64 KiB takes one turn.
const TURN: usize = 128 * 1024;

/// A turn ends early when the requests that became ready in it hold so many bytes: a few uploads at a time use the
/// same buffers again while those are in the caches.
const READY_BYTES: usize = 128 * 1024;

/// Deadlines are looked at no more often than this: timeouts are that exact, and ten thousand connections cost a
/// few milliseconds of CPU a minute.
const SWEEP: Duration = Duration::from_millis(50);

/// While connections are leased, their deadlines are not known here; nothing waits longer than this for them.
const LONGEST_WAIT_WITH_LEASES: Duration = Duration::from_secs(1);

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
    returned: VecDeque<Returned>,
    /// The connection that takes a step now.
    stepping: Option<usize>,
    scratch: Box<[u8]>,
    buffers: BufferPool,
    later: Later,
    shortages: Shortages,
    shared: Arc<Shared>,
    stage: Stage,
    next_sweep: Option<Instant>,
    last_sweep: Option<Instant>,
    /// The place that a sweep goes on from.
    swept: usize,
}

impl Reactor {
    pub(super) fn new(
        poll: Poll,
        mut listener: mio::net::TcpListener,
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
            acceptor: Some(Acceptor::new(listener)),
            table: Table::new(),
            returned: VecDeque::new(),
            stepping: None,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            buffers: BufferPool::default(),
            later: Later::default(),
            shortages: Shortages::default(),
            shared,
            stage: Stage::Open,
            next_sweep: None,
            last_sweep: None,
            swept: 0,
        })
    }

    /// Drives every connection until a request is whole, `until` has come, or somebody woke the engine.
    pub(super) fn turn(&mut self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        self.recover(ready);
        loop {
            let now = Instant::now();
            // One wait's events are one round, over however many turns: no place is taken anew before its end, so that no
            // event is taken for another connection's, and no event waits for more than what came with it.
            let is_new_round = !self.has_events_left;
            if is_new_round {
                self.shared.begin_wait();
            }
            self.take_in_returned(now, ready);
            if is_new_round {
                self.follow_stage(now);
            }
            let is_closed = self.acceptor.is_none() && self.table.is_empty();
            if self.stage == Stage::Cut || (self.stage == Stage::Closing && is_closed) {
                self.later.hand_over(ready);
                return Pulled::Closed;
            }
            if is_new_round {
                let has_work = !ready.is_empty() || self.later.has_work();
                self.wait_for_events(until, now, has_work);
            }
            let now = Instant::now();
            self.handle_events(now, ready);
            if !self.has_events_left {
                self.step_those_in_line(now, ready);
                self.accept(now, ready);
                self.sweep(now, ready);
                self.look_at_readers(now);
                self.later.free_some();
            }
            self.later.hand_over(ready);
            if self.shared.census.is_wanted() {
                self.tell_census();
            }
            if !ready.is_empty()
                || self.shared.take_interrupt()
                || until.is_some_and(|until| until <= now)
            {
                return Pulled::Open;
            }
        }
    }

    /// Waits until something happens or is due; not at all where `only_look`.
    fn wait_for_events(&mut self, until: Option<Instant>, now: Instant, only_look: bool) {
        let wait = match only_look {
            true => Some(Duration::ZERO),
            false => self.time_left(until, now),
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
        let mut first = self.next_sweep();
        let mut consider = |due: Option<Instant>| {
            if due.is_some_and(|due| first.is_none_or(|first| due < first)) {
                first = due;
            }
        };
        consider(until);
        let acceptor = self.acceptor.as_ref();
        consider(acceptor.and_then(|acceptor| acceptor.next_attempt(now)));
        consider((self.table.leased > 0).then(|| now + LONGEST_WAIT_WITH_LEASES));
        consider(self.next_look_at_readers(now));
        first.map(|first| first.saturating_duration_since(now))
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
            Some(Place::Held(lease)) => {
                lease.connection.may_be_readable |=
                    event.is_readable() || closed || event.is_error();
                lease.connection.client_has_closed |= closed;
                if !lease.is_in_line {
                    self.step(place, now, ready, Connection::advance);
                }
            }
            Some(Place::Leased {
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

    /// Gives those another turn who had more to do than one, as long as that takes no longer than a wait's events may.
    fn step_those_in_line(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        for _ in 0..self.later.in_line().min(EVENTS) {
            if self.ready_bytes >= READY_BYTES {
                break;
            }
            if let Some(place) = self.later.next_in_line()
                && let Some(Place::Held(lease)) = self.table.places.get(place)
                && lease.is_in_line
            {
                self.step(place, now, ready, Connection::advance);
            }
        }
    }

    /// Takes in what the pool is done with, for its buffers at once. What has more to do waits for the end of the round:
    /// a client that sends without a pause would have its next request go before the others' first.
    fn take_in_returned(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        self.shared.take_returned(&mut self.returned);
        for _ in 0..self.returned.len() {
            match self.returned.pop_front() {
                Some(Returned::Connection(lease)) => {
                    let has_more = self.has_more_to_do(&lease);
                    if has_more && self.has_events_left {
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

    fn take_in(&mut self, mut lease: Box<Lease>) {
        let place = lease.place;
        if let Place::Leased {
            event,
            client_has_closed,
        } = self.table.places[place]
        {
            lease.connection.may_be_readable |= event;
            lease.connection.client_has_closed |= client_has_closed;
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

    /// Lets one connection take a step, and does what it says.
    fn step(
        &mut self,
        place: usize,
        now: Instant,
        ready: &mut Vec<Ready>,
        step: impl FnOnce(&mut Connection<TcpStream>, &mut Context<'_>) -> Next,
    ) {
        let Some(Place::Held(lease)) = self.table.places.get_mut(place) else {
            return;
        };
        self.stepping = Some(place);
        lease.is_in_line = false;
        let connection = &mut lease.connection;
        let mut context = Context {
            now,
            rules: &self.shared.rules,
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            turn: TURN,
        };
        let mut next = step(connection, &mut context);
        if self.stage == Stage::Closing && next == Next::Wait && connection.is_idle() {
            next = connection.look(&mut context);
            if next == Next::Wait && connection.is_idle() {
                connection.ends_for(Closed::Drain);
                next = Next::Close;
            }
        }
        self.stepping = None;
        if connection.take_answered() {
            self.shared.sent_later.fetch_add(1, Relaxed);
        }
        self.later.discard(&mut connection.discarded);
        match next {
            Next::Wait => self.keep(place),
            Next::More => {
                lease.is_in_line = true;
                self.later.stand_in_line(place);
                self.keep(place);
            }
            Next::NoMemory => {
                self.relieve(Share::Requests, now, ready);
                self.step(place, now, ready, Connection::advance_or_refuse);
            }
            Next::Request => {
                self.ready_bytes += connection.charged_request();
                self.relieve(Share::Responses, now, ready);
                if let Some(mut lease) = self.table.lease(place) {
                    if lease.connection.is_reserve {
                        self.admit(&mut lease, now, ready);
                    } else if self
                        .table
                        .retires(place, self.shared.rules.max_connections())
                    {
                        lease.connection.end_with_this_answer();
                    }
                    ready.push(Ready::Request(lease));
                }
            }
            Next::Stream => ready.extend(self.table.lease(place).map(|lease| Ready::Stream(lease))),
            Next::Close => self.close(place),
        }
    }

    /// The connection waits: for its deadline, and for room in its socket where it has something to send.
    fn keep(&mut self, place: usize) {
        let Some(Place::Held(lease)) = self.table.places.get_mut(place) else {
            return;
        };
        if lease.connection.wants_to_send() && !lease.watches_room {
            lease.watches_room = true;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) =
                self.poll
                    .registry()
                    .reregister(lease.connection.stream(), Token(place), interest)
            {
                log::error!(reason:% = error; "a connection cannot be watched");
                return self.close(place);
            }
        }
        let deadline = lease.connection.deadline;
        let is_idle = lease.connection.is_idle();
        self.table.set_deadline(place, deadline);
        if is_idle {
            self.table.note_idle();
        }
        if self.next_sweep.is_none_or(|due| deadline < due) {
            self.next_sweep = Some(deadline);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(Place::Held(lease)) = self.table.places.get_mut(place) {
            if self.stage == Stage::Closing {
                lease.connection.was_drained();
            }
            lease.connection.release(&self.shared.rules);
            self.later.discard(&mut lease.connection.discarded);
            self.free(place);
        }
    }

    fn free(&mut self, place: usize) {
        self.table.clear(place);
        self.acceptor.iter_mut().for_each(Acceptor::room_was_made);
    }
}
