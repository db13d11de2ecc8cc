//! One connection's state machine: bytes in, whole requests out; responses in, bytes out.
//!
//! It knows nothing of polling or threads and takes its stream, its clock and its limits from outside, so that tests
//! and fuzzing drive it over bytes in memory. All calls are for whoever owns the connection at the moment: the
//! reactor while it reads and waits, a worker while it runs the handler and writes the response.

mod flow;
mod flowing;
mod pushed;
mod receiving;
mod sending;
mod telling;
pub(crate) mod waiting;

use super::buffer_pool::BufferPool;
use crate::{
    engine::{
        discarded::{Discarded, MUCH_MEMORY},
        http1::{Chunks, Refusal},
        lifetime::Past,
        occupancy::Closed,
        outgoing::{More, Outgoing},
        pace::Pace,
        rules::Rules,
    },
    message::{head::Version, request::Request},
};
use flow::Behind;
use http::Method;
use std::{
    io::{Read, Write},
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// What the driving thread lends a connection for a step.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) rules: &'a Rules,
    /// Everything is read into it first, so that a connection's own memory grows by what arrived and nothing else.
    pub(crate) scratch: &'a mut [u8],
    /// Requests without a connection, for their memory.
    pub(crate) buffers: &'a mut BufferPool,
    /// How many bytes it may still read or send before it is the others' turn, or little more: a client that is as fast
    /// as this thread would keep it.
    pub(crate) turn: usize,
}

/// A socket, or what stands in for one.
pub(crate) trait Stream: Read + Write {
    /// Says that nothing more will be sent.
    fn close_sending(&self);

    /// Makes the close that follows a visible abort (a reset), or an ordinary one again.
    fn abort_on_close(&self, abort: bool);

    /// Whether a good part of what was sent has been taken, so that poll(2) would say that there is room for more.
    fn has_room(&self) -> bool;
}

enum State {
    /// Accepted then, and not a byte has come.
    Fresh(Instant),
    /// Between two requests.
    Idle,
    /// A head is arriving, of which so many bytes have been looked through.
    Head(usize),
    /// A body of known length is arriving: the request ends at this offset of the input.
    Body(usize),
    /// A chunked body is arriving behind a head of this length.
    Chunked(Chunks, usize),
    /// The request is with the pool.
    Handling,
    /// A body arrives that goes to the pool piece by piece.
    Flowing,
    /// The response is being sent.
    Sending,
    /// Answered for the last time and half closed; what still comes is thrown away, until this time at most.
    Lingering(Instant),
    Closed,
}

/// What the owner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait until the stream is readable, or writable where [`Connection::wants_to_send`], or the deadline.
    Wait,
    /// Its turn is over: [`advance`](Connection::advance) it again when the others have had theirs.
    More,
    /// There is no memory for what has arrived: make room for it, if that can be, and then
    /// [`advance_or_refuse`](Connection::advance_or_refuse).
    NoMemory,
    /// Hand the request to the pool.
    Request,
    /// Hand the stream's reader to the pool: the client has room for more of the response.
    Stream,
    /// Hand the piece that has arrived of a body to the pool.
    Piece,
    Close,
}

/// What the answer to a request depends on.
#[derive(Clone, Copy, Default)]
struct Asked {
    is_head: bool,
    version: Version,
    keep_alive: bool,
}

pub(crate) struct Connection<S> {
    stream: S,
    peer: SocketAddr,
    /// Where that bounds how long it lives.
    pub(crate) past: Option<Box<Past>>,
    state: State,
    /// When the state has lasted too long.
    pub(crate) deadline: Instant,
    /// None while nothing of a request is there: an idle connection holds no buffer.
    input: Option<Box<Request>>,
    /// So many bytes of empty lines have come since the last request.
    blank: u8,
    /// Where the current request ends in the input; 0 once it was handed out.
    consumed: usize,
    /// Of the request that was handed out, for its answer: a layer may do what it likes to the request itself.
    asked: Asked,
    /// None where there is nothing of it.
    behind: Option<Box<Behind>>,
    /// A response, or while the body of a request arrives, a `100 Continue` that the client has not taken yet.
    outgoing: Option<Outgoing>,
    /// Of a response that is pushed.
    more: More,
    /// Sent of the response since the deadline was set.
    progress: usize,
    /// Of a request that arrives, or a response that is sent.
    pace: Pace,
    /// The stream may be readable: nothing has said otherwise yet.
    pub(crate) may_be_readable: bool,
    /// The client has closed its side: a short read does not mean that all has been read.
    pub(crate) client_has_closed: bool,
    close_after: bool,
    /// A response was sent to its end, of which the owner has not taken note yet; a refusal of the engine's is none.
    was_answered: bool,
    /// Why it ends, once it is to; without a reason, its client has ended it.
    ending: Option<Closed>,
    pub(crate) is_reserve: bool,
    /// What it is charged for of either share of `BUFFER_MEMORY`.
    charged_request: usize,
    charged_response: usize,
    /// For the owner, to be dropped where that harms nobody.
    pub(crate) discarded: Vec<Discarded>,
}

impl<S: Stream> Connection<S> {
    /// A connection whose first byte must come within `first_byte_timeout`.
    pub(crate) fn new(
        stream: S,
        peer: SocketAddr,
        now: Instant,
        first_byte_timeout: Duration,
    ) -> Connection<S> {
        Connection {
            stream,
            peer,
            past: None,
            state: State::Fresh(now),
            deadline: now + first_byte_timeout,
            input: None,
            blank: 0,
            consumed: 0,
            asked: Asked::default(),
            behind: None,
            outgoing: None,
            more: More::Unasked,
            progress: 0,
            pace: Pace::begin(now),
            may_be_readable: false,
            client_has_closed: false,
            close_after: false,
            was_answered: false,
            ending: None,
            is_reserve: false,
            charged_request: 0,
            charged_response: 0,
            discarded: Vec::new(),
        }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(crate) fn socket(&self) -> &S {
        &self.stream
    }

    /// The request that the pool is to answer.
    pub(crate) fn request(&mut self) -> &mut Request {
        self.input.get_or_insert_default()
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self.state, State::Fresh(_))
    }

    pub(crate) fn is_receiving(&self) -> bool {
        matches!(
            self.state,
            State::Head(_) | State::Body(_) | State::Chunked(..) | State::Flowing | State::Handling
        )
    }

    pub(crate) fn wants_to_send(&self) -> bool {
        self.outgoing.is_some() && !self.awaits_more()
    }

    pub(crate) fn is_answering(&self) -> bool {
        matches!(self.state, State::Sending)
    }

    /// Whether a response was sent to its end since this was last asked.
    pub(crate) fn take_answered(&mut self) -> bool {
        mem::take(&mut self.was_answered)
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether the owner has something to do with it before the next event: bytes of another request are here, or
    /// may be.
    pub(crate) fn has_more(&self) -> bool {
        self.may_be_readable || self.has_input()
    }

    fn has_input(&self) -> bool {
        let input = self.input.as_ref();
        input.is_some_and(|input| !input.bytes.is_empty())
    }

    /// Reads, parses and sends as far as the stream allows, for one turn at most.
    pub(crate) fn advance(&mut self, context: &mut Context<'_>) -> Next {
        self.take_turn(context, false)
    }

    /// Goes on after [`Next::NoMemory`]: what there is still no memory for is refused.
    pub(crate) fn advance_or_refuse(&mut self, context: &mut Context<'_>) -> Next {
        if context.rules.memory.requests.is_exceeded() {
            self.refuse(Refusal::NO_MEMORY, context);
        }
        self.take_turn(context, true)
    }

    fn take_turn(&mut self, context: &mut Context<'_>, is_last_resort: bool) -> Next {
        loop {
            let step = match self.state {
                // The pool has given it back unanswered.
                State::Handling => Some(Next::Request),
                State::Closed => Some(Next::Close),
                State::Sending => self.go_on_sending(context),
                State::Flowing => Some(self.go_on_flowing(context)),
                State::Lingering(until) => Some(self.throw_away(until, context)),
                State::Fresh(_)
                | State::Idle
                | State::Head(_)
                | State::Body(_)
                | State::Chunked(..) => {
                    match self.parse(context) {
                        Ok(false) => self.read(context),
                        Ok(true) => {
                            self.hand_out();
                            self.settle_charges(context.rules);
                            return Next::Request;
                        }
                        // As it is, to be tried again.
                        Err(Refusal::NO_MEMORY) if !is_last_resort => return Next::NoMemory,
                        Err(refusal) => self.refuse(refusal, context),
                    }
                }
            };
            if let Some(next) = step {
                self.settle(context.buffers, context.rules);
                return next;
            }
        }
    }

    /// The request is whole. What must not depend on what becomes of it is taken out.
    fn hand_out(&mut self) {
        self.state = State::Handling;
        let consumed = mem::take(&mut self.consumed);
        if let Some(request) = &mut self.input {
            self.asked = Asked {
                is_head: request.head.method == Method::HEAD,
                version: request.head.version,
                keep_alive: request.head.keep_alive,
            };
            if request.bytes.len() > consumed {
                self.behind.get_or_insert_default().bytes = request.bytes.split_off(consumed);
            }
        }
    }

    /// Lets go of memory that is not needed, and accounts for the rest.
    pub(crate) fn settle(&mut self, buffers: &mut BufferPool, rules: &Rules) {
        let rests = matches!(
            self.state,
            State::Idle | State::Fresh(_) | State::Lingering(_) | State::Closed
        );
        if rests && let Some(mut input) = self.input.take() {
            self.discard_much_of(&mut input);
            // One that was answered is clear already.
            if !self.is_idle() {
                input.clear();
            }
            buffers.keep(input);
        }
        self.settle_charges(rules);
    }

    #[inline]
    fn settle_charges(&mut self, rules: &Rules) {
        let (request, response) = (self.request_holds(), self.response_holds());
        let memory = &rules.memory;
        memory.requests.settle(&mut self.charged_request, request);
        memory
            .responses
            .settle(&mut self.charged_response, response);
    }

    /// How many bytes of memory what has arrived takes.
    fn request_holds(&self) -> usize {
        let input = self.input.as_ref().map_or(0, |input| input.holds());
        input
            + self
                .behind
                .as_ref()
                .map_or(0, |behind| behind.bytes.capacity())
    }

    /// How many bytes of memory what is to be sent takes.
    fn response_holds(&self) -> usize {
        self.outgoing.as_ref().map_or(0, Outgoing::holds)
    }

    /// How many bytes of the requests' share it is charged for.
    pub(crate) fn charged_request(&self) -> usize {
        self.charged_request
    }

    /// How many bytes of the responses' share it is charged for.
    pub(crate) fn charged_response(&self) -> usize {
        self.charged_response
    }

    /// Gives back all that it holds and counts as ended, before it is dropped.
    pub(crate) fn release(&mut self, rules: &Rules) {
        self.let_go_of_request();
        self.let_go_of_response();
        self.settle_charges(rules);
        rules.closed.count(self.ending.unwrap_or(Closed::Client));
    }

    fn let_go_of_request(&mut self) {
        self.let_go_of_flow();
        self.behind = None;
        if let Some(mut input) = self.input.take() {
            self.discard_much_of(&mut input);
        }
    }

    fn discard_much_of(&mut self, request: &mut Request) {
        if request.holds() > MUCH_MEMORY {
            self.discarded.extend(Discarded::of_request(request));
        }
    }

    fn let_go_of_response(&mut self) {
        if let Some(outgoing) = &mut self.outgoing {
            self.discarded.extend(outgoing.take_apart());
            self.outgoing = None;
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
#[cfg(test)]
mod tests;
