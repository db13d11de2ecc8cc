//! Spans that have ended on their way to the collector: a bounded queue that no request waits for, and a thread of its own
//! behind it.
//!
//! The thread is woken twice for a batch: for its first span, and when it is full or has waited long enough. While there
//! are none it sleeps without a timer.

use super::{
    deliver::{Delivery, GivenUp},
    encode::{self, Encoder, PartialSuccess, Spans},
    environment::Exporting,
    span::SpanData,
};
use crate::{
    observe::metrics::exposition::{Exposition, Kind},
    spawn,
};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How long a process that ends waits for a collector that has not taken the batch before in time: long enough for one that
/// is back.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How often it is logged that spans are lost, and how many.
const LOSSES_INTERVAL: Duration = Duration::from_secs(60);

static EXPORTER: OnceLock<Arc<Exporter>> = OnceLock::new();

/// Has spans sent from here on, for the rest of the process, by the thread `otlp-export`. `service` and `version` are for
/// what the environment says nothing of.
///
/// # Errors
/// Where there is no thread for it, or one already.
pub(crate) fn start(settings: &Exporting, service: &str, version: &str) -> io::Result<()> {
    let another = || io::Error::other("spans are exported already");
    if EXPORTER.get().is_some() {
        return Err(another());
    }
    let started = Exporter::start(settings, service, version)?;
    EXPORTER.set(started).map_err(|_| another())
}

/// Takes a span that has ended, or counts that it is lost. Never waits for the collector; a no-op where there is none.
pub(crate) fn submit(span: SpanData) {
    if let Some(exporter) = EXPORTER.get() {
        exporter.submit(&span);
    }
}

/// Sends at once what was submitted before, and waits for that: until the deadline, `OTEL_BSP_EXPORT_TIMEOUT` long, or until
/// the collector does not take a batch in time, whichever is first. How many spans were neither sent nor given up.
pub(crate) fn flush(deadline: Instant) -> u64 {
    EXPORTER
        .get()
        .map_or(0, |exporter| exporter.flush(deadline))
}

/// How many spans the collector has taken.
pub(crate) fn exported() -> u64 {
    EXPORTER.get().map_or(0, |exporter| exporter.counts().0)
}

/// How many spans were lost.
pub(crate) fn dropped() -> Dropped {
    EXPORTER
        .get()
        .map_or_else(Dropped::default, |exporter| exporter.counts().1)
}

/// Tells a scrape how many of either there are, where spans are exported.
pub(crate) fn write(out: &mut Exposition) {
    if EXPORTER.get().is_none() {
        return;
    }
    let name = "seaworthy_spans_exported";
    out.family(Kind::Counter, name, "Spans that the collector has taken.");
    out.sample(&[], exported());
    let name = "seaworthy_spans_dropped";
    out.family(Kind::Counter, name, "Spans that were lost.");
    let dropped = dropped();
    out.sample(&[("reason", "queue_full")], dropped.queue_full);
    out.sample(&[("reason", "export_failed")], dropped.export_failed);
}

/// Spans that were lost, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) queue_full: u64,
    pub(crate) export_failed: u64,
}

/// The queue, which those who submit share with the thread.
struct Exporter {
    queue: Mutex<Queue>,
    /// That there is a first span, a full batch or a flush.
    work: Condvar,
    /// That another batch is behind us.
    settled: Condvar,
    capacity: usize,
    batch_size: usize,
    delay: Duration,
    export_timeout: Duration,
    exported: AtomicU64,
    queue_full: AtomicU64,
    export_failed: AtomicU64,
}

#[derive(Default)]
struct Queue {
    /// Each but the last is full.
    batches: VecDeque<Spans>,
    waiting: usize,
    /// How many were ever taken into the queue, and how many of these were sent or given up.
    submitted: u64,
    settled: u64,
    /// Up to which of them none is to wait for others.
    flushed: u64,
    /// How many batches in a row the collector has not taken in time.
    timeouts: u64,
}

impl Queue {
    fn push(&mut self, encoded: &[u8], batch_size: usize) {
        match self.batches.back_mut() {
            Some(last) if last.count() < batch_size => last.append(encoded),
            _ => {
                let mut batch = Spans::default();
                batch.append(encoded);
                self.batches.push_back(batch);
            }
        }
        self.waiting += 1;
        self.submitted += 1;
    }
}

impl Exporter {
    fn start(settings: &Exporting, service: &str, version: &str) -> io::Result<Arc<Exporter>> {
        let exporter = Arc::new(Exporter {
            queue: Mutex::default(),
            work: Condvar::new(),
            settled: Condvar::new(),
            capacity: settings.max_queue_size,
            batch_size: settings.max_batch_size,
            delay: settings.schedule_delay,
            export_timeout: settings.export_timeout,
            exported: AtomicU64::new(0),
            queue_full: AtomicU64::new(0),
            export_failed: AtomicU64::new(0),
        });
        let encoder = Encoder::new(resource(settings, service, version));
        let mut delivery = Delivery::new(settings);
        let working = Arc::clone(&exporter);
        spawn::named("otlp-export", move || working.run(&encoder, &mut delivery))?;
        Ok(exporter)
    }

    /// The span is encoded here: what it is made of is freed by the thread that has allocated it, for which allocators are
    /// made, and musl's alone takes several times as long where it is another.
    fn submit(&self, span: &SpanData) {
        let encoded = encode::span(span);
        let mut queue = self.queue();
        if queue.waiting >= self.capacity {
            self.queue_full.fetch_add(1, Relaxed);
            return;
        }
        queue.push(&encoded, self.batch_size);
        let waiting = queue.waiting;
        drop(queue);
        if waiting == 1 || waiting == self.batch_size {
            self.work.notify_one();
        }
    }

    fn flush(&self, deadline: Instant) -> u64 {
        let mut queue = self.queue();
        let (submitted, timeouts) = (queue.submitted, queue.timeouts);
        queue.flushed = submitted;
        self.work.notify_one();
        let longest = match timeouts {
            0 => self.export_timeout,
            _ => self.export_timeout.min(LAST_CHANCE),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let is_going_on =
            |queue: &mut Queue| queue.settled < submitted && queue.timeouts <= timeouts;
        let waited = self
            .settled
            .wait_timeout_while(queue, left.min(longest), is_going_on);
        let queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        submitted.saturating_sub(queue.settled)
    }

    fn run(&self, encoder: &Encoder, delivery: &mut Delivery) {
        let mut losses = Losses::default();
        loop {
            let batch = self.next_batch();
            let count = batch.count() as u64;
            let result = delivery.deliver(&encoder.request(&batch));
            let rejected = match &result {
                Ok(partial) => partial.as_ref().map_or(0, |partial| partial.rejected),
                Err(_) => count,
            };
            let rejected = rejected.min(count);
            self.exported.fetch_add(count - rejected, Relaxed);
            self.export_failed.fetch_add(rejected, Relaxed);
            self.settle(count, matches!(result, Err(GivenUp::TimedOut(_))));
            losses.tell(self.counts().1, &result);
        }
    }

    fn settle(&self, count: u64, has_timed_out: bool) {
        let mut queue = self.queue();
        queue.settled += count;
        queue.timeouts = match has_timed_out {
            true => queue.timeouts + 1,
            false => 0,
        };
        drop(queue);
        self.settled.notify_all();
    }

    /// Waits for the first span, and then for others as long as the delay and the size of a batch allow.
    fn next_batch(&self) -> Spans {
        let queue = self.queue();
        let first = self.work.wait_while(queue, |queue| queue.waiting == 0);
        let queue = first.unwrap_or_else(PoisonError::into_inner);
        let is_early =
            |queue: &mut Queue| queue.waiting < self.batch_size && queue.flushed <= queue.settled;
        let due = self.work.wait_timeout_while(queue, self.delay, is_early);
        let mut queue = due.unwrap_or_else(PoisonError::into_inner).0;
        let batch = queue.batches.pop_front().unwrap_or_default();
        queue.waiting -= batch.count();
        batch
    }

    fn counts(&self) -> (u64, Dropped) {
        let dropped = Dropped {
            queue_full: self.queue_full.load(Relaxed),
            export_failed: self.export_failed.load(Relaxed),
        };
        (self.exported.load(Relaxed), dropped)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the spans are of. The attributes of the SDK are always this library's own.
fn resource<'a>(
    settings: &'a Exporting,
    service: &'a str,
    version: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let own = [
        ("telemetry.sdk.name", "seaworthy"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let given = settings.resource.iter();
    let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
    let is_own = |name: &str| own.iter().any(|(known, _)| *known == name);
    let mut resource: Vec<_> = given.filter(|(name, _)| !is_own(name)).collect();
    for (name, value) in [("service.name", service), ("service.version", version)] {
        if !resource.iter().any(|(known, _)| *known == name) {
            resource.push((name, value));
        }
    }
    resource.extend(own);
    resource
}

/// What was told of spans that are lost.
#[derive(Default)]
struct Losses {
    told: Option<(Instant, Dropped)>,
}

impl Losses {
    /// Logs what was lost since it was last told, at most once in a while.
    fn tell(&mut self, dropped: Dropped, result: &Result<Option<PartialSuccess>, GivenUp>) {
        let (at, before) = self.told.unzip();
        let before = before.unwrap_or_default();
        let is_soon = at.is_some_and(|at| at.elapsed() < LOSSES_INTERVAL);
        if dropped == before || is_soon {
            return;
        }
        self.told = Some((Instant::now(), dropped));
        let reason = match result {
            Err(given_up) => given_up.reason(),
            Ok(Some(partial)) => partial.message.as_str(),
            Ok(None) => "the queue was full",
        };
        log::warn!(
            export_failed = dropped.export_failed - before.export_failed,
            queue_full = dropped.queue_full - before.queue_full,
            reason = reason;
            "spans are lost: the collector does not take them"
        );
    }
}

#[cfg(test)]
mod tests;
