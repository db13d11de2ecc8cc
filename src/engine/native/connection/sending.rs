//! The way out: responses to bytes, and how a connection ends.

use super::{Asked, Connection, Context, Next, State, Stream};
use crate::{
    engine::{
        discarded::{Discarded, MUCH_MEMORY},
        http1::Refusal,
        lifetime::Past,
        occupancy::Closed,
        outgoing::{More, Outgoing, Sending, note_failed_body},
        pace::Pace,
        rules::{LEAST_PROGRESS, Rules},
    },
    message::{head::Version, pushed::outlet::Outlet, request::RequestBody, response::Response},
};
use log::Level;
use std::{
    fmt::Display,
    io::{self, ErrorKind},
    sync::Arc,
    time::Instant,
};

pub(crate) use crate::engine::rules::{LINGER, LINGER_BETWEEN_READS};

impl<S: Stream> Connection<S> {
    /// Starts to answer the current request. Returns what to do next: [`Next::Stream`] where the response's reader is
    /// to be read, which [`pump`](Connection::pump) does.
    pub(crate) fn respond(
        &mut self,
        response: Response,
        close: bool,
        now: Instant,
        rules: &Rules,
        outlet: Option<Arc<dyn Outlet>>,
    ) -> Next {
        let is_over = rules.lifetime.is_bounded() && {
            let past = self
                .past
                .get_or_insert_with(|| Box::new(Past::beginning(now)));
            past.ends(&rules.lifetime, self.peer, now)
        };
        let close = close || is_over || !self.asked.keep_alive;
        let Asked {
            is_head, version, ..
        } = self.asked;
        let outgoing = Outgoing::new(is_head, version, response, close, now, outlet);
        let close = close || outgoing.ends_with_connection;
        self.begin_sending(outgoing, close, now);
        self.pump(now, rules)
    }

    /// Answers what is no request; the connection ends after it.
    pub(super) fn refuse(&mut self, refusal: Refusal, context: &Context<'_>) -> Option<Next> {
        // Most refusals are the client's fault; no memory is not, and its access record would be a warning too.
        let level = match refusal {
            Refusal::NO_MEMORY => Level::Warn,
            _ => Level::Debug,
        };
        log::log!(level, status = refusal.status.as_u16(), reason = refusal.reason, peer:% = self.peer; "request refused");
        self.ends_for(Closed::by_refusal(refusal));
        let response = context.rules.refused(refusal);
        self.let_go_of_request();
        // What follows a refused head is no request, and it is what lingering is for.
        self.may_be_readable = true;
        let outgoing = Outgoing::new(false, Version::Http11, response, true, context.now, None);
        self.begin_sending(outgoing, true, context.now);
        self.expect_progress(context.now, context.rules);
        None
    }

    pub(super) fn begin_sending(&mut self, mut outgoing: Outgoing, close: bool, now: Instant) {
        if let Some(interim) = self.outgoing.take() {
            outgoing.follow(&interim);
        }
        if outgoing.ends_with_connection {
            self.stream.abort_on_close(true);
        }
        self.outgoing = Some(outgoing);
        self.close_after = close;
        self.state = State::Sending;
        self.more = More::Unasked;
        self.pace = Pace::begin(now);
        self.progress = 0;
        // Nearly every response goes out whole at once, and needs no other.
        self.deadline = now;
    }

    pub(super) fn expect_progress(&mut self, now: Instant, rules: &Rules) {
        self.progress = 0;
        self.deadline = now + rules.live.write_timeout.get();
    }

    /// Sends what is left of a `100 Continue`.
    pub(super) fn send_interim(&mut self) -> io::Result<()> {
        if let Some(interim) = &mut self.outgoing
            && interim.send(&mut self.stream, usize::MAX)? == Sending::Done
        {
            self.outgoing = None;
        }
        Ok(())
    }

    /// Sends, and reads the response's reader where there is one, on this thread, until the client takes no more.
    pub(crate) fn pump(&mut self, mut now: Instant, rules: &Rules) -> Next {
        let next = loop {
            let next = self.send(now, rules, usize::MAX);
            if self.is_answering() && self.deadline <= now {
                // It has only begun, or the client has made room in time and it was the pool that came late.
                self.expect_progress(now, rules);
            }
            let Some(outgoing) = self.outgoing.as_mut().filter(|_| next == Next::Stream) else {
                break next;
            };
            let began = Instant::now();
            match outgoing.read_more() {
                Ok(true) => {}
                Ok(false) => break self.await_more(now, rules),
                Err(error) => break self.fail(&error),
            }
            // The time that the reader takes is not the client's.
            let took = began.elapsed();
            now += took;
            self.deadline += took;
            self.pace = Pace::begin(now);
        };
        self.let_go_of_reader();
        next
    }

    /// What is left to send needs no reader.
    pub(super) fn let_go_of_reader(&mut self) {
        if let Some(spent) = self.outgoing.as_mut().and_then(Outgoing::take_spent) {
            self.discarded.push(spent);
        }
    }

    /// The body's reader has failed.
    pub(super) fn fail(&mut self, error: &io::Error) -> Next {
        self.ends_for(note_failed_body(error));
        self.abort()
    }

    /// Sends what is framed, and `most` bytes of a body in memory. [`Next::Wait`] where the client takes no more, or
    /// the response is done.
    pub(super) fn send(&mut self, now: Instant, rules: &Rules, most: usize) -> Next {
        let Some(outgoing) = &mut self.outgoing else {
            return Next::Wait;
        };
        let before = outgoing.left();
        let sent = outgoing.send(&mut self.stream, most);
        if !matches!(sent, Ok(Sending::Done)) {
            self.progress += before.saturating_sub(outgoing.left());
            if self.progress >= LEAST_PROGRESS {
                self.expect_progress(now, rules);
            }
        }
        match sent {
            Ok(Sending::Done) => self.end_response(now, rules),
            Ok(Sending::WantsMore) => Next::Stream,
            Ok(Sending::Paused) => Next::More,
            Ok(Sending::Blocked) => {
                self.forget_request();
                self.settle_charges(rules);
                Next::Wait
            }
            // The kernel's verdict on a peer that has vanished.
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                self.cut_response(Level::Info, &error)
            }
            Err(error) => self.cut_response(Level::Debug, &error),
        }
    }

    pub(super) fn go_on_sending(&mut self, context: &Context<'_>) -> Option<Next> {
        if self.more != More::Unasked {
            return self.look_for_more(context);
        }
        let before = self.outgoing.as_ref().map_or(0, Outgoing::left);
        let mut next = self.send(context.now, context.rules, context.turn);
        if next == Next::Stream {
            next = self.read_pushed(context);
        }
        let State::Sending = self.state else {
            return None;
        };
        // Blocked, at the end of its turn, or a stream that a worker is to read on.
        let moved = before.saturating_sub(self.outgoing.as_ref().map_or(0, Outgoing::left));
        self.pace
            .note(moved, context.now, context.rules.min_body_rate);
        Some(next)
    }

    /// The handler is done with the request: nothing of it is kept.
    pub(super) fn forget_request(&mut self) {
        if let Some(input) = &mut self.input {
            self.discarded.extend(Discarded::of_request(input));
            input.bytes = Vec::new();
            input.body = RequestBody::Empty;
        }
    }

    /// The response is out: the next request, or the end.
    fn end_response(&mut self, now: Instant, rules: &Rules) -> Next {
        if let Some(outgoing) = &self.outgoing
            && outgoing.ends_with_connection
        {
            self.stream.abort_on_close(false);
        }
        self.was_answered = self.input.is_some();
        self.let_go_of_response();
        if self.close_after {
            self.ends_for(Closed::Answered);
            return self.end_connection(now);
        }
        if self.request_holds() > MUCH_MEMORY {
            self.forget_request();
        }
        if let Some(input) = &mut self.input {
            input.clear();
            if let Some(behind) = self.behind.take() {
                input.bytes = behind.bytes;
            }
        }
        self.state = State::Idle;
        self.deadline = now + rules.live.keep_alive_timeout.get();
        Next::Wait
    }

    /// Closes at once where nothing unread can turn the close into a reset, else says so and lingers.
    fn end_connection(&mut self, now: Instant) -> Next {
        let unread = self.behind.is_some();
        if !unread && !self.may_be_readable && !self.has_unread_bytes() {
            self.state = State::Closed;
            return Next::Close;
        }
        self.stream.close_sending();
        self.state = State::Lingering(now + LINGER);
        self.may_be_readable = true;
        self.deadline = now + LINGER_BETWEEN_READS;
        self.let_go_of_request();
        Next::Wait
    }

    /// Whether the client has sent more already, of which nothing has told yet: its next request, or a CRLF of its own
    /// behind the last one.
    fn has_unread_bytes(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(1))
    }

    /// Reads on behind the last answer, for nothing.
    pub(super) fn throw_away(&mut self, until: Instant, context: &mut Context<'_>) -> Next {
        while context.turn > 0 {
            match self.receive(context.scratch) {
                Ok(count) => context.turn = context.turn.saturating_sub(count),
                Err(next) => return next,
            }
            self.deadline = until.min(context.now + LINGER_BETWEEN_READS);
        }
        match context.now < until {
            true => Next::More,
            false => Next::Close,
        }
    }

    /// Cuts the connection in the middle of a response, and says so: its access record tells only how it began.
    pub(super) fn cut_response(&mut self, level: Level, reason: &dyn Display) -> Next {
        let route = self.input.as_ref().map_or("", |request| request.route());
        log::log!(level, peer:% = self.peer, route = route, reason:% = reason; "response cut");
        self.abort()
    }

    /// Cuts the connection so that the client can tell.
    pub(super) fn abort(&mut self) -> Next {
        self.stream.abort_on_close(true);
        self.state = State::Closed;
        Next::Close
    }
}
