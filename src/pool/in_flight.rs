//! Which requests are in flight, and how many were answered: for the drain report.

use crate::{
    engine::budget::Budget,
    message::{
        current_ids::{CurrentIds, Ids},
        request::Request,
    },
    observe::{
        latencies::{Latencies, Totals},
        metrics::counts::Counts,
    },
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

/// What the worker threads do, and have done.
#[derive(Default)]
pub(crate) struct InFlight {
    workers: Mutex<Workers>,
    drain: Mutex<Drain>,
}

#[derive(Default)]
struct Workers {
    working: Vec<Arc<Worker>>,
    /// What those have answered that have left.
    answered_before: u64,
    /// What those have counted.
    counted_before: Totals,
}

/// Written by one thread alone, in plain stores, and on a cache line of its own.
#[repr(align(64))]
pub(crate) struct Worker {
    /// The route of the request that it runs.
    running: AtomicUsize,
    /// When that began, in nanoseconds since the pool's birth. Written before, so that who sees the route sees no older
    /// time.
    since: AtomicU64,
    /// How many requests it has answered.
    answered: AtomicU64,
    /// What it counts for the metrics.
    pub(super) counts: Arc<Counts>,
    /// Its place among the threads.
    pub(super) number: usize,
    pub(super) latencies: Latencies,
    ids: CurrentIds,
}

/// What a worker thread does at one moment.
pub(crate) struct ThreadState {
    /// As in the thread's name, `worker-7`.
    pub(crate) number: usize,
    /// `None` while it waits, or drives the sockets.
    pub(crate) request: Option<RunningRequest>,
}

/// A request that a worker runs.
pub(crate) struct RunningRequest {
    /// The template of its route.
    pub(crate) route: String,
    /// When it began, in nanoseconds since the pool's birth.
    pub(crate) since: u64,
    pub(crate) ids: Ids,
}

/// What was answered since the service was told to stop.
#[derive(Default)]
struct Drain {
    /// By workers.
    finished: u64,
    /// The request that took longest, by its route.
    slowest: Option<(usize, Duration)>,
    /// What the engine had sent by then.
    sent_later_before: u64,
}

/// Requests that were answered, in numbers.
pub(crate) struct Answered {
    /// Since the service was started.
    pub(crate) in_all: u64,
    /// Since it was told to stop.
    pub(crate) in_drain: u64,
    /// The one of these that took longest, by its route's template.
    pub(crate) slowest: Option<(String, Duration)>,
}

const NOTHING: usize = usize::MAX;
const NO_ROUTE: usize = usize::MAX - 1;

/// What a request outside every route is called in the report.
const UNROUTED: &str = "(no route)";

impl InFlight {
    /// A thread begins to work: what it does from now on it notes here.
    pub(super) fn enter(&self, number: usize, counts: Arc<Counts>) -> Arc<Worker> {
        let worker = Arc::new(Worker {
            running: AtomicUsize::new(NOTHING),
            since: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            counts,
            number,
            latencies: Latencies::default(),
            ids: CurrentIds::of_this_thread(),
        });
        self.workers().working.push(Arc::clone(&worker));
        worker
    }

    /// A thread ends that has nothing to do; what it has answered still counts.
    pub(super) fn leave(&self, worker: &Arc<Worker>) {
        let mut workers = self.workers();
        workers.working.retain(|other| !Arc::ptr_eq(other, worker));
        workers.answered_before += worker.answered.load(Relaxed);
        workers.counted_before.add(&worker.latencies);
    }

    /// How long requests took so far, and how many failed.
    pub(super) fn totals(&self) -> Totals {
        let workers = self.workers();
        let mut totals = workers.counted_before.clone();
        for worker in &workers.working {
            totals.add(&worker.latencies);
        }
        totals
    }

    /// What each thread does. What is told of one may be of two requests, where one ended just now.
    pub(super) fn threads(&self, template: impl Fn(usize) -> String) -> Vec<ThreadState> {
        let state = |worker: &Arc<Worker>| {
            let route = worker.running.load(Acquire);
            let request = (route != NOTHING).then(|| RunningRequest {
                route: name(route, &template),
                since: worker.since.load(Relaxed),
                ids: worker.ids.get(),
            });
            ThreadState {
                number: worker.number,
                request,
            }
        };
        self.workers().working.iter().map(state).collect()
    }

    /// How many workers have run one request since then or longer.
    pub(crate) fn busy_since(&self, moment: u64) -> usize {
        let is_busy = |worker: &&Arc<Worker>| {
            worker.running.load(Acquire) != NOTHING && worker.since.load(Relaxed) <= moment
        };
        self.workers().working.iter().filter(is_busy).count()
    }

    /// Counts the request that a worker runs among those of the drain too.
    pub(super) fn note_finished(&self, worker: &Worker, took: Duration) {
        let route = worker.running.load(Relaxed);
        let mut drain = self.drain();
        drain.finished += 1;
        if drain.slowest.is_none_or(|(_, slowest)| took > slowest) {
            drain.slowest = Some((route, took));
        }
    }

    /// From now on, what the engine sends is sent in the drain; so many responses it has sent before, after the worker
    /// had left them to it.
    pub(crate) fn begin_drain(&self, sent_later: u64) {
        self.drain().sent_later_before = sent_later;
    }

    pub(super) fn answered_by_workers(&self) -> u64 {
        self.workers().answered()
    }

    /// What was answered, by workers and by the engine.
    pub(crate) fn answered(&self, sent_later: u64, template: impl Fn(usize) -> String) -> Answered {
        let by_workers = self.answered_by_workers();
        let drain = self.drain();
        Answered {
            in_all: by_workers + sent_later,
            in_drain: drain.finished + (sent_later - drain.sent_later_before),
            slowest: drain
                .slowest
                .map(|(route, took)| (name(route, template), took)),
        }
    }

    /// What runs now, by route.
    pub(crate) fn running(&self, template: impl Fn(usize) -> String) -> Vec<(String, usize)> {
        let mut counts = Vec::new();
        for worker in &self.workers().working {
            match worker.running.load(Relaxed) {
                NOTHING => {}
                route => count(&mut counts, &name(route, &template)),
            }
        }
        counts
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drain(&self) -> MutexGuard<'_, Drain> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workers {
    fn answered(&self) -> u64 {
        let working = self.working.iter();
        let now: u64 = working.map(|worker| worker.answered.load(Relaxed)).sum();
        self.answered_before + now
    }
}

impl Worker {
    /// Notes that this request runs now, since so many nanoseconds after the pool's birth.
    pub(super) fn begin(&self, request: &Request, since: u64) {
        let index = request.route.as_ref().map_or(NO_ROUTE, |route| route.index);
        self.counts.begin(request.method());
        self.since.store(since, Relaxed);
        self.running.store(index, Release);
    }

    /// Notes that a piece of this request's body is written now; it is counted already.
    pub(super) fn begin_piece(&self, request: &Request, since: u64) {
        let index = request.route.as_ref().map_or(NO_ROUTE, |route| route.index);
        self.since.store(since, Relaxed);
        self.running.store(index, Release);
    }

    /// Notes that it has ended.
    pub(super) fn end(&self) {
        self.running.store(NOTHING, Relaxed);
        self.counts.end();
    }

    /// Counts it as answered.
    pub(super) fn note_answered(&self) {
        self.answered
            .store(self.answered.load(Relaxed) + 1, Relaxed);
    }
}

fn name(route: usize, template: impl Fn(usize) -> String) -> String {
    match route {
        NOTHING | NO_ROUTE => UNROUTED.to_owned(),
        index => template(index),
    }
}

/// Adds one under this name.
pub(crate) fn count(counts: &mut Vec<(String, usize)>, name: &str) {
    let name = if name.is_empty() { UNROUTED } else { name };
    match counts.iter_mut().find(|(known, _)| known == name) {
        Some((_, count)) => *count += 1,
        None => counts.push((name.to_owned(), 1)),
    }
}

/// A request's place among those that may run or wait, which was counted already; dropped, it is free.
pub(crate) struct Admission<'a>(&'a Budget);

impl Admission<'_> {
    pub(crate) fn of(admitted: &Budget) -> Admission<'_> {
        Admission(admitted)
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.0.subtract(1);
    }
}
