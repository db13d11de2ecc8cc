//! Where a service is in its life, and whether it was told to stop: written by the signal thread and the main thread,
//! read by everything else.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering::SeqCst},
    },
    time::Duration,
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

pub(crate) const PHASES: [Phase; 5] = [
    Phase::Starting,
    Phase::Running,
    Phase::Draining,
    Phase::Stopping,
    Phase::Stopped,
];

impl Phase {
    /// As the log calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Stopping => "stopping",
            Phase::Stopped => "stopped",
        }
    }
}

/// The stopping state and the phase of one service.
pub(crate) struct State {
    stopping: AtomicBool,
    phase: AtomicU8,
    closing: Stop,
}

impl State {
    /// Starting, and not told to stop.
    pub(crate) fn new() -> Arc<State> {
        Arc::new(State {
            stopping: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Starting as u8),
            closing: Stop::default(),
        })
    }

    /// From now on the service is stopping, whatever its phase. True for the one call that makes it so.
    pub(crate) fn begin_stopping(&self) -> bool {
        !self.stopping.swap(true, SeqCst)
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

    /// What tells handlers that the listener is closed and the time for requests in flight runs. Before that a client
    /// that is sent away would come back to this same pod.
    pub(crate) fn closing(&self) -> &Stop {
        &self.closing
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, SeqCst);
        if phase >= Phase::Stopping {
            self.closing.stop();
        }
    }
}

/// Tells a task or background service that it is to end. Clones speak of the same ending.
#[derive(Clone, Default)]
pub struct Stop {
    ending: Arc<(Mutex<bool>, Condvar)>,
    on_ready: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Stop {
    /// One that passes on what [`notify_ready`](Stop::notify_ready) says.
    pub(crate) fn with_readiness(on_ready: impl Fn() + Send + Sync + 'static) -> Stop {
        Stop {
            ending: Arc::default(),
            on_ready: Some(Arc::new(on_ready)),
        }
    }

    /// True from the moment the service wants this thread to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.ending.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `pause`, or until the service wants this thread to end: true in that case.
    pub fn wait(&self, pause: Duration) -> bool {
        let (stopping, told) = &*self.ending;
        let stopping = stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(stopping, pause, |stopping| !*stopping);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says that the background service that this was given to is ready: for one that
    /// [`notifies_ready`](crate::Service::notifies_ready). Elsewhere it does nothing, and so it does a second time.
    pub fn notify_ready(&self) {
        if let Some(on_ready) = &self.on_ready {
            on_ready();
        }
    }

    pub(crate) fn stop(&self) {
        let (stopping, told) = &*self.ending;
        *stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
    }
}
