//! What the monitor looks at, and who wakes whom.

use super::{
    Pool, TICK,
    idle::{Look, Woken},
};
use std::{
    sync::atomic::Ordering::{Relaxed, SeqCst},
    thread,
    time::Duration,
};

impl Pool {
    /// Whether there is a leader and nothing waits for a thread; and if not, whether that has been so for long.
    pub(super) fn look(&self) -> Look {
        if self.is_closed() {
            return Look::StepIn;
        }
        let last_progress = Duration::from_nanos(self.last_progress.load(Relaxed));
        let still_for = self.born.elapsed().saturating_sub(last_progress);
        let has_leader = self.has_leader.load(SeqCst);
        let work_waits = !self.queue.is_empty() && self.running.load(SeqCst) < self.slots();
        let all_is_well = has_leader && !work_waits;
        let is_vacant = !has_leader && self.is_vacant.load(SeqCst);
        match () {
            () if all_is_well && (still_for >= TICK || self.leader_waits()) => Look::Sleep,
            () if is_vacant || still_for >= TICK => Look::StepIn,
            () => Look::Again(TICK - still_for),
        }
    }

    fn leader_waits(&self) -> bool {
        self.engine
            .standby()
            .is_some_and(|standby| standby.is_pull_waiting())
    }

    /// How the monitor sleeps.
    pub(super) fn sleep(&self) {
        match self.engine.standby() {
            Some(standby) => standby.wait(),
            None => thread::park(),
        }
    }

    /// This thread is about to take from the queue, and may not come back in time for the rest, or for what comes. The
    /// standby needs to be told of the rest alone: what comes wakes it by itself.
    pub(super) fn alert_monitor(&self) {
        match self.engine.standby() {
            Some(standby) => {
                if self.queue.len() > 1 && self.idle.monitor_sleeps() {
                    standby.wake_within(TICK);
                }
            }
            None => {
                if self.idle.monitor_sleeps() {
                    self.idle.unpark_monitor();
                }
            }
        }
    }

    /// Wakes a resting thread, where there is one.
    pub(super) fn wake_one(&self) {
        if self.idle.wake_one() == Woken::Standby {
            self.engine.wake();
        }
    }

    /// Wakes all that rest, for the end.
    pub(super) fn wake_all(&self) {
        if self.idle.wake_all() == Woken::Standby {
            self.engine.wake();
        }
    }
}
