//! Requests whose handlers compute: no more of them run at once than there are CPUs to compute on.
//!
//! More of them make nothing faster. Each takes CPU time from the others, and a thread that goes on with the next request
//! leaves behind those that have begun theirs before and wait for a CPU: so who came last is answered first. Measured
//! under half a CPU, 32 connections and 1 ms of computing a request: the same number of requests a second, and a 99th
//! percentile of 90 ms where it had been 190 ms with 16 at once. Handlers that wait for something are not concerned; which
//! ones they are, samples tell ([`CpuUse`](crate::message::route::CpuUse)).

use super::{Pool, answers::STALL, queue::Job};
use crate::{
    engine::{Exchange, Ready},
    message::refusal::Refusal,
    observe::metrics::counts::{Counts, Shed},
};
use std::{
    collections::VecDeque,
    mem,
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

/// What a handler waits for that was taken for one that computes holds up others for no longer.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// Who computes now, and who waits for their turn.
pub(super) struct ComputingLimit {
    most: AtomicUsize,
    turns: Mutex<Turns>,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
}

/// A request that waits for its turn, or has it.
pub(super) struct Computing {
    pub(super) exchange: Box<dyn Exchange>,
    pub(super) since: Instant,
    pub(super) expected: Duration,
    /// Where it came from.
    pub(super) lane: usize,
}

#[derive(Default)]
struct Turns {
    running: usize,
    waiting: VecDeque<Computing>,
    /// When somebody last had their turn.
    last: Option<Instant>,
    /// How long a turn takes, as an average.
    usual: Duration,
    /// When to look next, as it was told.
    next_look: Option<Instant>,
    /// The end of the last stall.
    resumed: Option<Instant>,
}

/// What there is to do after a look.
#[derive(Default)]
struct Found {
    /// Whose turn it is.
    turns: Vec<Computing>,
    /// Who has waited for too long.
    expired: Vec<Computing>,
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
    fn admit(&self, request: Computing, now: Instant) -> Option<Computing> {
        let mut turns = self.lock();
        if turns.waiting.is_empty() && turns.running < self.most.load(Relaxed) {
            turns.begin(now);
            return Some(request);
        }
        turns.waiting.push_back(request);
        self.note(&turns);
        None
    }

    /// One has ended, after so long: returns the one whose turn it is.
    fn end(&self, took: Duration, now: Instant) -> Option<Computing> {
        let mut turns = self.lock();
        turns.running -= 1;
        turns.usual = (turns.usual * 7 + took) / 8;
        let next = (turns.running < self.most.load(Relaxed)).then(|| turns.next(now));
        self.note(&turns);
        next.flatten()
    }

    /// Looks who has waited for too long, and whether nobody has ended for so long that one who runs must be waiting for
    /// something, and another may run.
    fn look(&self, now: Instant, queue_timeout: Duration) -> Found {
        let mut turns = self.lock();
        let mut found = Found::default();
        if turns.next_look.is_some_and(|look| now > look + STALL) {
            turns.resumed = Some(now);
            turns.last = Some(now);
        }
        let resumed = turns.resumed;
        let expiry = |one: &Computing| one.since.max(resumed.unwrap_or(one.since)) + queue_timeout;
        while turns.running < self.most.load(Relaxed) || turns.overdue() <= Some(now) {
            match turns.next(now) {
                Some(next) => found.turns.push(next),
                None => break,
            }
        }
        while turns
            .waiting
            .front()
            .is_some_and(|first| expiry(first) <= now)
        {
            found.expired.extend(turns.waiting.pop_front());
        }
        let soonest = turns
            .waiting
            .front()
            .map(expiry)
            .into_iter()
            .chain(turns.overdue())
            .min();
        turns.next_look = soonest.filter(|_| !turns.waiting.is_empty());
        self.note(&turns);
        found
    }

    /// When to look again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        (!self.is_empty()).then(|| self.lock().next_look).flatten()
    }

    fn is_empty(&self) -> bool {
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
        self.note(&turns);
        waiting.into_iter().map(|one| Ready::Request(one.exchange))
    }

    fn note(&self, turns: &Turns) {
        self.waiting.store(turns.waiting.len(), SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn begin(&mut self, now: Instant) {
        self.running += 1;
        self.last = Some(now);
    }

    fn next(&mut self, now: Instant) -> Option<Computing> {
        let next = self.waiting.pop_front()?;
        self.begin(now);
        Some(next)
    }

    /// When somebody should have ended, in reason.
    fn overdue(&self) -> Option<Instant> {
        let patience = (4 * self.usual).clamp(LEAST_PATIENCE, MOST_PATIENCE);
        self.last.map(|last| last + patience)
    }
}

impl Pool {
    /// Queues a request whose handler computes, or has it wait for its turn.
    #[cold]
    pub(super) fn admit_computing(&self, request: Computing, now: Instant) {
        let lane = request.lane;
        match self.computing.admit(request, now) {
            Some(request) => self.enqueue_turn(request),
            // For who stands by, should this thread be away then.
            None => self.engine.wake_within(lane, LEAST_PATIENCE),
        }
    }

    /// Gives the turn of a request that has run since then to the next.
    #[cold]
    pub(super) fn pass_turn(&self, began: Instant) {
        let now = Instant::now();
        if let Some(next) = self.computing.end(now - began, now) {
            self.enqueue_turn(next);
            self.note_left();
        }
    }

    /// Does what is due for those who wait for their turn; for who leads.
    #[inline]
    pub(super) fn see_to_computing(&self, now: Instant, counts: &Counts) {
        if !self.computing.is_empty() {
            self.look_for_turns(now, counts);
        }
    }

    #[cold]
    fn look_for_turns(&self, now: Instant, counts: &Counts) {
        let queue_timeout = self.dispatcher.live.queue_timeout.get();
        let Found { turns, expired } = self.computing.look(now, queue_timeout);
        for next in turns {
            self.enqueue_turn(next);
            self.note_left();
        }
        for Computing { exchange, lane, .. } in expired {
            self.lanes[lane].admitted.subtract(1);
            self.shed(
                exchange,
                Refusal::WAITED_TOO_LONG,
                Shed::QueueTimeout,
                counts,
            );
        }
    }

    fn enqueue_turn(&self, request: Computing) {
        self.lanes[request.lane].queue.push(Job {
            ready: Ready::Request(request.exchange),
            since: request.since,
            expected: request.expected,
            computes: true,
        });
    }
}

#[cfg(test)]
mod tests;
