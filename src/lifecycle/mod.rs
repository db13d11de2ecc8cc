//! The life of a service, from bound to gone, in one straight function: [`live`].

pub(crate) mod background;
pub(crate) mod control;
pub(crate) mod drain_report;
pub(crate) mod job;
pub(crate) mod signals;

use crate::{
    phase::{Phase, Stop},
    pool::{Pool, threads::WorkerThreads},
};
use background::{Background, BackgroundServices, Failure, Task};
use control::{Control, Event};
use drain_report::{DrainReport, Ending, millis};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long a service that was stopped before it had started may spend on ending.
const EARLY_STOP: Duration = Duration::from_millis(500);

/// A server whose address is bound, of which nothing runs yet.
pub(crate) struct BoundServer {
    pub(crate) pool: Arc<Pool>,
    pub(crate) start_tasks: Vec<Task>,
    pub(crate) background: Vec<Background>,
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
}

/// Serves until told to stop, drains, and returns how that went. Runs on the main thread.
pub(crate) fn live(server: BoundServer, control: &Arc<Control>) -> DrainReport {
    let BoundServer {
        pool,
        start_tasks,
        background,
        drain_delay,
        shutdown_timeout,
    } = server;
    let begun = Instant::now();
    let stop = Stop::default();
    let mut threads = match WorkerThreads::start(&pool) {
        Ok(threads) => threads,
        Err(error) => return fail_start(&pool, "workers", &error.to_string()),
    };

    match run_start_tasks(start_tasks, &stop, control) {
        Started::Yes => {}
        Started::No(failure) => return fail_start(&pool, failure.name, &failure.reason),
        Started::Stopped(why) => {
            log::info!(reason = why; "stopped before start-up was complete");
            stop.stop();
            pool.stop_accepting();
            threads.join(Instant::now() + EARLY_STOP);
            return DrainReport::new(Ending::Clean);
        }
    }
    pool.dispatcher().health.start(&stop);
    let services = match BackgroundServices::start(background, control.failure_sender()) {
        Ok(services) => services,
        Err(failure) => return fail_start(&pool, failure.name, &failure.reason),
    };
    control.enter(Phase::Running);
    log::info!(startup_ms = millis(begun.elapsed()); "started");
    threads.start_rest(&pool);

    let (why, failure) = control.wait_for_stop();

    control.enter(Phase::Draining);
    log::info!(reason = why, drain_delay_ms = millis(drain_delay), shutdown_timeout_ms = millis(shutdown_timeout); "draining");
    let signalled = Instant::now();
    thread::sleep(drain_delay);

    control.enter(Phase::Stopping);
    let closing = Instant::now();
    let deadline = closing + shutdown_timeout;
    pool.stop_accepting();
    let all_joined = threads.join(deadline);
    let drained = match all_joined {
        true => pool.drained(),
        false => pool.cut(),
    };
    let mut report = DrainReport::of(drained);
    if !all_joined && report.abandoned.is_empty() && !threads.join(Instant::now() + AFTER_CUT) {
        report
            .abandoned
            .push(("(a worker that did not end)".to_owned(), 1));
    }

    let ending = Instant::now();
    stop.stop();
    report.services_late = services.stop(deadline.max(ending + LEAST_FOR_SERVICES));
    report.drain_delay = closing - signalled;
    report.in_flight = ending - closing;
    report.services = ending.elapsed();
    report.ending = match () {
        () if !report.abandoned.is_empty() || !report.services_late.is_empty() => {
            Ending::DeadlinePassed
        }
        () if failure.is_some() => Ending::ServiceFailed,
        () => Ending::Clean,
    };
    control.enter(Phase::Stopped);
    report
}

/// Where the deadline cut nothing but connections without a request, the workers end at once.
const AFTER_CUT: Duration = Duration::from_millis(100);

/// Background services and stop hooks get this much even where requests took all of `SHUTDOWN_TIMEOUT`: the two
/// seconds that `TERMINATION_GRACE_PERIOD` must leave have room for it.
const LEAST_FOR_SERVICES: Duration = Duration::from_secs(1);

enum Started {
    Yes,
    No(Failure),
    Stopped(&'static str),
}

/// Start-up tasks run on a thread of their own, so that a signal is obeyed while one hangs.
fn run_start_tasks(tasks: Vec<Task>, stop: &Stop, control: &Arc<Control>) -> Started {
    if tasks.is_empty() && !control.state().is_stopping() {
        return Started::Yes;
    }
    let (on_thread, stop) = (Arc::clone(control), stop.clone());
    let run = move || {
        let result = background::run_start_tasks(tasks, &stop);
        on_thread.tell(Event::Started(result));
    };
    if let Err(error) = thread::Builder::new()
        .name("start-up".to_owned())
        .spawn(run)
    {
        return Started::No(Failure {
            name: "start-up",
            reason: format!("its thread could not be started: {error}"),
        });
    }
    loop {
        match control.next_event() {
            Event::Stop(why) => return Started::Stopped(why),
            Event::Started(Ok(())) if !control.state().is_stopping() => return Started::Yes,
            Event::Started(Err(failure)) => return Started::No(failure),
            Event::Started(Ok(())) | Event::Failed(_) => {}
        }
    }
}

fn fail_start(pool: &Pool, what: &str, reason: &str) -> DrainReport {
    log::error!(task = what, reason = reason; "start-up failed");
    pool.cut();
    DrainReport::new(Ending::StartFailed)
}
