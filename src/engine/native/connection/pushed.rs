//! Responses whose bytes come when somebody has them: while there are none, nothing is awaited of the client.

use super::{Connection, Context, Next, Stream};
use crate::{
    engine::{outgoing::More, pace::Pace, rules::Rules},
    message::pushed::outlet::PATIENCE,
};
use log::Level;
use std::time::{Duration, Instant};

/// So much of what is pushed is sent to one client before the others have their turn: it is copied once more than other
/// bodies, and to many at a time.
const TURN: usize = 32 * 1024;

impl<S: Stream> Connection<S> {
    /// Whether it sends nothing because there is nothing to send.
    pub(crate) fn awaits_more(&self) -> bool {
        self.more == More::Awaited
    }

    /// There may be more of what is pushed: the next step reads it.
    pub(crate) fn note_more(&mut self) {
        if self.awaits_more() {
            self.more = More::Here;
        }
    }

    /// The service does not listen any more: within so long, what is pushed learns of it.
    pub(crate) fn tell_of_closing(&mut self, now: Instant, within: Duration) {
        self.deadline = self.deadline.min(now + within);
    }

    /// The body has nothing yet. Only its client's end, or its outlet, changes that; it is read again after a while all the
    /// same, in case it has something to say for itself.
    pub(super) fn await_more(&mut self, now: Instant, rules: &Rules) -> Next {
        self.more = More::Awaited;
        self.deadline = now + PATIENCE;
        self.pace = Pace::begin(now);
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.leave_buffer();
        }
        self.forget_request();
        self.settle_charges(rules);
        Next::Wait
    }

    /// Goes on where there is more. A client that sends no more either has gone: it would not have to say so.
    pub(super) fn look_for_more(&mut self, context: &Context<'_>) -> Option<Next> {
        if self.client_has_closed {
            return Some(self.cut_response(Level::Debug, &"its client has gone"));
        }
        if self.awaits_more() {
            return Some(Next::Wait);
        }
        self.more = More::Unasked;
        self.expect_progress(context.now, context.rules);
        None
    }

    /// Reads and sends what is pushed, on the thread that drives the sockets, for one turn at most. Any other stream is a
    /// worker's to read.
    pub(super) fn read_pushed(&mut self, context: &Context<'_>) -> Next {
        let (now, rules) = (context.now, context.rules);
        let mut sent = 0;
        let next = loop {
            let Some(outgoing) = self.outgoing.as_mut().filter(|one| one.is_pushed()) else {
                break Next::Stream;
            };
            match outgoing.read_more() {
                Ok(true) => {}
                Ok(false) => break self.await_more(now, rules),
                Err(error) => break self.fail(&error),
            }
            sent += outgoing.left();
            self.pace = Pace::begin(now);
            match self.send(now, rules, context.turn) {
                Next::Stream if sent >= TURN.min(context.turn) => break Next::More,
                Next::Stream => {}
                next => break next,
            }
        };
        self.let_go_of_reader();
        next
    }
}
