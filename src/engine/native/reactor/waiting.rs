//! What comes before a wait for events, and how long that may take.

use super::{Reactor, Wait};
use crate::engine::{Ready, native::lease::Stage};
use std::time::{Duration, Instant};

/// While connections are leased, their deadlines are not known here; nothing waits longer than this for them.
const LONGEST_WAIT_WITH_LEASES: Duration = Duration::from_secs(1);

impl Reactor {
    /// Does what needs no event, before a wait. None once all is closed.
    pub(in crate::engine::native) fn prepare(
        &mut self,
        until: Option<Instant>,
        ready: &mut Vec<Ready>,
    ) -> Option<Wait> {
        self.recover(ready);
        let now = Instant::now();
        // One wait's events are one round, over however many turns: no newcomer is accepted before its end, so that no event
        // waits for more than what came with it. While another thread has a round, this one helps with it.
        let is_new_round = self.arrived.is_empty();
        self.is_woken = false;
        self.take_in_returned(now, ready);
        self.take_in_news();
        if is_new_round {
            self.follow_stage(now);
        }
        let is_closed = self.acceptor.is_none() && self.table.is_empty();
        if self.stage == Stage::Cut || (self.stage == Stage::Closing && is_closed) {
            self.later.hand_over(ready);
            return None;
        }
        if !is_new_round {
            return Some(Wait::Not);
        }
        let due = self.next_due(until, now);
        let has_work = !ready.is_empty() || self.later.has_work();
        if has_work || due.is_some_and(|due| due <= now) {
            return Some(self.wait(Some(Duration::ZERO)));
        }
        let bound = self.shared.timer.bound(due, now);
        Some(self.wait(bound))
    }

    fn wait(&mut self, bound: Option<Duration>) -> Wait {
        Wait::Events(bound, self.spare_events.take().unwrap_or_default())
    }

    /// When something is due next.
    pub(super) fn next_due(&self, until: Option<Instant>, now: Instant) -> Option<Instant> {
        let mut first = self.next_sweep();
        let mut consider = |due: Option<Instant>| {
            if due.is_some_and(|due| first.is_none_or(|first| due < first)) {
                first = due;
            }
        };
        consider(until);
        let acceptor = self.acceptor.as_ref();
        consider(acceptor.and_then(|acceptor| acceptor.next_attempt(now)));
        consider((self.table.leased > 0).then(|| now + LONGEST_WAIT_WITH_LEASES));
        consider(self.next_look_at_readers(now));
        first
    }
}
