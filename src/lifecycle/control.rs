//! What tells the main thread to go on: the end of start-up, a reason to stop, a background service that failed.

use super::background::Failure;
use crate::{
    observe::logging,
    phase::{Phase, State},
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Arc;

/// The state that everything reads, and the main thread's inbox. Any thread may hold it.
pub(crate) struct Control {
    state: Arc<State>,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// True where the process is this service's alone, and with it the logger.
    owns_process: bool,
}

/// What the main thread waits for.
pub(super) enum Event {
    Started(Result<(), Failure>),
    Stop(&'static str),
    /// A background service gave up.
    Failed(Failure),
}

impl Control {
    pub(crate) fn new(owns_process: bool) -> Arc<Control> {
        let (events, inbox) = unbounded();
        Arc::new(Control {
            state: State::new(),
            events,
            inbox,
            owns_process,
        })
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Sets the stopping state and wakes the main thread. `why` is for the log.
    pub(crate) fn stop(&self, why: &'static str) {
        self.state.set_stopping();
        self.tell(Event::Stop(why));
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

    pub(super) fn enter(&self, phase: Phase) {
        self.state.enter(phase);
        if self.owns_process {
            logging::set_phase(phase.name());
        }
    }

    /// Waits for a reason to stop; a failed background service is one.
    pub(super) fn wait_for_stop(&self) -> (&'static str, Option<Failure>) {
        loop {
            match self.next_event() {
                Event::Stop(why) => return (why, None),
                Event::Failed(failure) => {
                    self.state.set_stopping();
                    return ("a background service failed", Some(failure));
                }
                Event::Started(_) => {}
            }
        }
    }

    /// What a background service that failed calls, on its thread.
    pub(super) fn failure_sender(
        self: &Arc<Control>,
    ) -> impl Fn(Failure) + Clone + Send + use<> + 'static {
        let control = Arc::clone(self);
        move |failure| {
            log::error!(service = failure.name, reason = failure.reason.as_str(); "background service failed");
            control.tell(Event::Failed(failure));
        }
    }
}
