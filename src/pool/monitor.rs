//! What the monitor looks at.

use super::{Pool, TICK, idle::Look};
use std::{
    sync::atomic::Ordering::{Relaxed, SeqCst},
    time::Duration,
};

impl Pool {
    /// Whether anything goes on, and if not, whether there is a leader and nothing waits for a
    /// thread.
    pub(super) fn look(&self) -> Look {
        let last_progress = Duration::from_nanos(self.last_progress.load(Relaxed));
        let still_for = self.born.elapsed().saturating_sub(last_progress);
        if self.is_closed() {
            return Look::StepIn;
        }
        if still_for < TICK {
            return Look::Again(TICK - still_for);
        }
        let work_waits = !self.queue.is_empty() && self.running.load(SeqCst) < self.slots();
        match self.has_leader.load(SeqCst) && !work_waits {
            true => Look::Sleep,
            false => Look::StepIn,
        }
    }
}
