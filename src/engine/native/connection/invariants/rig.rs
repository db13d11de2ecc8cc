//! A connection with all that is around it in memory: its client, its clock, and an owner that does for it what the
//! reactor and the pool do.

use super::{
    super::{Connection, Context, Next, State},
    outlet::RigOutlet,
    wire::{End, Wire},
};
use crate::{
    engine::{native::buffer_pool::BufferPool, rules::Rules},
    message::{request::Request, response::Response},
};
use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

thread_local! {
    /// This thread drives a connection, and has no time for anything of a handler's.
    static IS_DRIVING: Cell<bool> = const { Cell::new(false) };
    static WAS_DELAYED: Cell<bool> = const { Cell::new(false) };
}

/// For what is a handler's, to be called wherever it runs: it must never be where connections are driven.
pub(crate) fn run_handlers_own() {
    WAS_DELAYED.set(WAS_DELAYED.get() || IS_DRIVING.get());
}

/// Who owns the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Reactor,
    /// A worker, with a request to answer.
    Handler,
    /// A worker, with a stream to go on with.
    Streamer,
    /// A worker, with a piece of a body that flows.
    Taker,
    Nobody,
}

pub(crate) struct Rig {
    pub(crate) connection: Connection<Wire>,
    pub(crate) rules: Rc<Rules>,
    pub(crate) now: Instant,
    pub(crate) owner: Owner,
    scratch: Vec<u8>,
    pub(crate) buffers: BufferPool,
    /// How much of a turn is one.
    pub(crate) turn: usize,
    /// How many turns it has had.
    pub(crate) turns: usize,
    /// Of the response that is pushed.
    pub(crate) outlet: Arc<RigOutlet>,
    /// What happened while the connection was away.
    has_event: bool,
    client_has_closed: bool,
}

impl Rig {
    /// A new connection, whose client takes everything, read in pieces of at most `scratch` bytes.
    pub(crate) fn new(rules: &Rc<Rules>, scratch: usize) -> Rig {
        let now = Instant::now();
        let peer = ([192, 0, 2, 1], 80).into();
        Rig {
            connection: Connection::new(
                Wire::wide(),
                peer,
                now,
                rules.live.keep_alive_timeout.get(),
            ),
            rules: Rc::clone(rules),
            now,
            owner: Owner::Reactor,
            scratch: vec![b'x'; scratch],
            buffers: BufferPool::default(),
            turn: 128 * 1024,
            turns: 0,
            outlet: RigOutlet::new(16 * 1024),
            has_event: false,
            client_has_closed: false,
        }
    }

    pub(crate) fn wire(&mut self) -> &mut Wire {
        self.connection.stream()
    }

    /// The client sends.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Next {
        self.arrive(bytes);
        self.has_event = true;
        self.go_on()
    }

    /// Bytes arrive in the socket, and the process does not run, so that nothing tells of them.
    pub(crate) fn arrive(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire().incoming.extend(bytes.as_ref());
    }

    /// The client reads, and nothing tells of it.
    pub(crate) fn take_unseen(&mut self, bytes: usize) {
        let wire = self.wire();
        wire.room = wire.room.saturating_add(bytes);
    }

    /// The client leaves.
    pub(crate) fn leave(&mut self, end: End) -> Next {
        self.wire().end = Some(end);
        (self.has_event, self.client_has_closed) = (true, true);
        self.go_on()
    }

    /// The client reads.
    pub(crate) fn take(&mut self, bytes: usize) -> Next {
        self.take_unseen(bytes);
        if self.connection.wants_to_send() {
            return self.go_on();
        }
        Next::Wait
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: Duration) -> Next {
        self.now += time;
        if self.owner != Owner::Reactor || self.now < self.connection.deadline {
            return Next::Wait;
        }
        let lingers = matches!(self.connection.state, State::Lingering(_));
        let mut next = self.step(Connection::time_out);
        if next == Next::Wait && self.now >= self.connection.deadline {
            // More was there than one turn takes, so that it was not seen what is missing.
            next = self.step(Connection::time_out);
            let is_due = self.now >= self.connection.deadline;
            assert!(next != Next::Wait || !is_due, "due for ever");
        }
        let wire = self.wire();
        let is_read = wire.incoming.is_empty() || wire.is_flooded;
        assert!(
            next != Next::Close || is_read || wire.aborts() || lingers,
            "closed, and what had arrived is not even read"
        );
        next
    }

    /// Time passes until something is due.
    pub(crate) fn pass_until_due(&mut self) -> Next {
        self.pass(self.connection.deadline.saturating_duration_since(self.now))
    }

    /// A worker answers.
    pub(crate) fn respond(&mut self, response: Response, close: bool) -> Next {
        assert_eq!(self.owner, Owner::Handler, "a request is out");
        let outlet = Arc::clone(&self.outlet);
        self.connection
            .respond(response, close, self.now, &self.rules, Some(outlet));
        self.come_home()
    }

    /// Somebody may have pushed more of the response.
    pub(crate) fn hear(&mut self) -> Next {
        if self.owner == Owner::Reactor && self.outlet.take_news() {
            self.connection.note_more();
            return self.step(Connection::advance);
        }
        Next::Wait
    }

    /// A worker goes on with a stream.
    pub(crate) fn pump(&mut self) -> Next {
        assert_eq!(self.owner, Owner::Streamer, "a stream is out");
        self.connection.pump(self.now, &self.rules);
        self.come_home()
    }

    /// Answers each request with what `handler` makes of it, and streams, until there is nothing to do.
    pub(crate) fn serve(&mut self, handler: &mut dyn FnMut(&Request) -> Response) -> Next {
        loop {
            match self.owner {
                Owner::Handler => {
                    let response = handler(self.connection.request());
                    self.respond(response, false);
                }
                Owner::Streamer => {
                    self.pump();
                }
                Owner::Taker => unreachable!("no body flows here"),
                Owner::Reactor => return Next::Wait,
                Owner::Nobody => return Next::Close,
            }
        }
    }

    /// A worker gives the request back, for want of memory for its response.
    pub(crate) fn put_back(&mut self) -> Next {
        assert_eq!(self.owner, Owner::Handler, "a request is out");
        self.come_home()
    }

    /// Memory is short: whoever is too slow goes. False where this client is not.
    pub(crate) fn relieve(&mut self) -> bool {
        let is_slow = self.connection.is_behind_since(self.now).is_some();
        if self.owner == Owner::Reactor && is_slow {
            self.step(|connection, context| {
                let moves = connection.look_once_more(context);
                moves.unwrap_or_else(|| connection.give_way(context))
            });
        }
        is_slow
    }

    /// A place is needed: whoever can be spared goes.
    pub(crate) fn need_place(&mut self) {
        let spared = self.connection.spared(self.now, &self.rules);
        if self.owner == Owner::Reactor && spared.is_some() {
            self.step(|connection, context| {
                let moves = connection.look_once_more(context);
                moves.unwrap_or_else(|| connection.make_way())
            });
        }
    }

    pub(super) fn come_home(&mut self) -> Next {
        drop(std::mem::take(&mut self.connection.discarded));
        if self.connection.is_closed() {
            return self.end();
        }
        self.owner = Owner::Reactor;
        self.go_on()
    }

    fn go_on(&mut self) -> Next {
        if self.owner != Owner::Reactor {
            return Next::Wait;
        }
        self.connection.may_be_readable |= std::mem::take(&mut self.has_event);
        self.connection.client_has_closed |= std::mem::take(&mut self.client_has_closed);
        if self.outlet.take_news() {
            self.connection.note_more();
        }
        self.step(Connection::advance)
    }

    fn step(&mut self, step: fn(&mut Connection<Wire>, &mut Context<'_>) -> Next) -> Next {
        let mut next = self.take_turn(step);
        if next == Next::NoMemory {
            next = self.take_turn(Connection::advance_or_refuse);
        }
        // There is nobody else who would have a turn.
        while next == Next::More && !self.wire().is_flooded {
            next = self.take_turn(Connection::advance);
            if next == Next::NoMemory {
                next = self.take_turn(Connection::advance_or_refuse);
            }
        }
        match next {
            Next::Wait => self.check_wait(),
            Next::More => {}
            Next::NoMemory => panic!("neither takes nor refuses what has arrived"),
            Next::Request => self.owner = Owner::Handler,
            Next::Stream => self.owner = Owner::Streamer,
            Next::Piece => self.owner = Owner::Taker,
            Next::Close => return self.end(),
        }
        let connection = &self.connection;
        assert_eq!(connection.charged_request, connection.request_holds());
        assert_eq!(connection.charged_response, connection.response_holds());
        next
    }

    fn take_turn(&mut self, turn: fn(&mut Connection<Wire>, &mut Context<'_>) -> Next) -> Next {
        let mut context = Context {
            now: self.now,
            rules: &self.rules,
            scratch: &mut self.scratch,
            buffers: &mut self.buffers,
            turn: self.turn,
        };
        let received = self.connection.stream.received;
        self.turns += 1;
        IS_DRIVING.set(true);
        let next = turn(&mut self.connection, &mut context);
        IS_DRIVING.set(false);
        let received = self.connection.stream.received - received;
        assert!(
            received <= self.turn + self.scratch.len(),
            "reads on when its turn is over"
        );
        drop(std::mem::take(&mut self.connection.discarded));
        assert!(!WAS_DELAYED.take(), "runs what is a handler's");
        next
    }

    fn end(&mut self) -> Next {
        self.owner = Owner::Nobody;
        IS_DRIVING.set(true);
        self.connection.release(&self.rules);
        IS_DRIVING.set(false);
        drop(std::mem::take(&mut self.connection.discarded));
        assert!(!WAS_DELAYED.take(), "runs what is a handler's");
        assert_eq!(self.connection.request_holds(), 0);
        assert_eq!(self.connection.response_holds(), 0);
        Next::Close
    }

    /// What must hold of a connection that waits.
    fn check_wait(&self) {
        let connection = &self.connection;
        let longest = [
            self.rules.live.head_timeout.get(),
            self.rules.live.body_timeout.get(),
            self.rules.live.write_timeout.get(),
            self.rules.live.keep_alive_timeout.get(),
        ];
        let longest = longest.into_iter().max().unwrap_or_default();
        // A stream's reader took some time of its own.
        let first_byte_timeout = longest + Duration::from_secs(5);
        assert!(
            connection.deadline <= self.now + first_byte_timeout,
            "waits for ever"
        );
        let rests = matches!(
            connection.state,
            State::Fresh(_) | State::Idle | State::Lingering(_)
        );
        if rests {
            assert!(connection.input.is_none() && connection.outgoing.is_none());
            assert_eq!(connection.charged_request, 0, "charged for nothing");
            assert_eq!(connection.charged_response, 0, "charged for nothing");
        }
    }
}
