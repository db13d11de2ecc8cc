//! What the monitor looks at.

use super::{Pool, TICK, idle::Look};
use std::{
    sync::atomic::Ordering::{Relaxed, SeqCst},
    time::Duration,
};

impl Pool {
    /// Whether somebody pulls and nothing waits for a thread; and if not, whether that has been so for long.
    pub(super) fn look(&self) -> Look {
        let last_progress = Duration::from_nanos(self.last_progress.load(Relaxed));
        let still_for = self.born.elapsed().saturating_sub(last_progress);
        if self.is_closed() {
            return Look::StepIn;
        }
        let work_waits = !self.queue.is_empty() && self.running.load(SeqCst) < self.slots();
        let pulling = self.pulling.load(SeqCst);
        let all_is_well = pulling > 0 && !work_waits;
        let leader_waits = all_is_well && self.engine.is_pull_waiting();
        match () {
            () if leader_waits && pulling < self.most_pulling => Look::StepIn,
            () if leader_waits || (all_is_well && still_for >= TICK) => Look::Sleep,
            () if still_for >= TICK => Look::StepIn,
            () => Look::Again(TICK - still_for),
        }
    }
}
