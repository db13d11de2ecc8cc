//! The life of a service, from bound to gone, in one straight function: [`live`].

pub(crate) mod background;
pub(crate) mod control;
pub(crate) mod drain_report;
pub(crate) mod flags;
pub(crate) mod job;
pub(crate) mod policy;
pub(crate) mod reaction;
mod readiness;
pub(crate) mod reload;
pub(crate) mod schedule;
pub(crate) mod signals;
pub(crate) mod supervisor;
pub(crate) mod task;
pub(crate) mod tick;

use crate::{
    config::table::live::LiveConfig,
    health::workers::Workers,
    observe::trace::export,
    phase::{Phase, Stop},
    pool::{Pool, threads::WorkerThreads},
    spawn,
};
use background::{Background, BackgroundServices};
use control::{Control, Event, StopReason};
use drain_report::{DrainReport, Ending, millis};
use std::{
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};
use task::{Failure, Task};
use tick::Tick;

/// How long a service that was stopped before it had started may spend on ending.
const EARLY_STOP: Duration = Duration::from_millis(500);

/// A server whose address is bound, of which nothing runs yet.
pub(crate) struct BoundServer {
    pub(crate) pool: Arc<Pool>,
    pub(crate) tick: Tick,
    pub(crate) start_tasks: Vec<Task>,
    pub(crate) background: Vec<Background>,
    pub(crate) live: Arc<LiveConfig>,
}

/// Serves until told to stop, drains, and returns how that went. Runs on the main thread.
pub(crate) fn live(server: BoundServer, control: &Arc<Control>) -> DrainReport {
    let BoundServer {
        pool,
        tick,
        start_tasks,
        background,
        live,
    } = server;
    let begun = Instant::now();
    let stop = Stop::default();
    let threads = match WorkerThreads::start(&pool) {
        Ok(threads) => threads,
        Err(error) => return fail_start(&pool, Failure::new("workers", error.to_string())),
    };
    // The other threads are not on the way to the first answer, unless there is something to do before it.
    let mut tick = Some(tick);
    let mut start_others = || start_others(&threads, control, tick.take(), &stop);
    if !start_tasks.is_empty()
        && let Err(failure) = start_others()
    {
        return fail_start(&pool, failure);
    }

    match run_start_tasks(start_tasks, &stop, &pool, control) {
        Started::Yes => {}
        Started::No(failure) => return fail_start(&pool, failure),
        Started::Stopped(reason) => {
            log::info!(reason = reason.name(); "stopped before start-up was complete");
            stop.stop();
            pool.stop_accepting();
            threads.join(Instant::now() + EARLY_STOP);
            return DrainReport::new(Ending::Clean);
        }
    }
    let workers: Weak<dyn Workers> = Arc::<Pool>::downgrade(&pool);
    pool.dispatcher().health.start(&stop, &workers);
    let services = match BackgroundServices::start(background, control) {
        Ok(services) => services,
        Err(failure) => return fail_start(&pool, failure),
    };
    control.enter(Phase::Running);
    if let Err(failure) = start_others() {
        return fail_start(&pool, failure);
    }
    log::info!(startup_ms = millis(begun.elapsed()); "started");

    let reason = control.wait_for_stop();
    let drain_delay = reason.delay(live.drain_delay.get());
    let shutdown_timeout = live.shutdown_timeout.get();

    pool.begin_drain();
    let events = Arc::clone(&pool.dispatcher().metrics.events);
    events.note_drain(drain_delay.saturating_add(shutdown_timeout));
    control.enter(Phase::Draining);
    log::info!(reason = reason.name(), drain_delay_ms = millis(drain_delay), shutdown_timeout_ms = millis(shutdown_timeout); "draining");
    let signalled = Instant::now();
    thread::sleep(drain_delay);

    control.enter(Phase::Stopping);
    let closing = Instant::now();
    let deadline = closing + shutdown_timeout;
    pool.stop_accepting();
    let all_joined = threads.join(deadline);
    let answered = pool.answered();
    let mut abandoned = match all_joined {
        true => Vec::new(),
        false => pool.cut(),
    };
    if !all_joined && abandoned.is_empty() && !threads.join(Instant::now() + AFTER_CUT) {
        abandoned.push(("(a worker that did not end)".to_owned(), 1));
    }

    events.note_abandoned(abandoned.iter().map(|(_, count)| count).sum());

    let ending = Instant::now();
    stop.stop();
    let stopped = services.stop(deadline);
    let failures = control.take_failures();
    let services_took = ending.elapsed();
    match export::flush(deadline) {
        0 => {}
        left => {
            log::warn!(spans = left; "spans are left at the end: the collector has not taken them in time");
        }
    }
    let report = DrainReport {
        ending: match () {
            () if !abandoned.is_empty() || !stopped.late.is_empty() => Ending::DeadlinePassed,
            () if !failures.is_empty() => Ending::ServiceFailed,
            () => Ending::Clean,
        },
        answered: answered.in_all,
        finished: answered.in_drain,
        slowest: answered.slowest,
        abandoned,
        services_late: stopped.late,
        restarts: stopped.restarts,
        failed_runs: stopped.failed_runs,
        skipped_beats: stopped.skipped_beats,
        failures: failures.into_iter().map(Failure::into_pair).collect(),
        drain_delay: closing - signalled,
        in_flight: ending - closing,
        services: services_took,
    };
    control.enter(Phase::Stopped);
    report
}

/// Where the deadline cut nothing but connections without a request, the workers end as soon as each has had the CPU for
/// it: 65 of them took more than 0.1 s on two busy ones.
const AFTER_CUT: Duration = Duration::from_millis(500);

enum Started {
    Yes,
    No(Failure),
    Stopped(StopReason),
}

/// Starts what threads there are beside the first worker, where `tick` is still to be started.
fn start_others(
    threads: &WorkerThreads,
    control: &Arc<Control>,
    tick: Option<Tick>,
    stop: &Stop,
) -> Result<(), Failure> {
    let Some(tick) = tick else {
        return Ok(());
    };
    let another = threads.start_another();
    another.map_err(|error| Failure::new("workers", error.to_string()))?;
    control
        .start_threads()
        .map_err(|error| Failure::without_thread("signals", &error))?;
    tick.start(stop)
        .map_err(|error| Failure::without_thread("tick", &error))
}

/// Start-up tasks run on a thread of their own, so that a signal is obeyed while one hangs.
fn run_start_tasks(
    tasks: Vec<Task>,
    stop: &Stop,
    pool: &Arc<Pool>,
    control: &Arc<Control>,
) -> Started {
    if tasks.is_empty() && !control.state().is_stopping() {
        return Started::Yes;
    }
    let (on_thread, stop) = (Arc::clone(control), stop.clone());
    let dispatcher = Arc::clone(pool.dispatcher());
    let run = move || {
        let progress = &dispatcher.health.startup;
        let result = task::run_start_tasks(tasks, &stop, progress);
        on_thread.tell(Event::Started(result));
    };
    if let Err(error) = spawn::named("start-up", run) {
        return Started::No(Failure::without_thread("start-up", &error));
    }
    loop {
        match control.next_event() {
            Event::Stop(reason) => return Started::Stopped(reason),
            Event::Started(Ok(())) if !control.state().is_stopping() => return Started::Yes,
            Event::Started(Err(failure)) => return Started::No(failure),
            Event::Started(Ok(())) => {}
        }
    }
}

fn fail_start(pool: &Pool, failure: Failure) -> DrainReport {
    log::error!(
        task = failure.name,
        reason = failure.reason.as_str(),
        location = failure.location.as_deref();
        "start-up failed"
    );
    pool.cut();
    DrainReport {
        failures: vec![failure.into_pair()],
        ..DrainReport::new(Ending::StartFailed)
    }
}
