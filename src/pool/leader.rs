//! What the thread that leads has in hand.

use crate::{engine::Exchange, observe::metrics::counts::Shed};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How many are told that they are refused before the sockets are looked at again.
const AT_ONCE: usize = 16;

/// No more than so many wait to be told.
const MOST: usize = 1024;

/// A leader that comes so much later than it meant to did not run meanwhile, and neither did the workers: above what a
/// CPU quota takes at a time, which is less than its period of 100 ms.
pub(super) const STALL: Duration = Duration::from_millis(250);

/// What one leader hands to the next.
#[derive(Default)]
pub(super) struct Leader {
    /// When the longest-waiting job in the queue may be over `QUEUE_TIMEOUT`.
    pub(super) expiry: Option<Instant>,
    /// The end of the last stall.
    pub(super) resumed: Option<Instant>,
}

/// Requests that are refused and not told so yet, first come, first served.
///
/// To tell one takes several times as long as to read its request, and whoever is told asks again at once: hundreds of them
/// would stand between a probe and the thread that reads it. So they are told a few at a time, with a look at the
/// sockets in between, and a probe waits for those few.
#[derive(Default)]
pub(super) struct RefusedRequests(VecDeque<(Box<dyn Exchange>, Shed)>);

impl RefusedRequests {
    pub(super) fn push(&mut self, exchange: Box<dyn Exchange>, why: Shed) {
        self.0.push_back((exchange, why));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those to be told now.
    pub(super) fn next_few(&mut self) -> impl Iterator<Item = (Box<dyn Exchange>, Shed)> {
        let few = self.0.len().saturating_sub(MOST).max(AT_ONCE);
        self.0.drain(..few.min(self.0.len()))
    }
}
