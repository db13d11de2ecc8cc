//! The way out: responses to bytes, and how a connection ends.

use super::{Bench, Connection, Next, Rules, State, Stream};
use crate::{
    engine::outgoing::{Outgoing, Sending},
    response::Response,
};
use std::time::{Duration, Instant};

/// How long a connection that was refused may go on sending what nobody reads: a close with unread bytes is a reset,
/// which would destroy the refusal on its way (RFC 9112 section 9.6).
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// A response must make at least this much progress in each `WRITE_TIMEOUT`, so that a client that takes one byte at
/// a time is cut off as one that takes none is.
const LEAST_PROGRESS: usize = 64 * 1024;

impl<S: Stream> Connection<S> {
    /// Starts to answer the current request. Returns what to do next: [`Next::Stream`] where the response's reader is
    /// to be read, which [`pump`](Connection::pump) does.
    pub(crate) fn respond(
        &mut self,
        mut response: Response,
        close: bool,
        now: Instant,
        rules: &Rules,
    ) -> Next {
        let request = self.input.get_or_insert_default();
        let close = close || !request.head.keep_alive;
        let large = response.body.in_memory_len();
        if large > LEAST_PROGRESS && !rules.memory.has_room(large) {
            response = Response::unavailable("overloaded");
        }
        let (method, version) = (&request.head.method, request.head.version);
        let outgoing = Outgoing::new(method, version, response, close);
        let close = close || outgoing.ends_with_connection;
        self.begin_sending(outgoing, close, now, rules);
        self.pump(now, rules)
    }

    pub(super) fn begin_sending(
        &mut self,
        outgoing: Outgoing,
        close: bool,
        now: Instant,
        rules: &Rules,
    ) {
        if outgoing.ends_with_connection {
            self.stream.abort_on_close(true);
        }
        self.outgoing = Some(outgoing);
        self.close_after = close;
        self.progress = 0;
        self.state = State::Sending;
        self.deadline = now + rules.write_timeout;
    }

    /// Sends, and reads the response's reader where there is one, on this thread, until the client takes no more.
    pub(crate) fn pump(&mut self, now: Instant, rules: &Rules) -> Next {
        loop {
            match self.send(now, rules) {
                Next::Stream => match self.outgoing.as_mut().map(|outgoing| outgoing.read_more()) {
                    Some(Err(_)) => return self.abort(),
                    _ => continue,
                },
                next => return next,
            }
        }
    }

    /// Sends what is framed. [`Next::Wait`] where the client takes no more, or the response is done.
    pub(super) fn send(&mut self, now: Instant, rules: &Rules) -> Next {
        let Some(outgoing) = &mut self.outgoing else {
            return Next::Wait;
        };
        let before = outgoing.left();
        let sent = outgoing.send(&mut self.stream);
        self.progress += before.saturating_sub(outgoing.left());
        if self.progress >= LEAST_PROGRESS {
            self.progress = 0;
            self.deadline = now + rules.write_timeout;
        }
        match sent {
            Ok(Sending::WantsMore) => Next::Stream,
            Ok(Sending::Blocked) => {
                let holds = outgoing.holds() + self.input.as_ref().map_or(0, |input| input.holds());
                rules.memory.settle(&mut self.charged, holds);
                Next::Wait
            }
            Ok(Sending::Done) => self.end_response(now, rules),
            Err(_) => self.abort(),
        }
    }

    pub(super) fn go_on_sending(&mut self, bench: &Bench<'_>) -> Option<Next> {
        let next = self.send(bench.now, bench.rules);
        match self.state {
            // Blocked, or a stream that a worker is to read on.
            State::Sending => Some(next),
            _ => None,
        }
    }

    /// The response is out: the next request, or the end.
    fn end_response(&mut self, now: Instant, rules: &Rules) -> Next {
        let was_abortable = self
            .outgoing
            .take()
            .is_some_and(|outgoing| outgoing.ends_with_connection);
        if was_abortable {
            self.stream.abort_on_close(false);
        }
        if self.close_after {
            return self.end_connection(now);
        }
        if let Some(input) = &mut self.input {
            input.advance(self.consumed);
            if input.bytes.is_empty() {
                self.state = State::Idle;
                self.deadline = now + rules.keep_alive_timeout;
            } else {
                self.state = State::Head;
                self.deadline = now + rules.head_timeout;
            }
        }
        self.consumed = 0;
        Next::Wait
    }

    /// Closes at once where nothing unread can turn the close into a reset, else says so and lingers.
    fn end_connection(&mut self, now: Instant) -> Next {
        let unread = self
            .input
            .as_ref()
            .is_some_and(|input| input.bytes.len() > self.consumed);
        if !unread && !self.may_be_readable {
            self.state = State::Closed;
            return Next::Close;
        }
        self.stream.close_sending();
        self.state = State::Lingering;
        self.may_be_readable = true;
        self.deadline = now + LINGER;
        self.input = None;
        Next::Wait
    }

    /// Cuts the connection so that the client can tell.
    pub(super) fn abort(&mut self) -> Next {
        self.stream.abort_on_close(true);
        self.state = State::Closed;
        Next::Close
    }
}
