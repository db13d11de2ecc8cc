//! Who is running what, and what was finished since the signal: for the drain report.

use crate::{request::Request, router::Route};
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
pub(crate) struct Ledger {
    running: Vec<AtomicUsize>,
    drained: Mutex<Drained>,
}

#[derive(Default)]
struct Drained {
    finished: u64,
    slowest: Option<(String, Duration)>,
}

const NOTHING: usize = usize::MAX;
const NO_ROUTE: usize = usize::MAX - 1;

/// What a request outside every route is called in the report.
const UNROUTED: &str = "(no route)";

impl Ledger {
    pub(crate) fn new(threads: usize) -> Ledger {
        Ledger {
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

    /// How many were answered since the signal, and the slowest of them.
    pub(crate) fn totals(&self) -> (u64, Option<(String, Duration)>) {
        let drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        (drained.finished, drained.slowest.clone())
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
