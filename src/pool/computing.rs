//! Requests whose handlers compute: no more of them run at once than there are CPUs to compute on.
//!
//! More of them make nothing faster. Each takes CPU time from the others, and a thread that goes on with the next request
//! leaves behind those that have begun theirs before and wait for a CPU: so who came last is answered first. Measured
//! under half a CPU, 32 connections and 1 ms of computing a request: the same number of requests a second, and a 99th
//! percentile of 90 ms where it had been 190 ms with 16 at once. Handlers that wait for something are not concerned; which
//! ones they are, samples tell ([`CpuUse`](crate::message::route::CpuUse)).

use super::{leader::STALL, queue::TurnId};
use crate::engine::{Exchange, Ready};
use std::{
    collections::VecDeque,
    iter, mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

/// The least time in which one of those that run should have ended. Longer than a CPU quota keeps a thread from running.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// A handler that was taken for one that computes, and waits for something, holds up others for no longer.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// Who computes now, and who waits for their turn.
pub(super) struct ComputingLimit {
    most: AtomicUsize,
    turns: Mutex<Turns>,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
}

/// A request that waits for its turn, or has it.
pub(super) struct ComputingRequest {
    pub(super) exchange: Box<dyn Exchange>,
    pub(super) since: Instant,
    pub(super) expected: Duration,
    /// Where it came from.
    pub(super) lane: usize,
}

#[derive(Default)]
struct Turns {
    /// Whose turn it is, since when.
    running: Vec<(TurnId, Instant)>,
    waiting: VecDeque<ComputingRequest>,
    /// How many turns there have been.
    count: u64,
    /// How long a turn takes, as an average.
    usual: Duration,
    /// When to look next, as it was told.
    next_look: Option<Instant>,
    /// The end of the last stall.
    resumed: Option<Instant>,
}

/// What there is to do after a look.
#[derive(Default)]
pub(super) struct Found {
    /// Whose turn it is.
    pub(super) turns: Vec<(TurnId, ComputingRequest)>,
    /// Who has waited for too long.
    pub(super) expired: Vec<ComputingRequest>,
    /// When somebody has to look again, and where the first comes from that waits.
    pub(super) next_look: Option<(Instant, usize)>,
}

impl ComputingLimit {
    /// So many may compute at once.
    pub(super) fn new(most: usize) -> ComputingLimit {
        ComputingLimit {
            most: AtomicUsize::new(most),
            turns: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    pub(super) fn set_most(&self, most: usize) {
        self.most.store(most, Relaxed);
    }

    /// Gives the request back if it may run now.
    pub(super) fn admit(
        &self,
        request: ComputingRequest,
        now: Instant,
    ) -> Option<(TurnId, ComputingRequest)> {
        let mut turns = self.lock();
        turns.waiting.push_back(request);
        let next = match turns.waiting.len() {
            1 => turns.next(self.most.load(Relaxed), now),
            _ => None,
        };
        self.note(&mut turns);
        next
    }

    /// A turn has ended, after so long if it ran at all: returns the next.
    pub(super) fn end(
        &self,
        turn: TurnId,
        took: Option<Duration>,
        now: Instant,
    ) -> Option<(TurnId, ComputingRequest)> {
        let mut turns = self.lock();
        turns.running.retain(|(running, _)| *running != turn);
        if let Some(took) = took {
            turns.usual = (turns.usual * 7 + took) / 8;
        }
        let next = turns.next(self.most.load(Relaxed), now);
        self.note(&mut turns);
        next
    }

    /// Looks whose turn takes so long that it must wait for something: it counts no longer, and the next has its own. And
    /// looks who has waited for too long.
    pub(super) fn look(&self, now: Instant, queue_timeout: Duration) -> Found {
        let mut turns = self.lock();
        let mut found = Found::default();
        if turns.next_look.is_some_and(|look| now > look + STALL) {
            turns.resumed = Some(now);
            turns.running.iter_mut().for_each(|(_, began)| *began = now);
        }
        let patience = turns.patience();
        turns.running.retain(|(_, began)| *began + patience > now);
        found.turns = iter::from_fn(|| turns.next(self.most.load(Relaxed), now)).collect();
        let resumed = turns.resumed;
        let expiry =
            |one: &ComputingRequest| one.since.max(resumed.unwrap_or(one.since)) + queue_timeout;
        while turns
            .waiting
            .front()
            .is_some_and(|first| expiry(first) <= now)
        {
            found.expired.extend(turns.waiting.pop_front());
        }
        let overdue = turns
            .running
            .iter()
            .map(|(_, began)| *began + patience)
            .min();
        found.next_look = turns.waiting.front().map(|first| {
            let expiry = expiry(first);
            (
                overdue.map_or(expiry, |overdue| overdue.min(expiry)),
                first.lane,
            )
        });
        turns.next_look = found.next_look.map(|(time, _)| time);
        self.note(&mut turns);
        found
    }

    /// When to look again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        (!self.is_empty()).then(|| self.lock().next_look).flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// Shows each that waits to `look`.
    pub(super) fn for_each(&self, mut look: impl FnMut(&mut dyn Exchange)) {
        let mut turns = self.lock();
        turns
            .waiting
            .iter_mut()
            .for_each(|one| look(&mut *one.exchange));
    }

    /// All who wait, for good.
    pub(super) fn take_waiting(&self) -> impl Iterator<Item = Ready> {
        let mut turns = self.lock();
        let waiting = mem::take(&mut turns.waiting);
        self.note(&mut turns);
        waiting.into_iter().map(|one| Ready::Request(one.exchange))
    }

    fn note(&self, turns: &mut Turns) {
        self.waiting.store(turns.waiting.len(), SeqCst);
        if turns.waiting.is_empty() {
            turns.next_look = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    /// Gives the first that waits its turn, if fewer have theirs than may.
    fn next(&mut self, most: usize, now: Instant) -> Option<(TurnId, ComputingRequest)> {
        if self.running.len() >= most {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.count += 1;
        let turn = TurnId(self.count);
        self.running.push((turn, now));
        Some((turn, next))
    }

    /// In which somebody who computes should have ended.
    fn patience(&self) -> Duration {
        (4 * self.usual).clamp(LEAST_PATIENCE, MOST_PATIENCE)
    }
}

#[cfg(test)]
mod tests;
