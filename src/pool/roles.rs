//! Which thread does what: takes a job, leads, stands by, or is woken for any of these.
//!
//! A thread that leads a reactor runs what came from it, so that nothing of a request leaves its processor's caches. It
//! looks at the other queues only now and then, for their cache lines are written all the time; and at once where somebody
//! had to leave a job behind for want of a slot, or where it has rested, or been away for long.

use super::{
    CLOSED, HANDOVER, Pool, TICK,
    lanes::{Affinity, Lane, TAKES},
    queue::{Job, nanos},
};
use std::{
    mem,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};

impl Pool {
    /// A job and a slot to run it in, if there are both, and the lane of either.
    #[inline]
    pub(super) fn take(self: &Arc<Self>, affinity: &mut Affinity) -> Option<(Job, usize)> {
        let is_only = self.lanes.len() == 1;
        let number = match is_only {
            true => 0,
            false => self.choose_lane(affinity)?,
        };
        let lane = &self.lanes[number];
        if lane.queue.is_empty() || !(lane.running.take_one() || self.open_slot(lane)) {
            return None;
        }
        let job = lane.queue.pop();
        if job.is_none() {
            lane.running.subtract(1);
        } else if affinity.has_rested {
            affinity.lane = number;
        }
        job.map(|job| (job, number))
    }

    /// The lane to take from: its own, or after a while the one whose job waits for longest.
    fn choose_lane(&self, affinity: &mut Affinity) -> Option<usize> {
        let was_left = self.was_left.load(SeqCst) && self.was_left.swap(false, SeqCst);
        if !was_left && affinity.takes < TAKES {
            affinity.takes += 1;
            return Some(affinity.lane);
        }
        affinity.takes = 0;
        let oldest = |number: usize| Some((self.lanes[number].queue.oldest()?, number));
        let mut waiting = (0..self.lanes.len()).filter_map(oldest);
        let (_, number) = waiting.by_ref().min()?;
        if was_left {
            // There may be more of them.
            self.was_left.store(true, SeqCst);
        }
        Some(number)
    }

    /// Every slot is taken: takes one for which another thread begins. Where none may, whoever gives one back is told of
    /// the job; and may have given it back just now.
    #[cold]
    fn open_slot(self: &Arc<Self>, lane: &Lane) -> bool {
        while self.grow() {
            if lane.running.take_one() {
                return true;
            }
        }
        self.note_left() && lane.running.take_one()
    }

    /// A job is in a queue that its thread may not come back to: whoever takes next looks at all of them. False where
    /// there is only one.
    #[cold]
    pub(super) fn note_left(&self) -> bool {
        let are_several = self.lanes.len() > 1;
        if are_several {
            self.was_left.store(true, SeqCst);
        }
        are_several
    }

    /// Leads, where nobody does; or stands by, where the leader waits and nobody stands by.
    #[inline]
    pub(super) fn begin_pulling(&self, affinity: &mut Affinity) -> bool {
        match self.lanes.len() {
            1 => self.join(0, true),
            _ => self.begin_pulling_somewhere(affinity),
        }
    }

    /// Who comes from a job goes on where it was, as long as somebody rests and sees who else is needed where.
    fn begin_pulling_somewhere(&self, affinity: &mut Affinity) -> bool {
        let own = affinity.lane;
        let is_free = mem::take(&mut affinity.is_free) || self.idle.is_empty();
        affinity.has_rested = false;
        if self.join(own, !is_free) {
            return true;
        }
        let others = || (0..self.lanes.len()).filter(|lane| *lane != own);
        let found = others()
            .find(|lane| self.join(*lane, false))
            .or_else(|| self.join(own, true).then_some(own))
            .or_else(|| others().find(|lane| self.join(*lane, true)));
        affinity.lane = found.unwrap_or(own);
        found.is_some()
    }

    fn join(&self, number: usize, may_stand_by: bool) -> bool {
        let lane = &self.lanes[number];
        let may_pull = |pulling: usize| {
            let is_wanted = pulling == 0
                || (may_stand_by
                    && pulling < self.most_pulling
                    && self.engine.is_pull_waiting(number));
            (is_wanted && !lane.is_closed.load(SeqCst)).then_some(pulling + 1)
        };
        lane.pulling.fetch_update(SeqCst, SeqCst, may_pull).is_ok()
    }

    /// Wakes another thread where what is about to run, or what is left in the queue, is longer than a handover. Where it
    /// is not, somebody has to look whether it turns out longer: who stands by, or else the monitor.
    #[inline]
    pub(super) fn wake_one_before(&self, job: &Job, from: usize, affinity: &mut Affinity) {
        if job.expected > HANDOVER {
            affinity.look_around();
        }
        self.see_to(affinity.lane, job.expected);
        if from != affinity.lane {
            self.see_to(from, Duration::ZERO);
        }
        // It may have been woken to lead elsewhere.
        let may_be_missed = affinity.is_free || job.expected > HANDOVER;
        if self.lanes.len() > 1 && may_be_missed && self.lanes.iter().any(Lane::has_no_leader) {
            self.have_it_watched();
        }
    }

    /// The same for one lane, which this thread may be away from for as long as is expected.
    #[inline]
    fn see_to(&self, number: usize, expected: Duration) {
        let lane = &self.lanes[number];
        let leaves_work = lane.queue.expected() > HANDOVER;
        let nobody_pulls = lane.pulling.load(SeqCst) == 0;
        if leaves_work || (nobody_pulls && expected > HANDOVER) {
            self.wake_one();
        } else if nobody_pulls {
            self.have_it_watched();
        } else if !lane.queue.is_empty() {
            self.engine.wake_within(number, TICK);
        }
    }

    /// Has somebody see whether anybody pulls after a tick: the monitor, or where nobody rests, somebody who stands by at
    /// another reactor.
    fn have_it_watched(&self) {
        self.idle.wake_monitor();
        if self.lanes.len() > 1
            && self.idle.is_empty()
            && let Some(lane) = self.lane_with_standby()
        {
            self.engine.wake_within(lane, TICK);
        }
    }

    /// Wakes a thread that rests; or one that pulls, which may have to take from the queue or to lead elsewhere.
    pub(super) fn wake_one(&self) {
        if self.idle.wake_one() || self.most_pulling == 1 {
            return;
        }
        if self.lanes.len() > 1
            && let Some(lane) = self.lane_with_standby()
        {
            return self.engine.wake(lane);
        }
        if self.running() < self.slots() {
            let is_pulled = |lane: &Lane| lane.pulling.load(SeqCst) > 0;
            self.engine
                .wake(self.lanes.iter().position(is_pulled).unwrap_or(0));
        }
    }

    /// A reactor that has a second thread, which can be had for another.
    fn lane_with_standby(&self) -> Option<usize> {
        let mut lanes = self.lanes.iter();
        lanes.position(|lane| lane.pulling.load(SeqCst) > 1)
    }

    /// Nothing will come from this reactor any more: who stands by there is free.
    #[cold]
    pub(super) fn close(&self, number: usize) {
        self.lanes[number].is_closed.store(true, SeqCst);
        let is_closed = |lane: &Lane| lane.is_closed.load(SeqCst);
        match self.lanes.iter().all(is_closed) {
            true => _ = self.flags.fetch_or(CLOSED, SeqCst),
            false => self.engine.wake(number),
        }
    }

    /// How many handlers may run at once.
    pub(crate) fn slots(&self) -> usize {
        self.slots.load(Relaxed)
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.lanes[0].running.used()
    }

    /// How many requests may run or wait at once: `WORKERS` + `QUEUE_CAPACITY`.
    pub(crate) fn most_admitted(&self) -> usize {
        self.lanes[0].admitted.most()
    }

    /// How many jobs wait for a slot.
    pub(super) fn queued(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum()
    }

    /// How many requests wait: for a slot, or for their turn to compute.
    pub(super) fn waiting(&self) -> usize {
        self.queued() + self.computing.len()
    }

    /// Returns the time in nanoseconds since the pool's birth.
    #[inline]
    pub(super) fn note_progress(&self, lane: usize, now: Instant) -> u64 {
        let now = nanos(now - self.born);
        self.lanes[lane].last_progress.store(now, Relaxed);
        now
    }
}
