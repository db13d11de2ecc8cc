//! Which requests are in flight, and how many were answered: for the drain report.

use crate::message::request::Request;
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

/// What the worker threads do, and have done.
pub(crate) struct InFlight {
    workers: Vec<Worker>,
    drain: Mutex<Drain>,
}

/// Written by one thread alone, in plain stores, and on a cache line of its own.
#[repr(align(64))]
struct Worker {
    /// The route of the request that it runs.
    running: AtomicUsize,
    /// How many requests it has answered.
    answered: AtomicU64,
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
    pub(crate) fn new(threads: usize) -> InFlight {
        let worker = |_| Worker {
            running: AtomicUsize::new(NOTHING),
            answered: AtomicU64::new(0),
        };
        InFlight {
            workers: (0..threads).map(worker).collect(),
            drain: Mutex::default(),
        }
    }

    /// Notes that worker `number` runs this request now.
    pub(crate) fn begin(&self, number: usize, request: &Request) {
        let index = request.route.as_ref().map_or(NO_ROUTE, |route| route.index);
        self.workers[number].running.store(index, Relaxed);
    }

    /// Notes that it has ended.
    pub(crate) fn end(&self, number: usize) {
        self.workers[number].running.store(NOTHING, Relaxed);
    }

    /// Counts the request that worker `number` runs as answered.
    pub(crate) fn note_answered(&self, number: usize) {
        let answered = &self.workers[number].answered;
        answered.store(answered.load(Relaxed) + 1, Relaxed);
    }

    /// Counts it among those of the drain too.
    pub(crate) fn note_finished(&self, number: usize, took: Duration) {
        let route = self.workers[number].running.load(Relaxed);
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

    /// What was answered, by workers and by the engine.
    pub(crate) fn answered(&self, sent_later: u64, template: impl Fn(usize) -> String) -> Answered {
        let by_workers: u64 = self
            .workers
            .iter()
            .map(|worker| worker.answered.load(Relaxed))
            .sum();
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
        for worker in &self.workers {
            match worker.running.load(Relaxed) {
                NOTHING => {}
                route => count(&mut counts, &name(route, &template)),
            }
        }
        counts
    }

    fn drain(&self) -> MutexGuard<'_, Drain> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
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
pub(crate) struct Admission<'a>(&'a AtomicUsize);

impl Admission<'_> {
    pub(crate) fn of(admitted: &AtomicUsize) -> Admission<'_> {
        Admission(admitted)
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
