//! What tells the main thread to go on: the end of start-up, or a reason to stop.

use super::task::Failure;
use crate::{
    observe::logging,
    phase::{Phase, State},
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

/// The state that everything reads, and the main thread's inbox. Any thread may hold it.
pub(crate) struct Control {
    state: Arc<State>,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// What has failed so far, to the very end: for the drain report.
    failures: Mutex<Vec<Failure>>,
    /// True where the process is this service's alone, and with it the logger and the signals.
    owns_process: bool,
    /// Until it is done.
    obey_signals: Mutex<Option<ObeySignals>>,
    /// The program opens what it needs: nothing is bound, so nothing is lost where it ends.
    is_opening: AtomicBool,
}

/// Starts the thread that obeys the process's signals.
pub(crate) type ObeySignals = Box<dyn FnOnce(Arc<Control>) -> io::Result<()> + Send>;

/// What the main thread waits for.
pub(super) enum Event {
    Started(Result<(), Failure>),
    /// Comes once: a service that is stopping is not told to stop again.
    Stop(StopReason),
}

/// What began the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A signal, by its name.
    Signal(&'static str),
    /// SIGINT: somebody at a keyboard, for whom no endpoints are updated, so that there is nothing to delay for.
    Interrupt,
    /// [`Running::stop`](crate::Running::stop) was called.
    Call,
    /// A background service failed, or returned too early.
    Failure,
}

impl StopReason {
    /// As the log calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            StopReason::Signal(name) => name,
            StopReason::Interrupt => "SIGINT",
            StopReason::Call => "stop was called",
            StopReason::Failure => "a background service failed",
        }
    }

    /// How long to serve on, where `DRAIN_DELAY` is so much.
    pub(super) fn delay(self, drain_delay: Duration) -> Duration {
        match self {
            StopReason::Interrupt => Duration::ZERO,
            _ => drain_delay,
        }
    }
}

impl Control {
    /// With the process's signals where the process is the service's alone.
    pub(crate) fn new(obey_signals: Option<ObeySignals>) -> Arc<Control> {
        let (events, inbox) = unbounded();
        Arc::new(Control {
            state: State::new(),
            events,
            inbox,
            failures: Mutex::default(),
            owns_process: obey_signals.is_some(),
            obey_signals: Mutex::new(obey_signals),
            is_opening: AtomicBool::new(false),
        })
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Begins the drain: sets the stopping state and wakes the main thread. False, and nothing is changed, where it had
    /// begun already.
    pub(crate) fn stop(&self, reason: StopReason) -> bool {
        let begins = self.state.begin_stopping();
        if begins {
            self.tell(Event::Stop(reason));
        }
        begins
    }

    /// Keeps a failure for the report. Where the service was not stopping yet, it is now.
    pub(super) fn fail(&self, failure: Failure) {
        self.failures().push(failure);
        self.stop(StopReason::Failure);
    }

    /// What has failed since the last call.
    pub(super) fn take_failures(&self) -> Vec<Failure> {
        mem::take(&mut self.failures())
    }

    fn failures(&self) -> MutexGuard<'_, Vec<Failure>> {
        lock(&self.failures)
    }

    /// Puts an event into the main thread's inbox, which lives as long as this does.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Waits for the next event. For the main thread.
    pub(super) fn next_event(&self) -> Event {
        self.inbox
            .recv()
            .expect("the control holds a sender itself")
    }

    /// Waits for a reason to stop.
    pub(super) fn wait_for_stop(&self) -> StopReason {
        loop {
            if let Event::Stop(reason) = self.next_event() {
                return reason;
            }
        }
    }

    /// Starts the threads that a process of its own has, once: what writes the log, and what obeys signals.
    ///
    /// # Errors
    /// Where the thread for signals cannot be had.
    pub(super) fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        if self.owns_process {
            logging::start_writer();
        }
        let obey_signals = lock(&self.obey_signals).take();
        obey_signals.map_or(Ok(()), |obey_signals| obey_signals(Arc::clone(self)))
    }

    /// Does what may take long, before anything is bound. A signal ends the process meanwhile.
    ///
    /// # Errors
    /// Where the thread for signals cannot be had.
    pub(crate) fn opening<T>(self: &Arc<Self>, open: impl FnOnce() -> T) -> io::Result<T> {
        self.is_opening.store(true, SeqCst);
        self.start_threads()?;
        let opened = open();
        if !self.end_opening() {
            // The process is ending, by the thread that a signal came to.
            loop {
                thread::park();
            }
        }
        Ok(opened)
    }

    /// True for the first to ask since the program began to open what it needs.
    pub(super) fn end_opening(&self) -> bool {
        self.is_opening.swap(false, SeqCst)
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.state.enter(phase);
        if self.owns_process {
            logging::set_phase(phase.name());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
