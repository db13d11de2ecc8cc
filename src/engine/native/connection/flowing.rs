//! A body that flows: what arrives goes to a worker piece by piece, and the rest waits in the client's socket.

use super::{
    Connection, Context, Next, State, Stream,
    flow::{Behind, Flow, Left},
};
use crate::{
    engine::{
        discarded::Discarded,
        http1::Refusal,
        occupancy::Closed,
        outgoing::Outgoing,
        pace::Pace,
        rules::Rules,
        underway::{PIECE, Then, Underway},
    },
    message::request::{Request, RequestBody},
};
use std::{
    mem,
    time::{Duration, Instant},
};

/// So much at most is read at a time while memory for requests may soon be short: uploads go on, and leave it to others.
const SMALL_PIECE: usize = 1024;

impl<S: Stream> Connection<S> {
    /// The head of a request is there whose handler takes the body as it comes.
    #[cold]
    pub(super) fn expect_flow(&mut self, limit: u64, now: Instant) {
        if let Some(input) = &mut self.input {
            let mut flow = Flow::new(input.head.body, limit, now);
            flow.expects_continue = input.head.expect_continue;
            // Where the handler refuses, what follows is a body and no request.
            flow.keep_alive = mem::replace(&mut input.head.keep_alive, false);
            self.behind.get_or_insert_default().flow = Some(flow);
        }
    }

    /// Whether the body of the request that was handed out is still to come.
    pub(crate) fn awaits_body(&self) -> bool {
        self.flow().is_some()
    }

    fn flow(&self) -> Option<&Flow> {
        self.behind.as_ref()?.flow.as_ref()
    }

    fn flow_mut(&mut self) -> Option<&mut Flow> {
        self.behind.as_mut()?.flow.as_mut()
    }

    /// The request that nobody answers any more, for who may run what its destructors are.
    pub(crate) fn take_request(&mut self) -> Option<Box<Request>> {
        self.input.take()
    }

    /// The answer to the request that was handed out is the last one.
    pub(crate) fn end_with_this_answer(&mut self) {
        self.asked.keep_alive = false;
        if let Some(flow) = self.flow_mut() {
            flow.keep_alive = false;
        }
    }

    /// The handler takes the body.
    pub(crate) fn let_body_come(
        &mut self,
        mut underway: Box<Underway>,
        now: Instant,
        rules: &Rules,
    ) {
        underway.place = Some(rules.places.begin_upload());
        if let Some(behind) = &mut self.behind
            && let Some(flow) = &mut behind.flow
        {
            flow.underway = Some(underway);
            flow.moved = now;
            if flow.expects_continue && behind.bytes.is_empty() {
                self.outgoing = Some(Outgoing::interim());
            }
        }
        // Read together with the head, the body's beginning has had its place there.
        self.request().bytes.shrink_to_fit();
        self.state = State::Flowing;
        self.may_be_readable = true;
        self.pace = Pace::begin(now);
        self.set_flow_deadline(rules);
    }

    /// The sink has taken its piece.
    pub(crate) fn let_more_come(&mut self, underway: Box<Underway>, now: Instant, rules: &Rules) {
        if let Some(flow) = self.flow_mut() {
            flow.underway = Some(underway);
            flow.moved = now;
            // What a worker takes is not the client's time.
            let paused = flow.paused.take();
            self.pace.shift(paused.map_or(Duration::ZERO, |paused| {
                now.saturating_duration_since(paused)
            }));
        }
        self.set_flow_deadline(rules);
        self.piece().clear();
    }

    /// What the pool is to do with the piece that was handed out, which is the request's body.
    pub(crate) fn take_piece(&mut self) -> Option<(Box<Underway>, Then)> {
        let flow = self.flow_mut()?;
        let underway = flow.underway.take()?;
        let then = match (flow.refusal, &flow.left) {
            (Some(refusal), _) => Then::Refuse(refusal),
            (None, Left::Nothing) => Then::Finish,
            (None, _) => Then::More,
        };
        if then == Then::Finish {
            // The next request follows.
            let keep_alive = flow.keep_alive;
            self.asked.keep_alive = keep_alive;
        }
        Some((underway, then))
    }

    /// So much of the body has come, which counts as the request's from now on. Where all of it has, the connection may
    /// go on after the answer.
    pub(crate) fn end_flow(&mut self) {
        let Some(flow) = self.flow() else {
            return;
        };
        let received = flow.received;
        if matches!(flow.left, Left::Nothing) && flow.refusal.is_none() {
            let bytes = self.behind.take().map(|behind| behind.bytes);
            let bytes = bytes.filter(|bytes| !bytes.is_empty());
            self.behind = bytes.map(|bytes| Box::new(Behind { bytes, flow: None }));
        }
        if let Some(input) = &mut self.input {
            input.body = RequestBody::Taken(received);
        }
    }

    /// The reactor's step: reads until there is a piece, or the client makes it wait.
    pub(super) fn go_on_flowing(&mut self, context: &mut Context<'_>) -> Next {
        if self.send_interim().is_err() {
            return Next::Close;
        }
        loop {
            let is_at_end = self.flow().is_none_or(Flow::is_at_end);
            let has_piece = !self.piece().is_empty();
            let room = self.room_for_piece(context.rules);
            if is_at_end || (has_piece && (room == 0 || !self.may_be_readable)) {
                return self.hand_out_piece(context.now);
            }
            if let Some(behind) = &mut self.behind
                && !behind.bytes.is_empty()
            {
                let bytes = mem::take(&mut behind.bytes);
                self.take_piece_of(&bytes);
                continue;
            }
            if !self.may_be_readable {
                // A client that is waited for costs no buffer.
                *self.piece() = Vec::new();
                self.set_flow_deadline(context.rules);
                return Next::Wait;
            }
            if context.turn == 0 {
                return match has_piece {
                    true => self.hand_out_piece(context.now),
                    false => Next::More,
                };
            }
            let most = room.min(context.scratch.len());
            match self.receive(&mut context.scratch[..most]) {
                Ok(count) => {
                    context.turn = context.turn.saturating_sub(count);
                    self.may_be_readable = count == most || self.client_has_closed;
                    self.pace
                        .note(count, context.now, context.rules.min_body_rate);
                    if let Some(flow) = self.flow_mut() {
                        flow.moved = context.now;
                    }
                    self.take_piece_of(&context.scratch[..count]);
                }
                Err(Next::Wait) => {}
                Err(next) => return next,
            }
        }
    }

    /// How much more may be read for this piece. Of a body of known length nothing that follows it is.
    fn room_for_piece(&mut self, rules: &Rules) -> usize {
        let most = match rules.memory.requests.is_half_used() {
            true => SMALL_PIECE,
            false => PIECE,
        };
        let room = most.saturating_sub(self.piece().len());
        match self.flow().map(|flow| &flow.left) {
            Some(Left::Known(left)) => usize::try_from(*left).map_or(room, |left| left.min(room)),
            _ => room,
        }
    }

    fn take_piece_of(&mut self, input: &[u8]) {
        let mut piece = mem::take(self.piece());
        if let Some(behind) = &mut self.behind
            && let Some(flow) = &mut behind.flow
        {
            let most = (PIECE - piece.len()).min(input.len());
            let used = flow.take(&input[..most], &mut piece);
            behind.bytes.extend_from_slice(&input[used..]);
        }
        *self.piece() = piece;
    }

    /// The piece that is gathered, which is charged for as a request's body is.
    fn piece(&mut self) -> &mut Vec<u8> {
        let body = &mut self.input.get_or_insert_default().body;
        if !matches!(body, RequestBody::Own(_)) {
            *body = RequestBody::Own(Vec::new());
        }
        match body {
            RequestBody::Own(piece) => piece,
            _ => unreachable!("it was made so"),
        }
    }

    fn hand_out_piece(&mut self, now: Instant) -> Next {
        if let Some(flow) = self.flow_mut() {
            flow.paused = Some(now);
        }
        Next::Piece
    }

    /// A client may be behind the least rate for as long as its grace is; where there is none, it may rest as long as
    /// a whole body may take.
    fn set_flow_deadline(&mut self, rules: &Rules) {
        let rested = self.flow().filter(|_| rules.min_body_rate == 0);
        self.deadline = match rested {
            Some(flow) => flow.moved + rules.live.body_timeout.get(),
            // The last moment in which it is in time, and one more.
            None => self.pace.behind_at() + Duration::from_millis(1),
        };
    }

    /// Takes no more of the body for this, which a worker tells its client.
    pub(super) fn refuse_flow(&mut self, refusal: Refusal, context: &Context<'_>) -> Next {
        self.ends_for(Closed::by_refusal(refusal));
        if let Some(flow) = self.flow_mut() {
            flow.refusal = Some(refusal);
        }
        *self.piece() = Vec::new();
        self.hand_out_piece(context.now)
    }

    /// What takes the body is a worker's to drop.
    pub(super) fn let_go_of_flow(&mut self) {
        let behind = self.behind.as_mut();
        let Some(flow) = behind.and_then(|behind| behind.flow.take()) else {
            return;
        };
        if let Some(underway) = flow.underway {
            let route = self.input.as_ref().map_or("", |request| request.route());
            log::debug!(peer:% = self.peer, route = route, received = flow.received; "upload cut");
            self.discarded.push(Discarded::Upload(underway));
        }
    }
}
