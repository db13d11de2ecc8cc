//! The jobs that wait for a slot, first come, first served.

use crate::engine::Ready;
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

/// A request with its place in the queue, or a streamed response that goes on.
pub(super) struct Job {
    pub(super) ready: Ready,
    pub(super) since: Instant,
    /// How long it is expected to take.
    pub(super) expected: Duration,
    /// Its turn among those that compute, which the next gets when it ends.
    pub(super) turn: Option<TurnId>,
}

/// By which a turn to compute is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TurnId(pub(super) u64);

impl Job {
    fn expected_nanos(&self) -> u64 {
        nanos(self.expected)
    }
}

/// Bounded by what the pool admits, and so not by itself.
///
/// Nearly always one thread puts a job in and takes it out again: a lock that nobody else holds costs less than a
/// channel between threads, and what is beside it on its cache line is had with it.
#[derive(Default)]
pub(super) struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    /// How many there are, to be read without the lock.
    len: AtomicUsize,
    /// What is expected of them together, in nanoseconds; to be read without the lock too.
    expected_nanos: AtomicU64,
}

impl Queue {
    pub(super) fn push(&self, job: Job) {
        let mut jobs = self.lock();
        self.expect(|nanos| nanos + job.expected_nanos());
        jobs.push_back(job);
        self.len.store(jobs.len(), SeqCst);
    }

    /// Puts a job in that has come before others which are in there.
    pub(super) fn insert(&self, job: Job) {
        let mut jobs = self.lock();
        self.expect(|nanos| nanos + job.expected_nanos());
        let place = jobs.partition_point(|other| other.since <= job.since);
        jobs.insert(place, job);
        self.len.store(jobs.len(), SeqCst);
    }

    pub(super) fn pop(&self) -> Option<Job> {
        let mut jobs = self.lock();
        let job = jobs.pop_front()?;
        self.expect(|nanos| nanos - job.expected_nanos());
        // Nobody waits for there to be fewer.
        self.len.store(jobs.len(), Relaxed);
        Some(job)
    }

    /// When the job came that is next.
    pub(super) fn oldest(&self) -> Option<Instant> {
        if self.is_empty() {
            return None;
        }
        self.lock().front().map(|job| job.since)
    }

    /// Shows each job to `look`, with the queue locked.
    pub(super) fn for_each(&self, mut look: impl FnMut(&mut Ready)) {
        self.lock().iter_mut().for_each(|job| look(&mut job.ready));
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long the jobs in it are expected to take together.
    pub(super) fn expected(&self) -> Duration {
        Duration::from_nanos(self.expected_nanos.load(Relaxed))
    }

    /// For whoever holds the lock, so that nothing comes between reading and writing.
    fn expect(&self, change: impl FnOnce(u64) -> u64) {
        let nanos = self.expected_nanos.load(Relaxed);
        self.expected_nanos.store(change(nanos), Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    // Not by `as_nanos`, which multiplies in 128 bits: this is asked several times a request.
    duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos())
}
