//! The worker pool: who pulls requests from the engine, who runs them, who waits and who is turned away.
//!
//! The pattern is Leader/Followers (Schmidt, O'Ryan, Kircher and Pyarali, 2000). There are `WORKERS` slots and, where the
//! engine has one reactor, one thread more. Every thread does the same: it takes a request from the queue while a slot is
//! free, and where the queue is empty and there is no *leader*, it becomes the leader and pulls from the engine. So the
//! thread that pulled a request usually runs it too, on a warm cache and without waking anybody, which for short handlers
//! costs the least CPU by far. With one thread more than slots there is always one to pull, to answer probes and to shed.
//!
//! Pulling must not serialise work, so whoever is about to run what takes longer than handing it over wakes another
//! thread first: when its own handler is expected to be long and nobody pulls, or what it leaves behind in the queue is
//! long ([`HANDOVER`], against the route's [`Cost`](crate::message::route::Cost)).
//!
//! There are only as many threads as handlers have ever run at once, and one more (for each reactor): the last that runs
//! none never takes a request, but finds that one waits and begins another thread first ([`threads`]). So a pool that has
//! grown to three threads works as one of two slots does, and one whose system gives no more threads stays one.
//!
//! A handler that was expected to be short and is not must hold up nobody either. The native engine lets a second
//! thread *stand by*: it waits on the same sockets, and the kernel wakes it only for what comes while the leader is not
//! there. That costs nothing while handlers are what they are expected to be. What was left in the queue is the
//! standby's after a [`TICK`], by a timer that ends its wait. Where nobody stands by (with `tiny_http`; in dense traffic,
//! where something always comes in between) the *monitor* does what Go's sysmon does: the one idle thread that looks
//! again and again while there is traffic. A pool in which nobody pulls, or a queue left full, for a whole tick is its
//! own to take.
//!
//! Where the engine has several reactors, each has a leader, a standby and a queue (a [`Lane`]), so that leaders share no
//! cache line that is written for each request; slots, threads and what may wait are everybody's. There is one thread more
//! than slots for each reactor, so that none is without a leader while every slot is blocked.
//!
//! Measured on two cores, eight connections, the load generator on the same cores: with eight slots, handlers of 5 ms
//! were answered 1.96 times as often as with one, of 1 ms 1.86 times, of 200 µs 1.76 times (the generator took 5 % of
//! both cores) and of 50 µs 1.43 times (it took 12 %); the CPU time per request was within 5 % of one slot's. A request
//! behind a handler that was expected to be short and blocked was answered after 0.03 to 0.08 ms, with tiny_http after
//! 0.69 to 1.1 ms.

mod answers;
mod computing;
mod cpu_use;
pub(crate) mod deferred;
pub(crate) mod dispatcher;
mod ending;
mod idle;
pub(crate) mod in_flight;
mod lanes;
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
mod roles;
mod roster;
mod saturation;
mod scrapes;
pub(crate) mod threads;
mod turns;
mod uploads;
mod writers;

use crate::{
    engine::{Engine, Ready},
    message::{body::Body, log_context::Scope},
    observe::{metrics::counts::Shed, panics},
};
use computing::{ComputingLimit, ComputingRequest};
use cpu_use::CpuClock;
use deferred::parked::LazyRegistry;
use dispatcher::Dispatcher;
use idle::IdleThreads;
use in_flight::{Admission, InFlight, Worker};
use lanes::{Affinity, Lane};
use leader::RefusedRequests;
use pacing::Pacing;
use queue::{Job, nanos};
use roster::Roster;
use scrapes::Scrapes;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst},
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

/// A handler that takes so long is worth a look whether it computes meanwhile, which takes some microseconds.
const LONG: Duration = Duration::from_micros(200);

/// Sending so many bytes takes some microseconds, which is no more than sending few; sixteen times as many take long.
const LARGE: u64 = 16 * 1024;

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
    /// How many handlers may run at once.
    slots: AtomicUsize,
    /// One for each reactor.
    lanes: Box<[Lane]>,
    /// Somebody had to leave a job in its queue, for want of a slot. Only where there are several lanes.
    was_left: AtomicBool,
    /// How many threads may pull from one reactor.
    most_pulling: usize,
    born: Instant,
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
    computing: ComputingLimit,
    pacing: Pacing,
}

impl Pool {
    pub(crate) fn new(
        dispatcher: Arc<Dispatcher>,
        engine: Box<dyn Engine>,
        workers: usize,
        queue_capacity: usize,
        computing: usize,
    ) -> Arc<Pool> {
        Arc::new(Pool {
            dispatcher,
            slots: AtomicUsize::new(workers),
            lanes: Lane::all(engine.reactors(), workers, queue_capacity),
            was_left: AtomicBool::new(false),
            most_pulling: 1 + usize::from(engine.serves_two()),
            engine,
            born: Instant::now(),
            flags: AtomicU8::new(0),
            roster: Roster::default(),
            idle: IdleThreads::default(),
            in_flight: InFlight::default(),
            writers: Writers::new(),
            deferred_answers: LazyRegistry::default(),
            scrapes: Scrapes::default(),
            uploads: Uploads::default(),
            computing: ComputingLimit::new(computing),
            pacing: Pacing::default(),
        })
    }

    pub(crate) fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// The life of the thread of this number.
    fn work(self: &Arc<Self>, number: usize) {
        self.writers.serve_this_thread();
        let counts = self.dispatcher.http_counts.enter();
        let worker = self.in_flight.enter(number, counts);
        let mut ready = Vec::new();
        let mut affinity = Affinity::to(number % self.lanes.len());
        loop {
            while let Some((job, lane)) = self.take(&mut affinity) {
                self.wake_one_before(&job, lane, &mut affinity);
                self.run(job, lane, &worker);
            }
            if self.flags.load(SeqCst) != 0 && self.ends(number, affinity.lane) {
                self.dispatcher.http_counts.leave(&worker.counts);
                return self.in_flight.leave(&worker);
            }
            // Where it is to step in although work waits, nobody takes from the queue: another thread does, and this one
            // pulls, or each handler in turn that blocks would cost the probes a tick. Where no other rests, this one
            // takes, and one more begins.
            let pulls = self.begin_pulling(&mut affinity)
                || (self.rest(&mut affinity)
                    && self.queued() > 0
                    && self.idle.wake_one()
                    && self.begin_pulling(&mut affinity));
            if !pulls {
                continue;
            }
            // What came since this thread looked may be nobody else's to take.
            let lane = &self.lanes[affinity.lane];
            if !lane.queue.is_empty() && self.running() < self.slots() {
                lane.pulling.fetch_sub(1, SeqCst);
                continue;
            }
            self.lead_caught(&mut ready, &worker, &mut affinity);
        }
    }

    /// Rests until there is something to do: true where nobody has said so.
    fn rest(&self, affinity: &mut Affinity) -> bool {
        let steps_in = self.idle.rest(|| self.look());
        affinity.rested();
        steps_in
    }

    /// Nothing in there is meant to panic; should something do so all the same, one pull is lost and not the service.
    fn lead_caught(&self, ready: &mut Vec<Ready>, worker: &Worker, affinity: &mut Affinity) {
        let led = panics::catch(|| self.lead(affinity.lane, ready, worker));
        self.lanes[affinity.lane].pulling.fetch_sub(1, SeqCst);
        match led {
            Ok(true) => {}
            Ok(false) => affinity.woken(),
            Err(panicked) => log::error!(panic:% = panicked; "a panic while driving the engine"),
        }
    }

    /// Answers, queues or refuses what was pulled, on the thread that pulled it.
    fn admit(
        &self,
        ready: Ready,
        lane: usize,
        now: Instant,
        refused: &mut RefusedRequests,
        worker: &Worker,
    ) {
        let exchange = match ready {
            // Reading goes on until the client takes no more, and may block, as a destructor may.
            Ready::Stream(_) | Ready::Discarded(_) => {
                return self.enqueue(ready, lane, now, 2 * HANDOVER);
            }
            Ready::Piece(exchange) => return self.admit_piece(exchange, lane, now),
            Ready::Request(exchange) => exchange,
        };
        let Some(mut exchange) = self.answer_at_once(exchange, &worker.counts) else {
            return;
        };
        if !exchange.has_room_for_response() {
            return refused.push(exchange, Shed::Memory);
        }
        if !self.lanes[lane].admitted.take_one() {
            return refused.push(exchange, Shed::QueueFull);
        }
        let route = exchange.request().route.as_ref();
        let expected = route.map_or(Duration::ZERO, |route| route.cost.expected());
        if expected >= LONG && route.is_some_and(|route| route.cpu_use.is_computing()) {
            let request = ComputingRequest {
                exchange,
                since: now,
                expected,
                lane,
            };
            return self.admit_computing(request, now);
        }
        self.enqueue(Ready::Request(exchange), lane, now, expected);
    }

    #[inline]
    fn enqueue(&self, ready: Ready, lane: usize, since: Instant, expected: Duration) {
        self.lanes[lane].queue.push(Job {
            ready,
            since,
            expected,
            turn: None,
        });
    }

    /// Runs a job in its slot, and gives the slot back whatever happens.
    fn run(&self, job: Job, lane: usize, worker: &Worker) {
        let turn = job.turn.map(|turn| (turn, Instant::now()));
        let was_admitted = matches!(job.ready, Ready::Request(_));
        let admission = was_admitted.then(|| Admission::of(&self.lanes[lane].admitted));
        // The handler has a boundary of its own, which answers 500. This one is for what else is not ours: a body's
        // reader, a destructor.
        if let Err(panicked) = panics::catch(|| self.run_job(job, lane, worker, admission)) {
            log::error!(panic:% = panicked; "a panic outside the handler cut a connection");
        }
        worker.end();
        self.lanes[lane].running.subtract(1);
        if let Some((turn, began)) = turn {
            self.pass_turn(turn, Some(began));
        }
    }

    fn run_job(&self, job: Job, lane: usize, worker: &Worker, admission: Option<Admission<'_>>) {
        let started = Instant::now();
        let since = self.note_progress(lane, started);
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
            Ready::Piece(exchange) => return self.take_piece(exchange, lane, worker, since),
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
        let route = index.map(|index| self.dispatcher.application.route(index));
        let sampled = route.filter(|route| job.expected >= LONG && route.cpu_use.is_sampled());
        let clock = sampled.and_then(|_| CpuClock::start());
        let (response, took) = self.dispatcher.handle(request, started);
        if let Some((route, clock)) = sampled.zip(clock) {
            // What a stream is read from is waited for later.
            let waits = matches!(response.body, Body::Stream(..));
            clock.stop(&route.cpu_use, took, waits);
        }
        let takes_long_to_write = takes_long_to_write(&response.body);
        if let Some(route) = route
            && !takes_long_to_write
        {
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
        let is_sent = self.answer(exchange, response, took, false, &worker.counts);
        if let Some(route) = route
            && takes_long_to_write
        {
            route.cost.record(started.elapsed());
        }
        if is_sent {
            self.note_answered(worker, started, is_in_drain);
        }
    }

    fn note_answered(&self, worker: &Worker, started: Instant, is_in_drain: bool) {
        worker.note_answered();
        if is_in_drain {
            self.in_flight.note_finished(worker, started.elapsed());
        }
    }

    fn is_closed(&self) -> bool {
        self.flags.load(SeqCst) & CLOSED != 0
    }

    pub(crate) fn local_addr(&self) -> std::net::SocketAddr {
        self.engine.local_addr()
    }
}

/// Whether the write is worth a reading of the clock: it counts as its route's cost, as what keeps this thread from the
/// sockets. A stream's reader may block, too.
fn takes_long_to_write(body: &Body) -> bool {
    matches!(body, Body::Stream(..)) || body.len().is_some_and(|bytes| bytes >= LARGE)
}
