//! What one thread counts for itself.
//!
//! Each thread that answers requests has a table that it alone writes, in plain loads and stores, so that a request
//! locks nothing and shares no cache line. Its rows are found by the index of the request's route, which is known since
//! the route was added. Whoever scrapes adds the tables up.

use super::exposition::Exemplar;
use http::{Method, StatusCode};
use std::{
    sync::{
        Mutex, OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

/// The buckets of OpenTelemetry's `http.server.request.duration`, in nanoseconds and as they are written.
const DURATIONS: [u64; 14] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];
pub(crate) const DURATION_BOUNDS: [&str; 14] = [
    "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0",
    "7.5", "10.0",
];
const SIZES: [u64; 4] = [1 << 10, 1 << 14, 1 << 18, 1 << 22];
pub(crate) const SIZE_BOUNDS: [&str; 4] = ["1024.0", "16384.0", "262144.0", "4194304.0"];

/// What every method is called that does not stand for itself, or clients would make up labels.
pub(crate) const OTHER: &str = "_OTHER";

/// The methods that stand for themselves, by their codes.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];

/// A method by its place in [`METHODS`].
pub(crate) fn method_code(method: &Method) -> u8 {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        Method::CONNECT => 8,
        _ => METHODS.len() as u8,
    }
}

pub(crate) fn method_name(code: u8) -> &'static str {
    METHODS.get(usize::from(code)).unwrap_or(&OTHER)
}

/// Adds to what only this thread writes.
fn add(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
}

/// How many values lie up to each bound and beyond the last one, and their sum.
struct Histogram<const BUCKETS: usize> {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl<const BUCKETS: usize> Default for Histogram<BUCKETS> {
    fn default() -> Self {
        Histogram {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
        }
    }
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    /// Returns the bucket.
    fn record(&self, bounds: &[u64], value: u64) -> usize {
        let bucket = bounds.iter().position(|bound| value <= *bound);
        let bucket = bucket.unwrap_or(BUCKETS - 1);
        add(&self.counts[bucket], 1);
        add(&self.sum, value);
        bucket
    }

    fn add_to(&self, total: &mut Sum<BUCKETS>) {
        for (total, count) in total.counts.iter_mut().zip(&self.counts) {
            *total += count.load(Relaxed);
        }
        total.sum += self.sum.load(Relaxed);
    }
}

/// A histogram of all threads together. The buckets hold none of one another's.
#[derive(Clone)]
pub(crate) struct Sum<const BUCKETS: usize> {
    pub(crate) counts: [u64; BUCKETS],
    pub(crate) sum: u64,
}

impl<const BUCKETS: usize> Default for Sum<BUCKETS> {
    fn default() -> Self {
        Sum {
            counts: [0; BUCKETS],
            sum: 0,
        }
    }
}

/// What distinguishes the requests of one route. A status of 0 stands for those that a route has too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) method: u8,
    pub(crate) status: u16,
}

impl Key {
    pub(crate) fn of(method: &Method, status: StatusCode) -> Key {
        Key {
            method: method_code(method),
            status: status.as_u16(),
        }
    }
}

/// How many series a route may have on a thread before statuses are counted together: a handler may answer any of
/// hundreds.
const MOST_SERIES: usize = 64;

/// The answered requests of one route, method and status.
struct Series {
    key: Key,
    duration: Histogram<15>,
    received: Histogram<5>,
    sent: Histogram<5>,
    exemplar: Mutex<Option<Exemplar>>,
    next: OnceLock<Box<Series>>,
}

impl Series {
    fn new(key: Key) -> Box<Series> {
        Box::new(Series {
            key,
            duration: Histogram::default(),
            received: Histogram::default(),
            sent: Histogram::default(),
            exemplar: Mutex::default(),
            next: OnceLock::new(),
        })
    }
}

/// An answered request.
pub(crate) struct Answered {
    /// None outside every route.
    pub(crate) route: Option<usize>,
    pub(crate) key: Key,
    pub(crate) took: Duration,
    /// The body's bytes.
    pub(crate) received: u64,
    /// The body's bytes; none where they are counted once they are sent.
    pub(crate) sent: Option<u64>,
    /// The trace that it belongs to, where that is sampled.
    pub(crate) trace_id: Option<u128>,
}

/// Written by one thread.
#[repr(align(64))]
pub(crate) struct Counts {
    /// By the route's index; the last is for requests outside every route.
    routes: Box<[OnceLock<Box<Series>>]>,
    shed: [AtomicU64; SHED.len()],
    waited: Histogram<15>,
    /// The method of the request that the thread answers, plus one; 0 for none.
    active: AtomicU64,
}

/// Why a request was told 503 instead of being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    QueueFull,
    QueueTimeout,
    Memory,
    Starting,
    Connections,
}

/// As the label has them, in the enum's order.
pub(crate) const SHED: [&str; 5] = [
    "queue_full",
    "queue_timeout",
    "memory",
    "starting",
    "connections",
];

impl Counts {
    pub(super) fn new(routes: usize) -> Counts {
        Counts {
            routes: (0..=routes).map(|_| OnceLock::new()).collect(),
            shed: Default::default(),
            waited: Histogram::default(),
            active: AtomicU64::new(0),
        }
    }

    /// Counts an answered request. For the thread that the table belongs to.
    pub(crate) fn record(&self, answered: &Answered) {
        let series = self.series(answered.route, answered.key);
        let nanos = answered.took.as_nanos() as u64;
        series.duration.record(&DURATIONS, nanos);
        series.received.record(&SIZES, answered.received);
        if let Some(sent) = answered.sent {
            series.sent.record(&SIZES, sent);
        }
        if let Some(trace_id) = answered.trace_id
            && let Ok(mut exemplar) = series.exemplar.try_lock()
        {
            *exemplar = Some(Exemplar { trace_id, nanos });
        }
    }

    /// Counts the body of a response that has been sent.
    pub(super) fn record_sent(&self, route: Option<usize>, key: Key, bytes: u64) {
        self.series(route, key).sent.record(&SIZES, bytes);
    }

    pub(crate) fn record_shed(&self, why: Shed) {
        add(&self.shed[why as usize], 1);
    }

    pub(crate) fn record_wait(&self, waited: Duration) {
        self.waited.record(&DURATIONS, waited.as_nanos() as u64);
    }

    /// The thread runs a request of this method from now on.
    pub(crate) fn begin(&self, method: &Method) {
        self.active
            .store(u64::from(method_code(method)) + 1, Release);
    }

    pub(crate) fn end(&self) {
        self.active.store(0, Release);
    }

    /// The method, by its code, of the request that the thread runs.
    pub(super) fn active(&self) -> Option<u8> {
        let active = self.active.load(Acquire).checked_sub(1)?;
        Some(active as u8)
    }

    fn series(&self, route: Option<usize>, key: Key) -> &Series {
        let outside = self.routes.len() - 1;
        let first = &self.routes[route.unwrap_or(outside).min(outside)];
        let mut series = first.get_or_init(|| Series::new(key));
        let mut seen = 1;
        while series.key != key {
            let together = Key { status: 0, ..key };
            let wanted = if seen < MOST_SERIES { key } else { together };
            series = series.next.get_or_init(|| Series::new(wanted));
            if series.key == together {
                break;
            }
            seen += 1;
        }
        series
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        let outside = self.routes.len() - 1;
        for (route, first) in self.routes.iter().enumerate() {
            let route = (route != outside).then_some(route);
            let mut next = first.get();
            while let Some(series) = next {
                let total = totals.of(route, series.key);
                series.duration.add_to(&mut total.duration);
                series.received.add_to(&mut total.received);
                series.sent.add_to(&mut total.sent);
                let exemplar = series.exemplar.lock().map_or(None, |exemplar| *exemplar);
                total.exemplar = exemplar.or(total.exemplar);
                next = series.next.get();
            }
        }
        for (total, shed) in totals.shed.iter_mut().zip(&self.shed) {
            *total += shed.load(Relaxed);
        }
        self.waited.add_to(&mut totals.waited);
    }
}

/// What all threads have counted together.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) requests: Vec<Total>,
    pub(crate) shed: [u64; SHED.len()],
    pub(crate) waited: Sum<15>,
}

/// The answered requests of one route, method and status.
pub(crate) struct Total {
    pub(crate) route: Option<usize>,
    pub(crate) key: Key,
    pub(crate) duration: Sum<15>,
    pub(crate) received: Sum<5>,
    pub(crate) sent: Sum<5>,
    pub(crate) exemplar: Option<Exemplar>,
}

impl Total {
    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.duration.counts.iter().sum()
    }

    /// The bucket that the exemplar lies in.
    pub(super) fn placed_exemplar(&self) -> Option<(usize, Exemplar)> {
        let exemplar = self.exemplar?;
        let bucket = DURATIONS.iter().position(|bound| exemplar.nanos <= *bound);
        Some((bucket.unwrap_or(DURATIONS.len()), exemplar))
    }
}

impl Totals {
    fn of(&mut self, route: Option<usize>, key: Key) -> &mut Total {
        let is_it = |total: &Total| total.route == route && total.key == key;
        let place = self.requests.iter().position(is_it).unwrap_or_else(|| {
            self.requests.push(Total {
                route,
                key,
                duration: Sum::default(),
                received: Sum::default(),
                sent: Sum::default(),
                exemplar: None,
            });
            self.requests.len() - 1
        });
        &mut self.requests[place]
    }
}
