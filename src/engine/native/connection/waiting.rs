//! A connection that waits: what becomes of it at its deadline, and where another needs its place or its memory.

use super::{Connection, Context, Next, State, Stream, sending::LINGER};
use crate::engine::{
    http1::Refusal,
    occupancy::Closed,
    pace::Pace,
    rules::{Rules, passed_in_a_stall},
};
use log::Level;
use std::time::{Duration, Instant};

/// A new connection has so long for its first byte, and then for its head, and one that ends to read its last answer,
/// before another may have its place.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// What a connection has to show for a place that another one holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// That it is there.
    Connection,
    /// A whole request.
    Request,
}

/// Why a connection can be spared, the best reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spared {
    /// It has had its last answer, and until then what is sent behind it is thrown away.
    Lingering(Instant),
    /// Not a byte has come since it was accepted, then.
    Silent(Instant),
    /// Its client has been behind `MIN_BODY_RATE` since then, with a request or in taking a response.
    TooSlow(Instant),
    /// It is between two requests, until this deadline.
    Idle(Instant),
    /// A head arrives at so many bytes a second.
    Arriving(u64),
}

impl Spared {
    /// Whether it has to go for this. One that has had a request, or may soon have one, goes for no silent newcomer: or
    /// whoever opens connections and says nothing would close those of everybody else.
    pub(crate) fn yields_to(self, claim: Claim) -> bool {
        match self {
            Spared::Lingering(_) | Spared::Silent(_) | Spared::TooSlow(_) => true,
            Spared::Idle(_) | Spared::Arriving(_) => claim == Claim::Request,
        }
    }
}

impl<S: Stream> Connection<S> {
    /// Reads and sends what can be, although no event has told of it: before a connection is closed by the server's own
    /// decision, for time may have passed in which the process did not run, and what came meanwhile came in time.
    pub(crate) fn look(&mut self, context: &mut Context<'_>) -> Next {
        // While it answers, it reads nothing.
        self.may_be_readable |= !self.is_answering();
        self.advance(context)
    }

    /// Looks once more at a client that seems slow. None where it is: where its bytes, or room for ours, have been there,
    /// it was this process that was late, and what to do next is returned.
    pub(crate) fn look_once_more(&mut self, context: &mut Context<'_>) -> Option<Next> {
        let (next, moves) = self.look_whether_it_moves(context);
        if next == Next::Wait && !moves {
            return None;
        }
        self.pace = Pace::begin(context.now);
        Some(next)
    }

    /// Looks, and says whether the client has sent or taken something since it was last looked at.
    fn look_whether_it_moves(&mut self, context: &mut Context<'_>) -> (Next, bool) {
        let was_answering = self.is_answering();
        // Asked first, since the look fills what room there is: a few bytes of it are always left, and say nothing. Had
        // more been told of in time, it would be full already.
        let has_room = was_answering && self.stream.has_room();
        let before = self.pace;
        let next = self.look(context);
        let moves = match was_answering {
            true => has_room || !self.is_answering(),
            false => self.pace != before,
        };
        (next, moves)
    }

    /// The deadline has come: the connection is looked at once more, and has failed where that moves nothing.
    pub(crate) fn time_out(&mut self, context: &mut Context<'_>) -> Next {
        if self.awaits_more() {
            self.note_more();
            return self.advance(context);
        }
        let (next, moves) = self.look_whether_it_moves(context);
        if next != Next::Wait || self.deadline > context.now {
            return next;
        }
        match self.state {
            State::Handling => Next::Wait,
            State::Flowing => self.refuse_flow(Refusal::TOO_SLOW, context),
            State::Head(_) | State::Body(_) | State::Chunked(..) => {
                self.refuse(Refusal::TOO_SLOW, context);
                self.advance(context)
            }
            State::Sending if moves || passed_in_a_stall(self.deadline, context.now) => {
                self.expect_progress(context.now, context.rules);
                Next::Wait
            }
            State::Sending => {
                self.ends_for(Closed::WriteTimeout);
                self.cut_response(Level::Info, &"its client took too long to read it")
            }
            State::Fresh(_) | State::Idle | State::Lingering(_) | State::Closed => {
                self.ends_for(Closed::IdleTimeout);
                Next::Close
            }
        }
    }

    /// Since when its client is behind the least rate with what it sends or takes, where that is for too long.
    pub(crate) fn is_behind_since(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Sending if self.awaits_more() => None,
            State::Head(_)
            | State::Body(_)
            | State::Chunked(..)
            | State::Flowing
            | State::Sending => self.pace.behind_since(now),
            _ => None,
        }
    }

    /// Ends the connection, for what it holds is needed for others.
    pub(crate) fn give_way(&mut self, context: &mut Context<'_>) -> Next {
        log::debug!(peer:% = self.peer; "a slow client gives way, for want of memory");
        self.ends_for(Closed::Memory);
        if self.is_answering() {
            return self.abort();
        }
        if self.awaits_body() {
            return self.refuse_flow(Refusal::TOO_SLOW, context);
        }
        self.refuse(Refusal::TOO_SLOW, context);
        self.advance(context)
    }

    /// Ends the connection, for its place is needed for another.
    pub(crate) fn make_way(&mut self) -> Next {
        self.ends_for(Closed::Limit);
        match self.is_answering() {
            true => self.abort(),
            false => Next::Close,
        }
    }

    /// Whether another may have its place, and how much rather than another's.
    pub(crate) fn spared(&self, now: Instant, rules: &Rules) -> Option<Spared> {
        if rules.min_body_rate > 0
            && let Some(since) = self.is_behind_since(now)
        {
            return Some(Spared::TooSlow(since));
        }
        match self.state {
            State::Lingering(until) if now + LINGER > until + UNDISTURBED => {
                Some(Spared::Lingering(until))
            }
            State::Fresh(accepted) if now > accepted + UNDISTURBED => {
                Some(Spared::Silent(accepted))
            }
            State::Idle => Some(Spared::Idle(self.deadline)),
            State::Head(_) => {
                // The timeout may have been another when its head began.
                let began = self.deadline.checked_sub(rules.live.head_timeout.get());
                let age = began.map_or(UNDISTURBED, |began| now.saturating_duration_since(began));
                let bytes = self.input.as_ref().map_or(0, |input| input.bytes.len());
                let rate = bytes as u64 * 1000 / (age.as_millis() as u64).max(1);
                (age > UNDISTURBED).then_some(Spared::Arriving(rate))
            }
            _ => None,
        }
    }
}
