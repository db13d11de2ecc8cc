//! One connection's state machine: bytes in, whole requests out; responses in, bytes out.
//!
//! It knows nothing of polling or threads and takes its stream, its clock and its limits from outside, so that tests
//! and fuzzing drive it over bytes in memory. All calls are for whoever owns the connection at the moment: the
//! reactor while it reads and waits, a worker while it runs the handler and writes the response.

mod sending;

use super::{buffer_pool::BufferPool, outgoing::Outgoing};
use crate::{
    engine::{
        http1::{self, Chunks, Progress, Refusal},
        memory::ALWAYS_SERVED,
        rules::Rules,
    },
    message::{
        head::BodyLength,
        request::{Request, RequestBody},
    },
};
use http::StatusCode;
use std::{
    io::{ErrorKind, Read, Write},
    mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

const NO_MEMORY: Refusal =
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no memory for the request");

const TOO_SLOW: Refusal = Refusal::new(
    StatusCode::REQUEST_TIMEOUT,
    "the request took too long to arrive",
);

/// What the driving thread lends a connection for a step.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) rules: &'a Rules,
    /// Everything is read into it first, so that a connection's own memory grows by what arrived and nothing else.
    pub(crate) scratch: &'a mut [u8],
    /// Requests without a connection, for their memory.
    pub(crate) buffers: &'a mut BufferPool,
}

/// A socket, or what stands in for one.
pub(crate) trait Stream: Read + Write {
    /// Says that nothing more will be sent.
    fn close_sending(&self);

    /// Makes the close that follows a visible abort (a reset), or an ordinary one again.
    fn abort_on_close(&self, abort: bool);
}

enum State {
    /// Accepted, and not a byte has come.
    Fresh,
    /// Between two requests.
    Idle,
    /// A head is arriving.
    Head,
    /// A body of known length is arriving: the request ends at this offset of the input.
    Body(usize),
    /// A chunked body is arriving behind a head of this length.
    Chunked(Chunks, usize),
    /// The request is with the pool.
    Handling,
    /// The response is being sent.
    Sending,
    /// Refused and half closed; what still comes is thrown away.
    Lingering,
    Closed,
}

/// What the owner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait until the stream is readable, or writable where [`Connection::wants_to_send`], or the deadline.
    Wait,
    /// Hand the request to the pool.
    Request,
    /// Hand the stream's reader to the pool: the client has room for more of the response.
    Stream,
    Close,
}

pub(crate) struct Connection<S> {
    stream: S,
    peer: SocketAddr,
    pub(crate) accepted: Instant,
    state: State,
    /// When the state has lasted too long.
    pub(crate) deadline: Instant,
    /// None while nothing of a request is there: an idle connection holds no buffer.
    input: Option<Box<Request>>,
    /// So many bytes of empty lines have come since the last request.
    blank: u8,
    /// How much of a partial head has been looked through.
    scanned: usize,
    /// Where the current request ends in the input, and a pipelined one begins.
    consumed: usize,
    /// A response, or while the body of a request arrives, a `100 Continue` that the client has not taken yet.
    outgoing: Option<Outgoing>,
    /// Sent of the response since the deadline was set.
    progress: usize,
    /// The stream may be readable: nothing has said otherwise yet.
    pub(crate) may_be_readable: bool,
    /// The client has closed its side: a short read does not mean that all has been read.
    pub(crate) client_has_closed: bool,
    close_after: bool,
    /// A response was sent to its end, of which the owner has not taken note yet; a refusal of the engine's is none.
    was_answered: bool,
    pub(crate) is_reserve: bool,
    charged: usize,
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
            accepted: now,
            state: State::Fresh,
            deadline: now + first_byte_timeout,
            input: None,
            blank: 0,
            scanned: 0,
            consumed: 0,
            outgoing: None,
            progress: 0,
            may_be_readable: false,
            client_has_closed: false,
            close_after: false,
            was_answered: false,
            is_reserve: false,
            charged: 0,
        }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The request that the pool is to answer.
    pub(crate) fn request(&mut self) -> &mut Request {
        self.input.get_or_insert_default()
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self.state, State::Fresh)
    }

    pub(crate) fn is_receiving(&self) -> bool {
        matches!(
            self.state,
            State::Head | State::Body(_) | State::Chunked(..)
        )
    }

    pub(crate) fn wants_to_send(&self) -> bool {
        self.outgoing.is_some()
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
        self.may_be_readable
            || self
                .input
                .as_ref()
                .is_some_and(|input| !input.bytes.is_empty())
    }

    /// Reads, parses and sends as far as the stream allows.
    pub(crate) fn advance(&mut self, context: &mut Context<'_>) -> Next {
        loop {
            let step = match self.state {
                State::Handling => Some(Next::Wait),
                State::Closed => Some(Next::Close),
                State::Sending => self.go_on_sending(context),
                State::Lingering => Some(self.throw_away(context)),
                State::Fresh | State::Idle | State::Head | State::Body(_) | State::Chunked(..) => {
                    match self.parse(context) {
                        Ok(false) => self.read(context),
                        Ok(true) => {
                            self.state = State::Handling;
                            Some(Next::Request)
                        }
                        Err(refusal) => self.refuse(refusal, context),
                    }
                }
            };
            if let Some(next) = step {
                self.settle(context);
                return next;
            }
        }
    }

    /// Looks for a whole request in the input. Whatever is read of a body is taken out of the raw bytes here.
    fn parse(&mut self, context: &Context<'_>) -> Result<bool, Refusal> {
        self.account(context.rules)?;
        let Some(input) = self.input.as_mut().filter(|input| !input.bytes.is_empty()) else {
            return Ok(false);
        };
        if matches!(self.state, State::Fresh | State::Idle) {
            if matches!(self.state, State::Idle) && http1::is_blank(&input.bytes) {
                // Some clients end a body with a CRLF of their own (RFC 9112 section 2.2): no request has begun.
                self.blank = input.bytes.len() as u8;
                input.bytes.clear();
                return Ok(false);
            }
            input.peer = Some(self.peer);
            self.state = State::Head;
            self.deadline = context.now + context.rules.head_timeout;
        }
        if matches!(self.state, State::Head) {
            let progress = http1::read_head(
                &input.bytes,
                self.scanned,
                &context.rules.limits,
                &mut input.head,
            )?;
            let len = match progress {
                Progress::Partial { scanned } => {
                    self.scanned = scanned;
                    return Ok(false);
                }
                Progress::Complete { len } => len,
            };
            self.scanned = 0;
            self.consumed = len;
            match input.head.body {
                BodyLength::Known(0) => return Ok(true),
                BodyLength::Known(body) => self.state = State::Body(len + body as usize),
                BodyLength::Chunked => {
                    input.body = RequestBody::Own(Vec::new());
                    self.state =
                        State::Chunked(Chunks::new(context.rules.limits.max_body_bytes), len);
                }
            }
            self.deadline = context.now + context.rules.body_timeout;
            if input.head.expect_continue && input.bytes.len() == len {
                self.outgoing = Some(Outgoing::interim());
            }
        }
        match &mut self.state {
            State::Body(end) if input.bytes.len() >= *end => {
                let start = self.consumed;
                input.body = RequestBody::Behind {
                    start,
                    len: *end - start,
                };
                self.consumed = *end;
                Ok(true)
            }
            State::Chunked(chunks, head_len) => {
                let RequestBody::Own(body) = &mut input.body else {
                    unreachable!("set with the state")
                };
                let (used, done) = chunks.decode(&input.bytes[*head_len..], body)?;
                input.bytes.drain(*head_len..*head_len + used);
                self.account(context.rules)?;
                Ok(done)
            }
            _ => Ok(false),
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Option<Next> {
        if self.send_interim().is_err() {
            return Some(Next::Close);
        }
        if !self.may_be_readable {
            return Some(Next::Wait);
        }
        match self.receive(context.scratch) {
            Ok(count) => {
                self.may_be_readable = count == context.scratch.len() || self.client_has_closed;
                self.take_in(count, context);
                None
            }
            Err(next) => Some(next),
        }
    }

    /// Reads into the scratch buffer. Where nothing came, the error is what to do next.
    fn receive(&mut self, scratch: &mut [u8]) -> Result<usize, Next> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Next::Close),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.may_be_readable = false;
                    return Err(Next::Wait);
                }
                Err(_) => return Err(Next::Close),
            }
        }
    }

    fn take_in(&mut self, count: usize, context: &mut Context<'_>) {
        let input = self.input.get_or_insert_with(|| context.buffers.take());
        let blank = mem::take(&mut self.blank);
        input
            .bytes
            .extend(b"\r\n".iter().cycle().take(blank.into()));
        if let State::Body(end) = self.state {
            // Doubling would hold up to twice a large body; the declared length is not believed either.
            let missing = end - input.bytes.len().min(end);
            let step = input.bytes.len().max(context.scratch.len());
            if input.bytes.capacity() - input.bytes.len() < count {
                input.bytes.reserve_exact(missing.min(step).max(count));
            }
        }
        input.bytes.extend_from_slice(&context.scratch[..count]);
    }

    /// Accounts for what has arrived, and refuses what there is no memory for.
    fn account(&mut self, rules: &Rules) -> Result<(), Refusal> {
        let holds = self.holds();
        let fits = rules.memory.settle(&mut self.charged, holds);
        let size = |input: &Request| input.bytes.len() + input.body().len();
        if fits || self.input.as_deref().map_or(0, size) <= ALWAYS_SERVED {
            return Ok(());
        }
        Err(NO_MEMORY)
    }

    /// The deadline has come.
    pub(crate) fn time_out(&mut self, context: &mut Context<'_>) -> Next {
        match self.state {
            State::Handling => Next::Wait,
            State::Head | State::Body(_) | State::Chunked(..) => {
                self.refuse(TOO_SLOW, context);
                self.advance(context)
            }
            State::Sending => self.abort(),
            State::Fresh | State::Idle | State::Lingering | State::Closed => Next::Close,
        }
    }

    /// Lets go of memory that is not needed, and accounts for the rest.
    fn settle(&mut self, context: &mut Context<'_>) {
        let rests = matches!(
            self.state,
            State::Idle | State::Fresh | State::Lingering | State::Closed
        );
        if rests && let Some(input) = self.input.take() {
            context.buffers.keep(input);
        }
        let holds = self.holds();
        context.rules.memory.settle(&mut self.charged, holds);
    }

    /// How many bytes of memory its buffers hold.
    fn holds(&self) -> usize {
        let input = self.input.as_ref().map_or(0, |input| input.holds());
        input + self.outgoing.as_ref().map_or(0, Outgoing::holds)
    }

    /// How many bytes of `BUFFER_MEMORY` it is charged for.
    pub(crate) fn charged(&self) -> usize {
        self.charged
    }

    /// Gives back what it was charged for, before it is dropped.
    pub(crate) fn release(&mut self, rules: &Rules) {
        rules.memory.settle(&mut self.charged, 0);
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod invariants;
#[cfg(test)]
mod tests;
