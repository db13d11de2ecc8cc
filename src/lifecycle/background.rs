//! Background services and stop hooks: started in order, ended in reverse.

pub(crate) mod metrics;

use super::{
    control::Control,
    readiness::ReadyNames,
    supervisor::{BackgroundService, Counts, Supervised, Surroundings, set_ready},
    task::{Failure, Task},
};
use crate::{phase::Stop, spawn};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What is to be ended after the drain.
pub(crate) enum Background {
    /// Runs on a thread of its own until told to stop.
    Service(BackgroundService),
    /// Runs once, when it is its turn to end.
    Hook(Task),
}

/// What background services and stop hooks get together beyond the end of `SHUTDOWN_TIMEOUT`, however long requests
/// took: half of the margin that `TERMINATION_GRACE_PERIOD` must leave. The other half is for the log, and to spare.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// Background services that run, and hooks that wait for their turn, in the order of registration.
pub(super) struct BackgroundServices {
    control: Arc<Control>,
    ready: Arc<ReadyNames>,
    all: Vec<Running>,
}

struct Running {
    name: &'static str,
    stop: Stop,
    counts: Arc<Counts>,
    /// Dropped to tell a service that waits for a channel.
    untold: Option<Sender<Infallible>>,
    /// A hook that waits, with what its thread is to hold.
    hook: Option<(Task, Sender<Infallible>)>,
    /// Disconnected once its thread has ended.
    ended: Receiver<Infallible>,
}

/// Numbers by the names of background services, of those that have any.
pub(super) type ByName = Vec<(&'static str, u64)>;

/// How background services and stop hooks ended.
pub(super) struct Stopped {
    /// Those that had not ended by the deadline, nor by the end of the [`MARGIN`] behind it.
    pub(super) late: Vec<&'static str>,
    pub(super) restarts: ByName,
    pub(super) failed_runs: ByName,
    pub(super) skipped_beats: ByName,
}

impl BackgroundServices {
    /// Starts every background service, in order; what needs another waits for it on its own thread. One that fails is
    /// reported to `control`, be it when it was told to stop.
    ///
    /// # Errors
    /// Where a thread cannot be started; what was started is stopped again.
    pub(super) fn start(
        all: Vec<Background>,
        control: &Arc<Control>,
    ) -> Result<BackgroundServices, Failure> {
        let mut services = BackgroundServices {
            control: Arc::clone(control),
            ready: Arc::default(),
            all: Vec::new(),
        };
        for background in all {
            let started = match background {
                Background::Hook(hook) => Ok(Running::waiting(hook)),
                Background::Service(service) => services.start_one(service),
            };
            match started {
                Ok(running) => services.all.push(running),
                Err(failure) => {
                    services.stop(Instant::now());
                    return Err(failure);
                }
            }
        }
        Ok(services)
    }

    fn start_one(&self, service: BackgroundService) -> Result<Running, Failure> {
        let (name, readiness) = (service.name, service.readiness.clone());
        let stop = match service.notifies_ready && !service.is_scheduled() {
            true => {
                let ready = Arc::clone(&self.ready);
                Stop::with_readiness(move || set_ready(&ready, name, readiness.as_ref(), true))
            }
            false => Stop::default(),
        };
        let (untold, told) = crossbeam_channel::bounded(0);
        let counts = Arc::clone(&service.counts);
        service.prepare(&self.ready);
        let supervised = Supervised::new(
            service,
            Surroundings {
                stop: stop.clone(),
                told,
                ready: Arc::clone(&self.ready),
                control: Arc::clone(&self.control),
            },
        );
        let (held_while_running, ended) = crossbeam_channel::bounded(0);
        spawn(name, held_while_running, move || supervised.run())?;
        Ok(Running {
            name,
            stop,
            counts,
            untold: Some(untold),
            hook: None,
            ended,
        })
    }

    /// Ends them, the last started first, each joined before the one before it is told. Those that are late are left
    /// running.
    ///
    /// One that does not stop costs the others nothing: it is waited for until the deadline and its share of the margin,
    /// so that each has a share of its own at least, and the whole takes no longer.
    pub(super) fn stop(self, deadline: Instant) -> Stopped {
        let counts: Vec<_> = self
            .all
            .iter()
            .map(|running| (running.name, Arc::clone(&running.counts)))
            .collect();
        let share = MARGIN / self.all.len().max(1) as u32;
        let mut turn_ends = deadline;
        let mut slow = Vec::new();
        for mut running in self.all.into_iter().rev() {
            // Its own share even where the process did not run while another's passed.
            turn_ends = (turn_ends + share).max(Instant::now() + share);
            running.tell(&self.control);
            self.ready.wake_all();
            if !running.has_ended_by(turn_ends) {
                log::warn!(service = running.name; "not stopped in time: those before it are stopped meanwhile");
                slow.push(running);
            }
        }
        slow.retain(|running| !running.has_ended_by(deadline + MARGIN));
        let late = slow
            .into_iter()
            .map(|running| running.name)
            .inspect(|name| log::error!(service = name; "background service did not stop by the deadline"))
            .collect();
        let by_name = |count: fn(&Counts) -> &AtomicU64| {
            let counted = counts
                .iter()
                .map(|(name, counts)| (*name, count(counts).load(Relaxed)));
            counted.filter(|(_, count)| *count > 0).collect()
        };
        Stopped {
            late,
            restarts: by_name(|counts| &counts.restarts),
            failed_runs: by_name(|counts| &counts.failed_runs),
            skipped_beats: by_name(|counts| &counts.skipped_beats),
        }
    }
}

impl Running {
    fn waiting(hook: Task) -> Running {
        let (held_while_running, ended) = crossbeam_channel::bounded(0);
        Running {
            name: hook.name(),
            stop: Stop::default(),
            counts: Arc::default(),
            untold: None,
            hook: Some((hook, held_while_running)),
            ended,
        }
    }

    /// Tells a service to stop, and lets a hook run.
    fn tell(&mut self, control: &Arc<Control>) {
        self.stop.stop();
        self.untold = None;
        let Some((hook, held_while_running)) = self.hook.take() else {
            return;
        };
        let (stop, at_fault) = (self.stop.clone(), Arc::clone(control));
        let run = move || {
            if let Err(failure) = hook.run(&stop) {
                fail(&at_fault, failure);
            }
        };
        if let Err(failure) = spawn(self.name, held_while_running, run) {
            fail(control, failure);
        }
    }

    fn has_ended_by(&self, deadline: Instant) -> bool {
        self.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

fn spawn(
    name: &'static str,
    held_while_running: Sender<Infallible>,
    run: impl FnOnce() + Send + 'static,
) -> Result<(), Failure> {
    let thread = spawn::named(name, move || {
        run();
        drop(held_while_running);
    });
    thread
        .map(drop)
        .map_err(|error| Failure::without_thread(name, &error))
}

fn fail(control: &Control, failure: Failure) {
    log::error!(
        hook = failure.name,
        reason = failure.reason.as_str(),
        location = failure.location.as_deref();
        "stop hook failed"
    );
    control.fail(failure);
}

#[cfg(test)]
mod tests;
