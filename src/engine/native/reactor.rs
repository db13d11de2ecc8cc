//! The native engine's table of connections, and the turn of the thread that drives them.

mod arriving;
mod closing;
mod counting;
mod dealing;
mod later;
mod news;
mod others;
mod relief;
mod returning;
mod waiting;

use super::{
    acceptor::Acceptor,
    buffer_pool::BufferPool,
    connection::{Connection, Context, Next},
    events::{Arrived, EVENTS, Events, TIMER, Waiter},
    lease::{Returned, Shared, Stage, WAKER},
    shortages::{Share, Shortages},
    table::{Place, Table},
};
use crate::{
    engine::{Ready, occupancy::Closed},
    message::pushed::outlet::SPREAD,
};
use later::Later;
use mio::{Interest, Registry, Token, net::TcpStream};
use others::{Busy, Others};
use std::{
    collections::VecDeque,
    io, mem,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// The listener's token; connections count from 0.
const LISTENER: Token = Token(usize::MAX - 1);

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

/// What a thread leaves behind that comes back with requests waits no longer than this for who stands by.
const LEFT_FOR: Duration = Duration::from_micros(500);

/// What a new connection that has not sent a byte gets once the listener is closing.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// What is to be waited for.
pub(super) enum Wait {
    /// For events, for so long at the most.
    Events(Option<Duration>, Box<Events>),
    /// There are events already.
    Not,
}

/// A reactor, what is beside its lock, and the wait for its events.
#[repr(align(128))]
pub(super) struct EventLoop {
    pub(super) shared: Arc<Shared>,
    pub(super) waiter: Waiter,
    pub(super) reactor: Mutex<Reactor>,
}

pub(super) struct Reactor {
    registry: Registry,
    /// Events that are not handled yet. A connection's place may be another's by now where two threads wait: its token is
    /// not.
    arrived: VecDeque<Arrived>,
    /// What a wait puts its events into, while nobody waits: to make it costs a twentieth of a short request.
    spare_events: Option<Box<Events>>,
    /// A turn has begun, and has not come to its end.
    is_in_turn: bool,
    /// The timer has fired: for what this knows of, or for who set it.
    is_due: bool,
    /// The waker has called: there is something to be taken in, or was.
    is_woken: bool,
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
    others: Others<EventLoop>,
    stage: Stage,
    next_sweep: Option<Instant>,
    last_sweep: Option<Instant>,
    /// The place that a sweep goes on from.
    swept: usize,
}

impl Reactor {
    pub(super) fn new(
        registry: Registry,
        mut listener: Option<mio::net::TcpListener>,
        shared: Arc<Shared>,
    ) -> io::Result<Reactor> {
        if let Some(listener) = &mut listener {
            registry.register(listener, LISTENER, Interest::READABLE)?;
        }
        Ok(Reactor {
            registry,
            arrived: VecDeque::with_capacity(EVENTS),
            spare_events: None,
            is_in_turn: false,
            is_due: false,
            is_woken: false,
            ready_bytes: 0,
            acceptor: listener.map(Acceptor::new),
            table: Table::new(&shared),
            returned: VecDeque::new(),
            stepping: None,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            buffers: BufferPool::default(),
            later: Later::default(),
            shortages: Shortages::default(),
            shared,
            others: Others::none(),
            stage: Stage::Open,
            next_sweep: None,
            last_sweep: None,
            swept: 0,
        })
    }

    /// Deals with what a wait returned, and with what is due. True where a pull ends: something is ready, a time has come, or
    /// somebody woke the engine.
    pub(super) fn turn(
        &mut self,
        arrived: Option<Box<Events>>,
        until: Option<Instant>,
        ready: &mut Vec<Ready>,
    ) -> bool {
        self.is_in_turn = true;
        if let Some(events) = arrived {
            self.arrived.extend(events.iter());
            self.spare_events = Some(events);
        }
        let now = Instant::now();
        self.handle_events(now, ready);
        if self.arrived.is_empty() {
            self.step_those_in_line(now, ready);
            self.accept(now, ready);
            self.sweep(now, ready);
            self.look_at_readers(now);
            self.later.free_some();
        }
        self.later.hand_over(ready);
        self.is_in_turn = false;
        let is_over = !ready.is_empty()
            || mem::take(&mut self.is_due)
            || self.shared.take_interrupt()
            || until.is_some_and(|until| until <= now);
        if is_over && self.shared.is_waited() {
            // For who stands by: these deadlines may be nobody else's for a while. Who begins to wait looks at them first.
            let is_left =
                self.is_woken || self.is_due || !self.arrived.is_empty() || self.later.has_work();
            let due = match is_left {
                true => Some(now + LEFT_FOR),
                false => self.next_due(until, now),
            };
            self.shared.timer.bound(due, now);
        }
        is_over
    }

    fn handle_events(&mut self, now: Instant, ready: &mut Vec<Ready>) {
        self.ready_bytes = 0;
        while self.ready_bytes < READY_BYTES
            && let Some(event) = self.arrived.pop_front()
        {
            self.handle_event(event, now, ready);
        }
    }

    fn handle_event(&mut self, event: Arrived, now: Instant, ready: &mut Vec<Ready>) {
        match event.token {
            WAKER => {
                self.is_woken = true;
            }
            TIMER => {
                self.is_due = true;
                self.shared.timer.has_fired(now);
            }
            LISTENER => self.acceptor.iter_mut().for_each(Acceptor::try_soon),
            token => {
                if let Some(place) = self.table.tokens.place(token) {
                    self.handle_event_at(place, event, now, ready);
                }
            }
        }
    }

    fn handle_event_at(
        &mut self,
        place: usize,
        event: Arrived,
        now: Instant,
        ready: &mut Vec<Ready>,
    ) {
        let closed = event.is_read_closed;
        match self.table.places.get_mut(place) {
            Some(Place::Held(lease)) => {
                lease.connection.may_be_readable |= event.is_readable;
                lease.connection.client_has_closed |= closed;
                if !lease.is_in_line {
                    self.step(place, now, ready, Connection::advance);
                }
            }
            Some(Place::Leased {
                event,
                client_has_closed,
                ..
            }) => {
                *event = true;
                *client_has_closed |= closed;
                self.shared.await_return(place);
                if closed && let Some(left) = self.shared.client_has_gone(place) {
                    self.later.leave_to_workers(left);
                }
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
        if self.stage == Stage::Closing && connection.awaits_more() {
            connection.tell_of_closing(now, SPREAD);
        }
        self.stepping = None;
        if connection.take_answered() {
            self.shared.sent_later.fetch_add(1, Relaxed);
        }
        self.later.discard(&mut connection.discarded);
        match next {
            Next::Wait => self.keep(place),
            Next::More => self.put_off(place),
            Next::NoMemory => match self.relieve(Share::Requests, now, ready) {
                Ok(()) => self.step(place, now, ready, Connection::advance_or_refuse),
                Err(Busy) => self.put_off(place),
            },
            Next::Request => {
                let charged = connection.charged_request();
                let is_reserve = connection.is_reserve;
                if self.relieve(Share::Responses, now, ready).is_err()
                    || (is_reserve && self.admit(place, now, ready).is_err())
                {
                    return self.put_off(place);
                }
                self.ready_bytes += charged;
                if let Some(mut lease) = self.table.lease(place) {
                    let most = self.shared.rules.max_connections();
                    if !is_reserve && self.table.retires(place, most) {
                        lease.connection.end_with_this_answer();
                    }
                    ready.push(Ready::Request(lease));
                }
            }
            Next::Stream => ready.extend(self.table.lease(place).map(|lease| Ready::Stream(lease))),
            Next::Piece => ready.extend(self.table.lease(place).map(|lease| Ready::Piece(lease))),
            Next::Close => self.close(place),
        }
    }

    /// The connection is to have another turn.
    fn put_off(&mut self, place: usize) {
        if let Some(Place::Held(lease)) = self.table.places.get_mut(place) {
            lease.is_in_line = true;
            self.later.stand_in_line(place);
            self.keep(place);
        }
    }

    /// The connection waits: for its deadline, and for room in its socket where it has something to send.
    fn keep(&mut self, place: usize) {
        let Some(Place::Held(lease)) = self.table.places.get_mut(place) else {
            return;
        };
        if lease.connection.wants_to_send() && !lease.watches_room {
            lease.watches_room = true;
            let token = self.table.tokens.token(place);
            let stream = lease.connection.stream();
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.registry.reregister(stream, token, interest) {
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
        self.tell_acceptor();
    }
}
