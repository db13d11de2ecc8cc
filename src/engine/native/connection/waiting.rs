//! A connection that waits: what becomes of it at its deadline, and where another needs its place.

use super::{Connection, Context, Next, State, Stream, TOO_SLOW};
use crate::engine::{native::pace::GRACE, rules::Rules};
use std::time::{Duration, Instant};

/// A new connection has so long for its first byte, and then for its head, before another may have its place.
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
    /// Not a byte has come since it was accepted, then.
    Silent(Instant),
    /// A head arrives at so many bytes a second, below `MIN_BODY_RATE`.
    TooSlow(u64),
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
            Spared::Silent(_) | Spared::TooSlow(_) => true,
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

    /// The deadline has come: the connection is looked at once more, and has failed where that moves nothing.
    pub(crate) fn time_out(&mut self, context: &mut Context<'_>) -> Next {
        // Asked first, since the look fills what room there is. Had it been told of in time, it would be full already.
        let client_has_read = self.is_answering() && self.stream.has_room();
        let next = self.look(context);
        if next != Next::Wait || self.deadline > context.now {
            return next;
        }
        match self.state {
            State::Handling => Next::Wait,
            State::Head(_) | State::Body(_) | State::Chunked(..) => {
                self.refuse(TOO_SLOW, context);
                self.advance(context)
            }
            State::Sending if client_has_read => {
                self.expect_progress(context.now, context.rules);
                Next::Wait
            }
            State::Sending => self.abort(),
            State::Fresh(_) | State::Idle | State::Lingering(_) | State::Closed => Next::Close,
        }
    }

    /// Whether another may have its place, and how much rather than another's.
    pub(crate) fn spared(&self, now: Instant, rules: &Rules) -> Option<Spared> {
        match self.state {
            State::Fresh(accepted) if now > accepted + UNDISTURBED => {
                Some(Spared::Silent(accepted))
            }
            State::Idle => Some(Spared::Idle(self.deadline)),
            State::Head(_) => {
                let age = now.saturating_duration_since(self.deadline - rules.head_timeout);
                let bytes = self.input.as_ref().map_or(0, |input| input.bytes.len());
                let rate = bytes as u64 * 1000 / (age.as_millis() as u64).max(1);
                let least = u64::from(rules.min_body_rate);
                match age {
                    _ if age <= UNDISTURBED => None,
                    _ if age > GRACE && rate < least => Some(Spared::TooSlow(rate)),
                    _ => Some(Spared::Arriving(rate)),
                }
            }
            _ => None,
        }
    }
}
