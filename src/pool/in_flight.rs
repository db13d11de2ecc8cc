//! Which requests are in flight, and what was finished since the signal: for the drain report.

use crate::message::{request::Request, route::Route};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

/// One entry a worker thread, written by it alone: two plain stores a request.
pub(crate) struct InFlight {
    running: Vec<AtomicUsize>,
    drained: Mutex<Drained>,
}

/// What became of the requests that were in flight when the service was told to stop, or came after that.
#[derive(Clone, Default)]
pub(crate) struct Drained {
    /// How many were answered.
    pub(crate) finished: u64,
    /// The one that took longest, by its route, and how long.
    pub(crate) slowest: Option<(String, Duration)>,
    /// What the deadline cut off: the route's template, or what the connection was doing, and how many.
    pub(crate) abandoned: Vec<(String, usize)>,
}

const NOTHING: usize = usize::MAX;
const NO_ROUTE: usize = usize::MAX - 1;

/// What a request outside every route is called in the report.
const UNROUTED: &str = "(no route)";

impl InFlight {
    pub(crate) fn new(threads: usize) -> InFlight {
        InFlight {
            running: (0..threads).map(|_| AtomicUsize::new(NOTHING)).collect(),
            drained: Mutex::default(),
        }
    }

    /// Notes that worker `number` runs this request now.
    pub(crate) fn begin(&self, number: usize, request: &Request) {
        let index = request.route.as_ref().map_or(NO_ROUTE, |route| route.index);
        self.running[number].store(index, Relaxed);
    }

    /// Notes that it has ended.
    pub(crate) fn end(&self, number: usize) {
        self.running[number].store(NOTHING, Relaxed);
    }

    /// Counts a request that was answered after the signal.
    pub(crate) fn finished(&self, route: Option<&Route>, took: Duration) {
        let mut drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        drained.finished += 1;
        if drained
            .slowest
            .as_ref()
            .is_none_or(|(_, slowest)| took > *slowest)
        {
            let template = route.map_or(UNROUTED, |route| &route.template);
            drained.slowest = Some((template.to_owned(), took));
        }
    }

    /// What was answered since the signal.
    pub(crate) fn drained(&self) -> Drained {
        self.drained
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What runs now, by route.
    pub(crate) fn running(&self, template: impl Fn(usize) -> String) -> Vec<(String, usize)> {
        let mut counts = Vec::new();
        for entry in &self.running {
            match entry.load(Relaxed) {
                NOTHING => {}
                NO_ROUTE => count(&mut counts, UNROUTED),
                index => count(&mut counts, &template(index)),
            }
        }
        counts
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
