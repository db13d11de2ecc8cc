//! The worker pool: who pulls requests from the engine, who runs them, who waits and who is turned away.
//!
//! The pattern is Leader/Followers (Schmidt, O'Ryan, Kircher and Pyarali, 2000). There are `WORKERS` slots and one
//! thread more. Every thread does the same: it takes a request from the queue while a slot is free, and where the
//! queue is empty and there is no *leader*, it becomes the leader and pulls from the engine. So the thread that pulled
//! a request usually runs it too, on a warm cache and without waking anybody, which for short handlers costs the least
//! CPU by far. With one thread more than slots there is always one to pull, to answer probes and to shed.
//!
//! Pulling must not serialise work, so whoever is about to run what takes longer than handing it over wakes another
//! thread first: when its own handler is expected to be long and nobody pulls, or what it leaves behind in the queue is
//! long ([`HANDOVER`], against the route's [`Cost`](crate::message::route::Cost)).
//!
//! There are only as many threads as handlers have ever run at once, and one more: the last that runs none never takes a
//! request, but finds that one waits and begins another thread first ([`threads`]). So a pool that has grown to three
//! threads works as one of two slots does, and one whose system gives no more threads stays one.
//!
//! A handler that was expected to be short and is not must hold up nobody either. The native engine lets a second
//! thread *stand by*: it waits on the same sockets, and the kernel wakes it only for what comes while the leader is not
//! there. That costs nothing while handlers are what they are expected to be. What was left in the queue is the
//! standby's after a [`TICK`], by a timer that ends its wait. Where nobody stands by (with `tiny_http`; in dense traffic,
//! where something always comes in between) the *monitor* does what Go's sysmon does: the one idle thread that looks
//! again and again while there is traffic. A pool in which nobody pulls, or a queue left full, for a whole tick is its
//! own to take.
//!
//! Measured on two cores, eight connections, the load generator on the same cores: with eight slots, handlers of 5 ms
//! were answered 1.96 times as often as with one, of 1 ms 1.86 times, of 200 µs 1.76 times (the generator took 5 % of
//! both cores) and of 50 µs 1.43 times (it took 12 %); the CPU time per request was within 5 % of one slot's. A request
//! behind a handler that was expected to be short and blocked was answered after 0.03 to 0.08 ms, with tiny_http after
//! 0.69 to 1.1 ms.

mod answers;
pub(crate) mod deferred;
pub(crate) mod dispatcher;
mod ending;
mod idle;
pub(crate) mod in_flight;
mod leader;
mod leading;
mod metrics;
mod monitor;
pub(crate) mod overview;
mod pacing;
mod parking;
mod pieces;
mod queue;
pub(crate) mod resize;
mod roster;
mod saturation;
mod scrapes;
pub(crate) mod threads;
mod uploads;
mod writers;

use crate::{
    engine::{Engine, Ready},
    message::{body::Body, log_context::Scope},
    observe::{metrics::counts::Shed, panics},
};
use deferred::parked::LazyRegistry;
use dispatcher::Dispatcher;
use idle::IdleThreads;
use in_flight::{Admission, InFlight, Worker};
use leader::{Leader, RefusedRequests};
use pacing::Pacing;
use queue::{Job, Queue, nanos};
use roster::Roster;
use scrapes::Scrapes;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};
use uploads::Uploads;
use writers::Writers;

/// What it costs to hand work to another thread: the wake-up, the switch, and its cold caches. Work that is expected
/// to be shorter is not worth handing over.
const HANDOVER: Duration = Duration::from_micros(40);

/// How long nobody may pull while nobody begins a job, and how long the monitor rests between two looks. A request behind
/// a handler that was wrongly expected to be short waits little longer where nobody stands by.
const TICK: Duration = Duration::from_micros(500);

/// Whose request has waited longer may have given up, and is asked; a busy pool's queue of short handlers is shorter.
const LONG_WAIT: Duration = Duration::from_millis(10);

/// Nothing will come any more: every thread ends.
const CLOSED: u8 = 1;

/// There are more threads than there should be: as many end as are too many.
const TOO_MANY: u8 = 2;

/// Uploads rest, and are to go on when that is over.
const UPLOADS_REST: u8 = 4;

/// The slots, the queue and the roles. Shared by all worker threads and the main thread.
pub(crate) struct Pool {
    dispatcher: Arc<Dispatcher>,
    engine: Box<dyn Engine>,
    slots: AtomicUsize,
    /// Requests that may be running or waiting at once: `WORKERS` + `QUEUE_CAPACITY`.
    most_admitted: AtomicUsize,
    /// Bounded by `most_admitted`, which counts what is running too.
    queue: Queue,
    admitted: AtomicUsize,
    running: AtomicUsize,
    leader: Mutex<Leader>,
    /// How many threads pull from the engine: the leader, and who stands by.
    pulling: AtomicUsize,
    /// How many may.
    most_pulling: usize,
    born: Instant,
    /// When a leader last pulled or a job began, in nanoseconds since `born`: the monitor sees by it whether anything
    /// goes on.
    last_progress: AtomicU64,
    /// What a thread looks at before it pulls: [`CLOSED`], [`TOO_MANY`], [`UPLOADS_REST`].
    flags: AtomicU8,
    roster: Roster,
    idle: IdleThreads,
    in_flight: InFlight,
    writers: Arc<Writers>,
    /// Where answers are awaited, from the first on.
    deferred_answers: LazyRegistry,
    scrapes: Scrapes,
    uploads: Uploads,
    pacing: Pacing,
}

impl Pool {
    pub(crate) fn new(
        dispatcher: Arc<Dispatcher>,
        engine: Box<dyn Engine>,
        workers: usize,
        queue_capacity: usize,
    ) -> Arc<Pool> {
        Arc::new(Pool {
            dispatcher,
            slots: AtomicUsize::new(workers),
            most_admitted: AtomicUsize::new(workers + queue_capacity),
            queue: Queue::default(),
            admitted: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            leader: Mutex::default(),
            pulling: AtomicUsize::new(0),
            most_pulling: 1 + usize::from(engine.serves_two()),
            engine,
            born: Instant::now(),
            last_progress: AtomicU64::new(0),
            flags: AtomicU8::new(0),
            roster: Roster::default(),
            idle: IdleThreads::default(),
            in_flight: InFlight::default(),
            writers: Writers::new(),
            deferred_answers: LazyRegistry::default(),
            scrapes: Scrapes::default(),
            uploads: Uploads::default(),
            pacing: Pacing::default(),
        })
    }

    pub(crate) fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.load(Relaxed)
    }

    /// The life of the thread of this number.
    fn work(self: &Arc<Self>, number: usize) {
        self.writers.serve_this_thread();
        let counts = self.dispatcher.http_counts.enter();
        let worker = self.in_flight.enter(number, counts);
        let mut ready = Vec::new();
        loop {
            while let Some(job) = self.take() {
                self.wake_one_before(&job);
                self.run(job, &worker);
            }
            if self.flags.load(SeqCst) != 0 && self.ends(number) {
                self.dispatcher.http_counts.leave(&worker.counts);
                return self.in_flight.leave(&worker);
            }
            // Where it is to step in although work waits, nobody takes from the queue: another thread does, and this one
            // pulls, or each handler in turn that blocks would cost the probes a tick. Where no other rests, this one
            // takes, and one more begins.
            let work_waits = || !self.queue.is_empty() && self.idle.wake_one();
            if self.begin_pulling()
                || (self.idle.rest(|| self.look()) && work_waits() && self.begin_pulling())
            {
                // What came since this thread looked may be nobody else's to take.
                if !self.queue.is_empty() && self.running.load(SeqCst) < self.slots() {
                    self.pulling.fetch_sub(1, SeqCst);
                    continue;
                }
                self.lead_caught(&mut ready, &worker);
            }
        }
    }

    /// A job and a slot to run it in, if there are both.
    fn take(self: &Arc<Self>) -> Option<Job> {
        if self.queue.is_empty() {
            return None;
        }
        let free = |running| (running < self.roster.open_slots()).then_some(running + 1);
        while self.running.fetch_update(SeqCst, SeqCst, free).is_err() {
            if !self.grow() {
                return None;
            }
        }
        let job = self.queue.pop();
        if job.is_none() {
            self.running.fetch_sub(1, SeqCst);
        }
        job
    }

    /// Leads, where nobody does; or stands by, where the leader waits and nobody stands by.
    fn begin_pulling(&self) -> bool {
        let may_pull = |pulling: usize| {
            let is_wanted =
                pulling == 0 || (pulling < self.most_pulling && self.engine.is_pull_waiting());
            is_wanted.then_some(pulling + 1)
        };
        self.pulling.fetch_update(SeqCst, SeqCst, may_pull).is_ok()
    }

    /// Nothing in there is meant to panic; should something do so all the same, one pull is lost and not the service.
    fn lead_caught(&self, ready: &mut Vec<Ready>, worker: &Worker) {
        let led = panics::catch(|| self.lead(ready, worker));
        self.pulling.fetch_sub(1, SeqCst);
        if let Err(panicked) = led {
            log::error!(panic:% = panicked; "a panic while driving the engine");
        }
    }

    /// Answers, queues or refuses what was pulled, on the thread that pulled it.
    fn admit(&self, ready: Ready, now: Instant, refused: &mut RefusedRequests, worker: &Worker) {
        let exchange = match ready {
            // Reading goes on until the client takes no more, and may block, as a destructor may.
            Ready::Stream(_) | Ready::Discarded(_) => {
                return self.enqueue(ready, now, 2 * HANDOVER);
            }
            Ready::Piece(exchange) => return self.admit_piece(exchange, now),
            Ready::Request(exchange) => exchange,
        };
        let Some(mut exchange) = self.answer_at_once(exchange, &worker.counts) else {
            return;
        };
        if !exchange.has_room_for_response() {
            return refused.push(exchange, Shed::Memory);
        }
        if self.admitted.fetch_add(1, SeqCst) >= self.most_admitted.load(Relaxed) {
            self.admitted.fetch_sub(1, SeqCst);
            return refused.push(exchange, Shed::QueueFull);
        }
        let expected = exchange
            .request()
            .route
            .as_ref()
            .map_or(Duration::ZERO, |route| route.cost.expected());
        self.enqueue(Ready::Request(exchange), now, expected);
    }

    fn enqueue(&self, ready: Ready, since: Instant, expected: Duration) {
        self.queue.push(Job {
            ready,
            since,
            expected,
        });
    }

    /// Wakes another thread where what is about to run, or what is left in the queue, is longer than a handover. Where it
    /// is not, somebody has to look whether it turns out longer: who stands by, or else the monitor.
    fn wake_one_before(&self, job: &Job) {
        let leaves_work = self.queue.expected() > HANDOVER;
        let nobody_pulls = self.pulling.load(SeqCst) == 0;
        if leaves_work || (nobody_pulls && job.expected > HANDOVER) {
            self.wake_one();
        } else if nobody_pulls {
            self.idle.wake_monitor();
        } else if !self.queue.is_empty() {
            self.engine.wake_within(TICK);
        }
    }

    /// Wakes a thread that rests; or one that pulls, which may have to take from the queue.
    fn wake_one(&self) {
        let has_slot = || self.running.load(SeqCst) < self.slots();
        if !self.idle.wake_one() && self.most_pulling > 1 && has_slot() {
            self.engine.wake();
        }
    }

    /// Runs a job in its slot, and gives the slot back whatever happens.
    fn run(&self, job: Job, worker: &Worker) {
        let was_admitted = matches!(job.ready, Ready::Request(_));
        let admission = was_admitted.then(|| Admission::of(&self.admitted));
        // The handler has a boundary of its own, which answers 500. This one is for what else is not ours: a body's
        // reader, a destructor.
        if let Err(panicked) = panics::catch(|| self.run_job(job, worker, admission)) {
            log::error!(panic:% = panicked; "a panic outside the handler cut a connection");
        }
        worker.end();
        self.running.fetch_sub(1, SeqCst);
    }

    fn run_job(&self, job: Job, worker: &Worker, admission: Option<Admission<'_>>) {
        let started = Instant::now();
        let since = self.note_progress(started);
        let mut exchange = match job.ready {
            Ready::Stream(mut exchange) => {
                let request = exchange.request();
                let _scope = Scope::enter(request.logged_route()).traced(request.known_trace());
                worker.begin(exchange.request(), since);
                if exchange.stream() {
                    self.note_answered(worker, started, self.dispatcher.state.is_stopping());
                }
                return;
            }
            Ready::Piece(exchange) => return self.take_piece(exchange, worker, since),
            Ready::Discarded(what) => return drop(what),
            Ready::Request(exchange) => exchange,
        };
        if !exchange.has_room_for_response() {
            // Others have taken it since this one was admitted.
            drop(admission);
            return exchange.put_back();
        }
        let _scope = Scope::enter(exchange.request().logged_route());
        let waited = started - job.since;
        if waited > LONG_WAIT && exchange.is_reset() {
            log::debug!(
                "the client has reset its connection while its request waited: it is not run"
            );
            return;
        }
        worker.counts.record_wait(waited);
        let request = exchange.request();
        worker.begin(request, since);
        // Kept, since a layer may do what it likes to its request.
        let index = request.route.as_ref().map(|route| route.index);
        let (response, took) = self.dispatcher.handle(request, started);
        let route = index.map(|index| self.dispatcher.application.route(index));
        if let Some(route) = route {
            route.cost.record(took);
        }
        if let Body::Pending(_) = response.body {
            // As below: it may be answered in there, or by another worker before this one comes back.
            drop(admission);
            return self.begin_upload(exchange, response, worker, started);
        }
        if !matches!(response.body, Body::Stream(..)) {
            // Before the client has its answer and can ask again, or its next request might find its own place taken.
            drop(admission);
        }
        if let Body::Deferred(_) = response.body {
            return self.park(exchange, response, started, since);
        }
        self.note_ended(worker, request, &response, since, took);
        // Asked before its client has the answer, and may send a signal for it.
        let is_in_drain = self.dispatcher.state.is_stopping();
        if self.answer(exchange, response, took, false, &worker.counts) {
            self.note_answered(worker, started, is_in_drain);
        }
    }

    fn note_answered(&self, worker: &Worker, started: Instant, is_in_drain: bool) {
        worker.note_answered();
        if is_in_drain {
            self.in_flight.note_finished(worker, started.elapsed());
        }
    }

    /// Returns the time in nanoseconds since `born`.
    fn note_progress(&self, now: Instant) -> u64 {
        let now = nanos(now - self.born);
        self.last_progress.store(now, Relaxed);
        now
    }

    fn is_closed(&self) -> bool {
        self.flags.load(SeqCst) & CLOSED != 0
    }

    pub(crate) fn local_addr(&self) -> std::net::SocketAddr {
        self.engine.local_addr()
    }
}
