//! What the monitor looks at.

use super::{Pool, TICK, idle::Look};
use std::{
    sync::atomic::Ordering::{Relaxed, SeqCst},
    time::Duration,
};

impl Pool {
    /// Whether somebody pulls from each reactor and nothing waits for a thread; and if not, whether that has been so for
    /// long.
    pub(super) fn look(&self) -> Look {
        if self.is_closed() {
            return Look::StepIn;
        }
        let age = self.born.elapsed();
        let mut most_urgent = Look::Sleep;
        for lane in 0..self.lanes.len() {
            most_urgent = match (self.look_at(lane, age), most_urgent) {
                (Look::StepIn, _) => return Look::StepIn,
                (Look::Again(time), Look::Again(before)) => Look::Again(time.min(before)),
                (Look::Again(time), _) => Look::Again(time),
                (Look::Sleep, before) => before,
            };
        }
        most_urgent
    }

    fn look_at(&self, number: usize, age: Duration) -> Look {
        let lane = &self.lanes[number];
        let last_progress = Duration::from_nanos(lane.last_progress.load(Relaxed));
        let still_for = age.saturating_sub(last_progress);
        let work_waits = !lane.queue.is_empty() && self.running() < self.slots();
        let pulling = lane.pulling.load(SeqCst);
        let is_pulled = pulling > 0 || lane.is_closed.load(SeqCst);
        let all_is_well = is_pulled && !work_waits;
        let leader_waits = all_is_well && self.engine.is_pull_waiting(number);
        match () {
            () if leader_waits && pulling < self.most_pulling => Look::StepIn,
            () if leader_waits || (all_is_well && still_for >= TICK) => Look::Sleep,
            () if still_for >= TICK => Look::StepIn,
            () => Look::Again(TICK - still_for),
        }
    }
}
