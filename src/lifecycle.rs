//! The life of a service, from bound to gone, in one straight function: [`live`].

use crate::{
    app::App,
    background::{self, Companion, Company, Failure, Stop, Task},
    crew::Crew,
    drain_report::{DrainReport, Ending},
    logging,
    pool::Pool,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Bound; start-up tasks are running; routes answer 503, and so does `/readyz`.
    Starting,
    /// Started: everything is served, and the checks decide on `/readyz`.
    Running,
    /// Told to stop: `/readyz` is 503 and responses end their connections, but everything is served, for
    /// `DRAIN_DELAY`, while Kubernetes' endpoints are updated.
    Draining,
    /// No longer accepting; requests in flight have until `SHUTDOWN_TIMEOUT`.
    Stopping,
    /// Over.
    Stopped,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
        }
    }
}

/// The stopping state and the phase: written by the signal thread and the main thread, read by every other.
pub(crate) struct Control {
    stopping: AtomicBool,
    phase: AtomicU8,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// True where the process is this service's alone, and with it the logger.
    owns_process: bool,
}

/// What the main thread waits for.
enum Event {
    Started(Result<(), Failure>),
    Stop(&'static str),
    /// A background service gave up.
    Failed(Failure),
}

const PHASES: [Phase; 5] = [
    Phase::Starting,
    Phase::Running,
    Phase::Draining,
    Phase::Stopping,
    Phase::Stopped,
];

impl Control {
    pub(crate) fn new(owns_process: bool) -> Arc<Control> {
        let (events, inbox) = unbounded();
        let phase = AtomicU8::new(Phase::Starting as u8);
        Arc::new(Control {
            stopping: AtomicBool::new(false),
            phase,
            events,
            inbox,
            owns_process,
        })
    }

    /// Sets the stopping state and wakes the main thread. `why` is for the log.
    pub(crate) fn stop(&self, why: &'static str) {
        self.stopping.store(true, SeqCst);
        let _ = self.events.send(Event::Stop(why));
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    /// The phase as a probe is to see it: draining from the very moment of the signal.
    pub(crate) fn phase(&self) -> Phase {
        let phase = PHASES[usize::from(self.phase.load(SeqCst))];
        if phase == Phase::Running && self.is_stopping() {
            Phase::Draining
        } else {
            phase
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, SeqCst);
        if self.owns_process {
            logging::set_phase(phase.name());
        }
    }

    /// Waits for a reason to stop; a failed background service is one.
    fn wait_for_stop(&self) -> (&'static str, Option<Failure>) {
        loop {
            match self.inbox.recv() {
                Ok(Event::Stop(why)) => return (why, None),
                Ok(Event::Failed(failure)) => {
                    self.stopping.store(true, SeqCst);
                    return ("a background service failed", Some(failure));
                }
                Ok(Event::Started(_)) => {}
                Err(_) => unreachable!("the control holds a sender itself"),
            }
        }
    }

    fn failure_sender(self: &Arc<Control>) -> impl Fn(Failure) + Clone + Send + 'static {
        let control = Arc::clone(self);
        move |failure| {
            log::error!(service = failure.name, reason = failure.reason.as_str(); "background service failed");
            let _ = control.events.send(Event::Failed(failure));
        }
    }
}

/// How long a service that was stopped before it had started may spend on ending.
const EARLY_STOP: Duration = Duration::from_millis(500);

/// All that lives: bound, but nothing begun.
pub(crate) struct Vessel {
    pub(crate) app: Arc<App>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) admin: Option<crate::admin::Admin>,
    pub(crate) start_tasks: Vec<Task>,
    pub(crate) companions: Vec<Companion>,
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_timeout: Duration,
}

/// Serves until told to stop, drains, and returns how that went. Runs on the main thread.
pub(crate) fn live(vessel: Vessel, control: &Arc<Control>) -> DrainReport {
    let Vessel {
        app,
        pool,
        admin,
        start_tasks,
        companions,
        drain_delay,
        shutdown_timeout,
    } = vessel;
    let begun = Instant::now();
    let stop = Stop::default();
    let mut crew = match Crew::muster(&pool) {
        Ok(crew) => crew,
        Err(error) => return fail_start(&pool, "workers", &error.to_string()),
    };

    match run_start_tasks(start_tasks, &stop, control) {
        Started::Yes => {}
        Started::No(failure) => return fail_start(&pool, failure.name, &failure.reason),
        Started::Stopped(why) => {
            log::info!(reason = why; "stopped before start-up was complete");
            stop.stop();
            pool.stop_accepting();
            crew.join(Instant::now() + EARLY_STOP);
            return DrainReport::new(Ending::Clean);
        }
    }
    app.health.start(&stop);
    let company = match Company::start(companions, control.failure_sender()) {
        Ok(company) => company,
        Err(failure) => return fail_start(&pool, failure.name, &failure.reason),
    };
    control.enter(Phase::Running);
    log::info!(startup_ms = millis(begun.elapsed()); "started");
    crew.complete(&pool);

    let (why, failure) = control.wait_for_stop();

    control.enter(Phase::Draining);
    log::info!(reason = why, drain_delay_ms = millis(drain_delay), shutdown_timeout_ms = millis(shutdown_timeout); "draining");
    let signalled = Instant::now();
    thread::sleep(drain_delay);

    control.enter(Phase::Stopping);
    let closing = Instant::now();
    let deadline = closing + shutdown_timeout;
    pool.stop_accepting();
    let all_joined = crew.join(deadline);
    let mut report = match all_joined {
        true => pool.drain_report(),
        false => pool.cut(),
    };
    if !all_joined && report.abandoned.is_empty() && !crew.join(Instant::now() + AFTER_CUT) {
        report
            .abandoned
            .push(("(a worker that did not end)".to_owned(), 1));
    }

    let ending = Instant::now();
    stop.stop();
    report.services_late = company.stop(deadline.max(ending + LEAST_FOR_SERVICES));
    drop(admin);
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
    if tasks.is_empty() && !control.is_stopping() {
        return Started::Yes;
    }
    let (on_thread, stop) = (Arc::clone(control), stop.clone());
    let run = move || {
        let result = background::run_start_tasks(tasks, &stop);
        let _ = on_thread.events.send(Event::Started(result));
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
        match control.inbox.recv() {
            Ok(Event::Stop(why)) => return Started::Stopped(why),
            Ok(Event::Started(Ok(()))) if !control.is_stopping() => return Started::Yes,
            Ok(Event::Started(Err(failure))) => return Started::No(failure),
            Ok(Event::Started(Ok(())) | Event::Failed(_)) => {}
            Err(_) => unreachable!("the control holds a sender itself"),
        }
    }
}

fn fail_start(pool: &Pool, what: &str, reason: &str) -> DrainReport {
    log::error!(task = what, reason = reason; "start-up failed");
    pool.cut();
    DrainReport::new(Ending::StartFailed)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
