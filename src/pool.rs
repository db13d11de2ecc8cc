//! The worker pool: who pulls requests from the engine, who runs them, who waits and who is turned away.
//!
//! There are `WORKERS` slots and one thread more. Every thread does the same: it takes a request from the queue while
//! a slot is free, and where the queue is empty and nobody else does, it takes the *seat* and pulls from the engine.
//! So the thread that pulled a request usually runs it too, on a warm cache and without waking anybody, which for
//! short handlers costs the least CPU by far. With one thread more than slots there is always one to pull, to answer
//! probes and to shed.
//!
//! Driving must not serialise work, so whoever is about to run what takes longer than handing it over rings for
//! another thread first: when its own handler is expected to be long, or what it leaves behind in the queue is
//! ([`HANDOVER`], against the route's [`Cost`](crate::router::Cost)). A handler that was expected to be short and is
//! not is noticed by the *standby*, the one idle thread that looks again and again while there is traffic: a seat left
//! empty, or a queue left full, for a whole [`TICK`] is its own to take.
//!
//! Measured on two cores, eight connections, the load generator on the same cores: with eight slots, handlers of 5 ms
//! were answered 1.96 times as often as with one, of 1 ms 1.86 times, of 200 µs 1.76 times (the generator took 5 % of
//! both cores) and of 50 µs 1.43 times (it took 12 %); the CPU time per request was within 5 % of one slot's. A request
//! behind a handler that was expected to be short and blocked was answered after 0.60 to 0.85 ms.

mod ending;

use crate::{
    app::App,
    engine::{Engine, Exchange, Pulled, Ready},
    idle::{Idle, Need},
    ledger::{Admission, Ledger},
    panics,
    response::{Body, Response},
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

/// What it costs to hand work to another thread: the wake-up, the switch, and its cold caches. Work that is expected
/// to be shorter is not worth handing over.
const HANDOVER: Duration = Duration::from_micros(40);

/// How long the seat may be left empty while nobody begins a job, and how long the standby rests between two looks. A
/// request behind a handler that was wrongly expected to be short waits little longer, and less than a millisecond.
const TICK: Duration = Duration::from_micros(500);

/// A request with its place in the queue, or a streamed response that goes on.
struct Job {
    ready: Ready,
    since: Instant,
    expected: Duration,
}

/// The slots, the queue and the roles. Shared by all worker threads and the main thread.
pub(crate) struct Pool {
    app: Arc<App>,
    engine: Box<dyn Engine>,
    slots: AtomicUsize,
    /// Requests that may be running or waiting at once: `WORKERS` + `QUEUE_CAPACITY`.
    most_admitted: usize,
    queue_timeout: Duration,
    /// Bounded by `most_admitted`, which counts what is running too, so the channel need not be.
    queue: (Sender<Job>, Receiver<Job>),
    /// What is expected of the queue's jobs together, in nanoseconds.
    queued_nanos: AtomicU64,
    admitted: AtomicUsize,
    running: AtomicUsize,
    seat: Mutex<Seat>,
    seat_is_taken: AtomicBool,
    born: Instant,
    /// When somebody last left the seat or began a job, in nanoseconds since `born`: the standby sees by it whether
    /// anything goes on.
    stirred: AtomicU64,
    closed: AtomicBool,
    idle: Idle,
    pub(crate) ledger: Ledger,
}

/// What belongs to the thread that pulls.
#[derive(Default)]
struct Seat {
    ready: Vec<Ready>,
    /// When the longest-waiting job in the queue may be over `QUEUE_TIMEOUT`.
    expiry: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(
        app: Arc<App>,
        engine: Box<dyn Engine>,
        workers: usize,
        queue_capacity: usize,
        queue_timeout: Duration,
    ) -> Arc<Pool> {
        Arc::new(Pool {
            app,
            engine,
            slots: AtomicUsize::new(workers),
            most_admitted: workers + queue_capacity,
            queue_timeout,
            queue: unbounded(),
            queued_nanos: AtomicU64::new(0),
            admitted: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            seat: Mutex::default(),
            seat_is_taken: AtomicBool::new(false),
            born: Instant::now(),
            stirred: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            idle: Idle::default(),
            ledger: Ledger::new(workers + 1),
        })
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.load(Relaxed)
    }

    /// For want of threads.
    pub(crate) fn reduce_slots(&self, slots: usize) {
        self.slots.store(slots, Relaxed);
    }

    /// One thread's life.
    pub(crate) fn work(&self, number: usize) {
        loop {
            while let Some(job) = self.take() {
                self.ring_before(&job);
                self.run(job, number);
            }
            if self.closed.load(SeqCst) {
                self.idle.dismiss_all();
                return;
            }
            match self.take_seat() {
                Some(seat) => self.drive_caught(seat),
                None if self.idle.rest(|| self.needs_a_hand()) => self.lend_a_hand(),
                None => {}
            }
        }
    }

    /// The seat or the queue was left alone: another thread is rung for what waits, and this one takes the seat, or each
    /// handler in turn that blocks would cost the probes a tick.
    fn lend_a_hand(&self) {
        self.idle.ring();
        if let Some(seat) = self.take_seat() {
            self.drive_caught(seat);
        }
    }

    /// A job and a slot to run it in, if there are both.
    fn take(&self) -> Option<Job> {
        if self.queue.1.is_empty() {
            return None;
        }
        let free = |running| (running < self.slots()).then_some(running + 1);
        self.running.fetch_update(SeqCst, SeqCst, free).ok()?;
        match self.queue.1.try_recv() {
            Ok(job) => {
                self.queued_nanos.fetch_sub(nanos(job.expected), SeqCst);
                Some(job)
            }
            Err(_) => {
                self.running.fetch_sub(1, SeqCst);
                None
            }
        }
    }

    fn take_seat(&self) -> Option<MutexGuard<'_, Seat>> {
        let seat = match self.seat.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.seat_is_taken.store(true, SeqCst);
        Some(seat)
    }

    /// Nothing in there is meant to panic; should something do so all the same, one pull is lost and not the service.
    fn drive_caught(&self, seat: MutexGuard<'_, Seat>) {
        if let Err(panicked) = panics::catch(|| self.drive(seat)) {
            self.seat_is_taken.store(false, SeqCst);
            log::error!(panic:% = panicked; "a panic while driving the engine");
        }
    }

    /// Pulls once and deals with what came: probes are answered, the rest is queued or shed.
    fn drive(&self, mut seat: MutexGuard<'_, Seat>) {
        let mut ready = mem::take(&mut seat.ready);
        if self.engine.pull(seat.expiry, &mut ready) == Pulled::Closed {
            self.closed.store(true, SeqCst);
        }
        let now = Instant::now();
        for one in ready.drain(..) {
            self.admit(one, now);
        }
        seat.ready = ready;
        seat.expiry = match seat.expiry {
            _ if self.queue.1.is_empty() => None,
            Some(expiry) if expiry <= now => self.shed_expired(now),
            Some(expiry) => Some(expiry),
            None => Some(now + self.queue_timeout),
        };
        self.stir(now);
        self.seat_is_taken.store(false, SeqCst);
        drop(seat);
        if !self.queue.1.is_empty() {
            self.idle.alert();
        }
    }

    /// Answers, queues or sheds what was pulled, on the thread that pulled it.
    fn admit(&self, ready: Ready, now: Instant) {
        let mut exchange = match ready {
            // Reading goes on until the client takes no more, and may block.
            Ready::Stream(_) => return self.enqueue(ready, now, 2 * HANDOVER),
            Ready::Request(exchange) => exchange,
        };
        let is_reserve = exchange.is_reserve();
        if let Some(answer) = self.app.answer_at_once(exchange.request(), is_reserve) {
            // A connection beyond the limit must not stay: it would be told 503 for as long as it lives.
            exchange.respond(answer, is_reserve || self.app.control.is_stopping());
            return;
        }
        if self.admitted.fetch_add(1, SeqCst) >= self.most_admitted {
            self.admitted.fetch_sub(1, SeqCst);
            self.shed(exchange, "overloaded");
            return;
        }
        let expected = exchange
            .request()
            .route
            .as_ref()
            .map_or(Duration::ZERO, |route| route.cost.expected());
        self.enqueue(Ready::Request(exchange), now, expected);
    }

    fn enqueue(&self, ready: Ready, since: Instant, expected: Duration) {
        self.queued_nanos.fetch_add(nanos(expected), SeqCst);
        let sent = self.queue.0.send(Job {
            ready,
            since,
            expected,
        });
        debug_assert!(sent.is_ok(), "the pool holds the receiver itself");
    }

    /// Wakes another thread where what is about to run, or what is left in the queue, is longer than a handover.
    fn ring_before(&self, job: &Job) {
        let leaves_work = self.queued_nanos.load(SeqCst) > nanos(HANDOVER);
        let leaves_seat = job.expected > HANDOVER && !self.seat_is_taken.load(SeqCst);
        if leaves_work || leaves_seat {
            self.idle.ring();
        }
    }

    /// Runs a job in its slot, and gives the slot back whatever happens.
    fn run(&self, job: Job, number: usize) {
        let was_admitted = matches!(job.ready, Ready::Request(_));
        let admission = was_admitted.then(|| Admission::of(&self.admitted));
        // The handler has a boundary of its own, which answers 500. This one is for what else is not ours: a body's
        // reader, a destructor.
        if let Err(panicked) = panics::catch(|| self.run_job(job, number, admission)) {
            log::error!(panic:% = panicked; "a panic outside the handler cut a connection");
        }
        self.ledger.end(number);
        self.running.fetch_sub(1, SeqCst);
    }

    fn run_job(&self, job: Job, number: usize, admission: Option<Admission<'_>>) {
        let started = Instant::now();
        self.stir(started);
        let mut exchange = match job.ready {
            Ready::Stream(mut exchange) => {
                self.ledger.begin(number, exchange.request());
                return exchange.stream();
            }
            Ready::Request(exchange) => exchange,
        };
        if started.duration_since(job.since) > self.queue_timeout {
            return self.shed(exchange, "waited too long for a worker");
        }
        self.ledger.begin(number, exchange.request());
        if let Err(refusal) = exchange.complete() {
            exchange.respond(*refusal, true);
            return;
        }
        let handling = Instant::now();
        let response = self.app.handle(exchange.request());
        let took = handling.elapsed();
        if let Some(route) = &exchange.request().route {
            route.cost.record(took);
        }
        self.app.log_access(exchange.request(), &response, took);
        let stopping = self.app.control.is_stopping();
        let finished = stopping.then(|| exchange.request().route.clone());
        if !matches!(response.body, Body::Stream(..)) {
            // Before the client has its answer and can ask again, or its next request might find its own place taken.
            drop(admission);
        }
        self.respond(exchange, response);
        if let Some(route) = finished {
            self.ledger.finished(route.as_deref(), started.elapsed());
        }
    }

    fn respond(&self, exchange: Box<dyn Exchange>, response: Response) {
        exchange.respond(response, self.app.control.is_stopping());
    }

    /// Turns a request away. `why` is what its client reads.
    fn shed(&self, mut exchange: Box<dyn Exchange>, why: &'static str) {
        let response = Response::unavailable(why);
        self.app
            .log_access(exchange.request(), &response, Duration::ZERO);
        self.respond(exchange, response);
    }

    /// Sheds what has waited longer than `QUEUE_TIMEOUT`, and says when to look again. What has not keeps its order.
    fn shed_expired(&self, now: Instant) -> Option<Instant> {
        let mut oldest = None;
        for _ in 0..self.queue.1.len() {
            let Ok(job) = self.queue.1.try_recv() else {
                break;
            };
            match job.ready {
                Ready::Request(exchange) if now.duration_since(job.since) >= self.queue_timeout => {
                    self.queued_nanos.fetch_sub(nanos(job.expected), SeqCst);
                    self.admitted.fetch_sub(1, SeqCst);
                    self.shed(exchange, "waited too long for a worker");
                }
                ready => {
                    if matches!(ready, Ready::Request(_)) {
                        oldest = oldest.or(Some(job.since + self.queue_timeout));
                    }
                    let sent = self.queue.0.send(Job { ready, ..job });
                    debug_assert!(sent.is_ok(), "the pool holds the receiver itself");
                }
            }
        }
        oldest
    }

    fn stir(&self, now: Instant) {
        self.stirred.store(nanos(now - self.born), Relaxed);
    }

    /// What the standby sees: whether anything goes on, and if not, whether all is in hands.
    fn needs_a_hand(&self) -> Need {
        let stirred = Duration::from_nanos(self.stirred.load(Relaxed));
        let still_for = self.born.elapsed().saturating_sub(stirred);
        if self.closed.load(SeqCst) {
            return Need::Now;
        }
        if still_for < TICK {
            return Need::Soon(TICK - still_for);
        }
        let work_waits = !self.queue.1.is_empty() && self.running.load(SeqCst) < self.slots();
        match self.seat_is_taken.load(SeqCst) && !work_waits {
            true => Need::Nothing,
            false => Need::Now,
        }
    }

    pub(crate) fn stop_accepting(&self) {
        self.engine.stop_accepting();
    }

    pub(crate) fn local_addr(&self) -> std::net::SocketAddr {
        self.engine.local_addr()
    }
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}
