//! One connection's state machine: bytes in, whole requests out; responses in, bytes out.
//!
//! It knows nothing of polling or threads and takes its stream, its clock and its limits from outside, so that tests
//! and fuzzing drive it over bytes in memory. All calls are for whoever owns the connection at the moment: the
//! reactor while it reads and waits, a worker while it runs the handler and writes the response.

mod sending;

use super::{
    http1::{self, BodyLength, CONTINUE, Chunks, Limits, Progress, Refusal, Version},
    memory::Memory,
    outgoing::Outgoing,
};
use crate::{
    request::{Request, RequestBody},
    response::Response,
};
use http::{Method, StatusCode};
use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Input buffers and bodies that have grown larger than this are not kept for other requests.
const SPARE_INPUT: usize = 4 * 1024;

/// What the connections of an engine have in common.
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    pub(crate) head_timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) memory: Memory,
}

/// What the driving thread lends a connection.
pub(crate) struct Bench<'a> {
    pub(crate) now: Instant,
    pub(crate) rules: &'a Rules,
    /// Everything is read into it first, so that a connection's own memory grows by what arrived and nothing else.
    pub(crate) scratch: &'a mut [u8],
    /// Requests without a connection, for their memory.
    #[expect(
        clippy::vec_box,
        reason = "the boxes move between here and connections"
    )]
    pub(crate) spare: &'a mut Vec<Box<Request>>,
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
    /// How much of a partial head has been looked through.
    scanned: usize,
    /// Where the current request ends in the input, and a pipelined one begins.
    consumed: usize,
    outgoing: Option<Outgoing>,
    /// Sent of the response since the deadline was set.
    progress: usize,
    /// The stream may be readable: nothing has said otherwise yet.
    pub(crate) may_be_readable: bool,
    /// The client has closed its side: a short read does not mean that all has been read.
    pub(crate) client_has_closed: bool,
    close_after: bool,
    pub(crate) is_reserve: bool,
    charged: usize,
}

impl<S: Stream> Connection<S> {
    /// A connection that has `patience` for its first byte.
    pub(crate) fn new(
        stream: S,
        peer: SocketAddr,
        now: Instant,
        patience: Duration,
    ) -> Connection<S> {
        Connection {
            stream,
            peer,
            accepted: now,
            state: State::Fresh,
            deadline: now + patience,
            input: None,
            scanned: 0,
            consumed: 0,
            outgoing: None,
            progress: 0,
            may_be_readable: false,
            client_has_closed: false,
            close_after: false,
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
        matches!(self.state, State::Sending)
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
    pub(crate) fn advance(&mut self, bench: &mut Bench<'_>) -> Next {
        loop {
            let step = match self.state {
                State::Handling => Some(Next::Wait),
                State::Closed => Some(Next::Close),
                State::Sending => self.go_on_sending(bench),
                State::Lingering => self.throw_away(bench),
                State::Fresh | State::Idle | State::Head | State::Body(_) | State::Chunked(..) => {
                    match self.parse(bench) {
                        Ok(false) => self.read(bench),
                        Ok(true) => {
                            self.state = State::Handling;
                            Some(Next::Request)
                        }
                        Err(refusal) => {
                            self.refuse(refusal, bench);
                            None
                        }
                    }
                }
            };
            if let Some(next) = step {
                self.settle(bench);
                return next;
            }
        }
    }

    /// Looks for a whole request in the input. Whatever is read of a body is taken out of the raw bytes here.
    fn parse(&mut self, bench: &Bench<'_>) -> Result<bool, Refusal> {
        let Some(input) = self.input.as_mut().filter(|input| !input.bytes.is_empty()) else {
            return Ok(false);
        };
        if matches!(self.state, State::Fresh | State::Idle) {
            input.peer = Some(self.peer);
            self.state = State::Head;
            self.deadline = bench.now + bench.rules.head_timeout;
        }
        if matches!(self.state, State::Head) {
            let progress = http1::read_head(
                &input.bytes,
                self.scanned,
                &bench.rules.limits,
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
                        State::Chunked(Chunks::new(bench.rules.limits.max_body_bytes), len);
                }
            }
            self.deadline = bench.now + bench.rules.body_timeout;
            if input.head.expect_continue && input.bytes.len() == len {
                // Ten octets of status line fit an empty socket buffer; a client that does not take them waits for
                // no answer, and its body is what comes next.
                let _ = self.stream.write(CONTINUE);
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
                Ok(done)
            }
            _ => Ok(false),
        }
    }

    fn read(&mut self, bench: &mut Bench<'_>) -> Option<Next> {
        if !self.may_be_readable {
            return Some(Next::Wait);
        }
        match self.stream.read(bench.scratch) {
            Ok(0) => Some(Next::Close),
            Ok(count) => {
                self.may_be_readable = count == bench.scratch.len() || self.client_has_closed;
                self.take_in(count, bench);
                None
            }
            Err(error) => self.after_read_error(error.kind()),
        }
    }

    fn take_in(&mut self, count: usize, bench: &mut Bench<'_>) {
        let input = self
            .input
            .get_or_insert_with(|| bench.spare.pop().unwrap_or_default());
        if let State::Body(end) = self.state {
            // Doubling would hold up to twice a large body; the declared length is not believed either.
            let missing = end - input.bytes.len().min(end);
            let step = input.bytes.len().max(bench.scratch.len());
            if input.bytes.capacity() - input.bytes.len() < count.min(missing) {
                input.bytes.reserve_exact(missing.min(step).max(count));
            }
        }
        input.bytes.extend_from_slice(&bench.scratch[..count]);
        if !bench.rules.memory.settle(&mut self.charged, input.holds()) {
            let reason = "BUFFER_MEMORY is used up";
            self.refuse(
                Refusal {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    reason,
                },
                bench,
            );
        }
    }

    fn after_read_error(&mut self, kind: ErrorKind) -> Option<Next> {
        match kind {
            ErrorKind::WouldBlock => {
                self.may_be_readable = false;
                Some(Next::Wait)
            }
            ErrorKind::Interrupted => None,
            _ => Some(Next::Close),
        }
    }

    fn throw_away(&mut self, bench: &mut Bench<'_>) -> Option<Next> {
        match self.stream.read(bench.scratch) {
            Ok(0) => Some(Next::Close),
            Ok(_) => None,
            Err(error) => self.after_read_error(error.kind()),
        }
    }

    /// Answers what is no request; the connection ends after it.
    fn refuse(&mut self, refusal: Refusal, bench: &Bench<'_>) {
        log::debug!(status = refusal.status.as_u16(), reason = refusal.reason, peer:% = self.peer; "request refused");
        let response = match refusal.status {
            StatusCode::SERVICE_UNAVAILABLE => Response::unavailable("overloaded"),
            status => Response::text(status, status.canonical_reason().unwrap_or("refused")),
        };
        self.consumed = usize::MAX;
        self.input = None;
        self.begin_sending(
            Outgoing::new(&Method::GET, Version::Http11, response, true),
            true,
            bench.now,
            bench.rules,
        );
        // What follows a refused head is no request, and it is what lingering is for.
        self.may_be_readable = true;
    }

    /// The deadline has come.
    pub(crate) fn time_out(&mut self, bench: &mut Bench<'_>) -> Next {
        match self.state {
            State::Handling => Next::Wait,
            State::Head | State::Body(_) | State::Chunked(..) => {
                let reason = "the client took too long to send it";
                self.refuse(
                    Refusal {
                        status: StatusCode::REQUEST_TIMEOUT,
                        reason,
                    },
                    bench,
                );
                self.advance(bench)
            }
            State::Sending => self.abort(),
            State::Fresh | State::Idle | State::Lingering | State::Closed => Next::Close,
        }
    }

    /// Lets go of memory that is not needed, and accounts for the rest.
    fn settle(&mut self, bench: &mut Bench<'_>) {
        let rests = matches!(
            self.state,
            State::Idle | State::Fresh | State::Lingering | State::Closed
        );
        if rests
            && let Some(mut input) = self.input.take()
            && input.holds() <= SPARE_INPUT
            && bench.spare.len() < bench.spare.capacity()
        {
            input.clear();
            bench.spare.push(input);
        }
        let holds = self.input.as_ref().map_or(0, |input| input.holds());
        let sending = self
            .outgoing
            .as_ref()
            .map_or(0, |outgoing| outgoing.holds());
        bench
            .rules
            .memory
            .settle(&mut self.charged, holds + sending);
    }

    /// Gives back what it was charged for, before it is dropped.
    pub(crate) fn release(&mut self, rules: &Rules) {
        rules.memory.settle(&mut self.charged, 0);
    }
}
