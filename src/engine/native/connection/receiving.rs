//! The way in: bytes to whole requests.

use super::{Connection, Context, Next, State, Stream};
use crate::{
    engine::{
        http1::{self, Chunks, Progress, Refusal},
        memory::Share,
        outgoing::Outgoing,
        pace::Pace,
        rules::Rules,
    },
    message::{
        head::BodyLength,
        request::{Request, RequestBody},
    },
};
use std::{io::ErrorKind, mem};

/// Requests up to this size are served even where all memory for requests is used up, so that probes are.
const ALWAYS_SERVED: usize = 1024;

impl<S: Stream> Connection<S> {
    /// Looks for a whole request in the input. Whatever is read of a body is taken out of the raw bytes here.
    pub(super) fn parse(&mut self, context: &Context<'_>) -> Result<bool, Refusal> {
        if !self.has_input() {
            return Ok(false);
        }
        self.account(context.rules)?;
        let Some(input) = &mut self.input else {
            return Ok(false);
        };
        if matches!(self.state, State::Fresh(_) | State::Idle) {
            if matches!(self.state, State::Idle) && http1::is_blank(&input.bytes) {
                // Some clients end a body with a CRLF of their own (RFC 9112 section 2.2): no request has begun.
                self.blank = input.bytes.len() as u8;
                input.bytes.clear();
                return Ok(false);
            }
            input.peer = Some(self.peer);
            self.state = State::Head(0);
        }
        if let State::Head(scanned) = self.state {
            let progress = http1::read_head(
                &input.bytes,
                scanned,
                &context.rules.limits,
                &mut input.head,
            )?;
            let len = match progress {
                Progress::Partial { scanned: len } => {
                    if scanned == 0 {
                        self.deadline = context.now + context.rules.live.head_timeout.get();
                        self.pace = Pace::begin(context.now);
                    }
                    self.state = State::Head(len);
                    return Ok(false);
                }
                Progress::Complete { len } => len,
            };
            self.consumed = len;
            input.received = Some(context.now);
            let length = input.head.body;
            if length == BodyLength::Known(0) {
                return Ok(true);
            }
            let (limit, flows) = context.rules.body_terms(input.method(), input.path());
            match length {
                BodyLength::Known(body) if body > limit => return Err(Refusal::BODY_TOO_LONG),
                _ if flows => {
                    self.expect_flow(limit, context.now);
                    return Ok(true);
                }
                BodyLength::Known(body) => self.state = State::Body(len + body as usize),
                BodyLength::Chunked => {
                    let chunks = Chunks::new(limit);
                    input.body = RequestBody::Own(Vec::new());
                    self.state = State::Chunked(chunks, len);
                }
            }
            self.deadline = context.now + context.rules.live.body_timeout.get();
            self.pace = Pace::begin(context.now);
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

    pub(super) fn read(&mut self, context: &mut Context<'_>) -> Option<Next> {
        if self.send_interim().is_err() {
            return Some(Next::Close);
        }
        if !self.may_be_readable {
            return Some(Next::Wait);
        }
        if context.turn == 0 {
            return Some(Next::More);
        }
        match self.receive(context.scratch) {
            Ok(count) => {
                context.turn = context.turn.saturating_sub(count);
                self.may_be_readable = count == context.scratch.len() || self.client_has_closed;
                self.take_in(count, context);
                None
            }
            Err(next) => Some(next),
        }
    }

    /// Reads into the scratch buffer. Where nothing came, the error is what to do next.
    pub(super) fn receive(&mut self, scratch: &mut [u8]) -> Result<usize, Next> {
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
        if self.is_receiving() {
            self.pace
                .note(count, context.now, context.rules.min_body_rate);
        }
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

    /// Accounts for what has arrived, and refuses what there is no memory for. A request that is alone is served
    /// whatever the share says: it is within the limits on heads and bodies, and would be refused each time it comes.
    fn account(&mut self, rules: &Rules) -> Result<(), Refusal> {
        let requests = &rules.memory.requests;
        let holds = self.request_holds();
        let fits = requests.settle(&mut self.charged_request, holds)
            || self.fits_without_reserve(requests);
        let size = |input: &Request| input.bytes.len() + input.body().len();
        if fits
            || self.input.as_deref().map_or(0, size) <= ALWAYS_SERVED
            || requests.is_all(self.charged_request)
        {
            return Ok(());
        }
        Err(Refusal::NO_MEMORY)
    }

    /// Gives back what the buffers hold ahead of need, and says whether that was enough: a chunked body, whose length
    /// nobody knows, may hold twice what has come.
    #[cold]
    fn fits_without_reserve(&mut self, requests: &Share) -> bool {
        if let Some(input) = &mut self.input {
            input.bytes.shrink_to_fit();
            if let RequestBody::Own(body) = &mut input.body {
                body.shrink_to_fit();
            }
        }
        let holds = self.request_holds();
        requests.settle(&mut self.charged_request, holds);
        !requests.is_exceeded()
    }
}
