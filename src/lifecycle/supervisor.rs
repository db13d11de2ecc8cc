//! One background service on its thread: waits for what it needs, runs, and is run again as its policies say.

use super::{
    control::Control,
    job::RecurringJob,
    policy::{Policy, Restart},
    readiness::ReadyNames,
    schedule::{Beats, Schedule},
    task::{Failure, caught},
};
use crate::{health::checks::switch::Switch, phase::Stop};
use crossbeam_channel::Receiver;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Why a background service that returned too early is said to have failed.
const RETURNED_EARLY: &str = "it returned before it was told to stop";

type Work = Box<dyn FnMut(&Stop) -> Result<(), String> + Send>;

/// A background service, or a scheduled job, with what was said of it.
pub(crate) struct BackgroundService {
    pub(crate) name: &'static str,
    work: Work,
    schedule: Option<Schedule>,
    pub(crate) on_failure: Policy,
    pub(crate) on_return: Policy,
    pub(crate) needs: Vec<&'static str>,
    /// It says itself when it is ready; a scheduled job is once a run of it has succeeded.
    pub(crate) notifies_ready: bool,
    /// Its check on `/readyz`, where it has one.
    pub(crate) readiness: Option<Switch>,
    pub(super) counts: Arc<Counts>,
}

impl BackgroundService {
    /// A failure or an early return of a background service stops the whole service; a scheduled job has its next beat.
    pub(crate) fn new<S: Send + Sync + 'static, Args>(
        name: &'static str,
        schedule: Option<Schedule>,
        mut job: impl RecurringJob<S, Args>,
        state: Arc<S>,
    ) -> BackgroundService {
        let on_failure = match schedule {
            Some(_) => Policy::GoOn,
            None => Policy::StopService,
        };
        BackgroundService {
            name,
            work: Box::new(move |stop| job.run(stop, &state)),
            schedule,
            on_failure,
            on_return: Policy::StopService,
            needs: Vec::new(),
            notifies_ready: false,
            readiness: None,
            counts: Arc::default(),
        }
    }

    pub(crate) fn is_scheduled(&self) -> bool {
        self.schedule.is_some()
    }

    /// Whether the service's readiness depends on it.
    pub(crate) fn affects_readiness(&self) -> bool {
        let makes_unready = |policy: &Policy| match policy {
            Policy::Unready => true,
            Policy::Restart(restart) => restart.is_unready_meanwhile,
            Policy::StopService | Policy::GoOn => false,
        };
        self.notifies_ready || makes_unready(&self.on_failure) || makes_unready(&self.on_return)
    }

    /// Before its thread is started: one that waits for another is no more ready than that.
    pub(super) fn prepare(&self, ready: &ReadyNames) {
        let is_ready = !self.notifies_ready && self.needs.is_empty();
        set_ready(ready, self.name, self.readiness.as_ref(), is_ready);
    }
}

/// What does not go as it should, for the drain report and the metrics.
#[derive(Default)]
pub(super) struct Counts {
    /// It runs, or waits for its next run.
    pub(super) is_up: AtomicBool,
    pub(super) restarts: AtomicU64,
    pub(super) failed_runs: AtomicU64,
    pub(super) skipped_beats: AtomicU64,
}

/// What a background service's thread has of the rest.
pub(super) struct Surroundings {
    pub(super) stop: Stop,
    /// Disconnected when it is told to stop.
    pub(super) told: Receiver<Infallible>,
    pub(super) ready: Arc<ReadyNames>,
    pub(super) control: Arc<Control>,
}

/// A background service on its thread.
pub(super) struct Supervised {
    service: BackgroundService,
    around: Surroundings,
    beats: Option<Beats>,
    /// What it needs has been ready.
    has_begun: bool,
    /// In a row.
    restarts: u32,
    /// The next run is a restart: it has had its pause, and waits for no beat.
    is_retry: bool,
}

impl Supervised {
    pub(super) fn new(service: BackgroundService, around: Surroundings) -> Supervised {
        Supervised {
            service,
            around,
            beats: None,
            has_begun: false,
            restarts: 0,
            is_retry: false,
        }
    }

    /// Runs it until it is told to stop, or its policy ends it.
    pub(super) fn run(mut self) {
        while self.wait_for_turn() {
            self.note_up(true);
            self.note_begin();
            let begun = Instant::now();
            let ended = caught(self.service.name, || (self.service.work)(&self.around.stop));
            if self.around.stop.is_stopping() {
                self.end(ended);
                break;
            }
            if !self.goes_on(ended, begun.elapsed()) {
                break;
            }
        }
        self.note_up(false);
        self.drop_work();
    }

    /// Waits for what it needs, and for its beat where it has a schedule. False where it is to stop.
    fn wait_for_turn(&mut self) -> bool {
        let needs = &self.service.needs;
        if !self.around.ready.wait_for(needs, &self.around.stop) {
            return false;
        }
        if !std::mem::replace(&mut self.has_begun, true) && !self.service.notifies_ready {
            self.set_ready(true);
        }
        let Supervised {
            service,
            around,
            beats,
            is_retry,
            ..
        } = self;
        // One that is told to stop before it has begun runs all the same: it may have something to put away.
        if std::mem::take(is_retry) {
            return true;
        }
        let Some(schedule) = &service.schedule else {
            return true;
        };
        service.counts.is_up.store(true, Relaxed);
        let beats = beats.get_or_insert_with(|| schedule.begin());
        let Some(skipped) = beats.wait(&around.stop, &around.told) else {
            return false;
        };
        if skipped > 0 {
            let in_all = service.counts.skipped_beats.fetch_add(skipped, Relaxed) + skipped;
            log::warn!(service = service.name, skipped = skipped, skipped_in_all = in_all; "beats were skipped: a run took longer than the interval");
        }
        true
    }

    /// It runs from now on. Where it says itself when it is ready, it is not yet; a scheduled job is when it has succeeded.
    fn note_begin(&self) {
        if !self.service.notifies_ready && !self.service.is_scheduled() {
            self.set_ready(true);
        }
    }

    fn note_up(&self, is_up: bool) {
        self.service.counts.is_up.store(is_up, Relaxed);
    }

    /// It was told to stop, and has ended.
    fn end(&self, ended: Result<(), Failure>) {
        match ended {
            Ok(()) => log::info!(service = self.service.name; "background service ended"),
            Err(failure) => self.fail(failure),
        }
    }

    /// Follows the policy where it has ended by itself. False where it is not to run again.
    fn goes_on(&mut self, ended: Result<(), Failure>, ran_for: Duration) -> bool {
        let has_failed = ended.is_err();
        let (policy, failure) = match ended {
            Ok(()) if self.service.is_scheduled() => {
                self.restarts = 0;
                self.set_ready(true);
                return true;
            }
            Ok(()) => {
                let failure = Failure::new(self.service.name, RETURNED_EARLY.to_owned());
                (self.service.on_return.clone(), failure)
            }
            Err(failure) => {
                self.service.counts.failed_runs.fetch_add(1, Relaxed);
                (self.service.on_failure.clone(), failure)
            }
        };
        match policy {
            // What it worked on may have ended with the service.
            Policy::StopService if !has_failed && self.around.control.state().is_stopping() => {
                log::info!(service = self.service.name; "background service ended");
                false
            }
            Policy::StopService => {
                self.set_ready(false);
                self.fail(failure);
                false
            }
            Policy::Restart(restart) => self.restarts_after(failure, &restart, ran_for),
            Policy::Unready => {
                if !has_failed {
                    self.service.counts.failed_runs.fetch_add(1, Relaxed);
                }
                self.set_ready(false);
                log_failure(&failure, "not ready without it");
                self.service.is_scheduled()
            }
            Policy::GoOn if has_failed => {
                log_failure(&failure, "going on without it");
                self.service.is_scheduled()
            }
            Policy::GoOn => {
                self.set_ready(true);
                log::info!(service = self.service.name; "background service is done");
                false
            }
        }
    }

    /// Pauses before the next run. False where there is none.
    fn restarts_after(&mut self, failure: Failure, restart: &Restart, ran_for: Duration) -> bool {
        if restart.was_good(ran_for) {
            self.restarts = 0;
        }
        if self.service.notifies_ready || restart.is_unready_meanwhile {
            self.set_ready(false);
        }
        let Some(pause) = restart.pause(self.restarts, fastrand::f64()) else {
            let reason = format!("{}, after {} restarts", failure.reason, self.restarts);
            self.fail(Failure { reason, ..failure });
            return false;
        };
        self.restarts += 1;
        let in_all = self.service.counts.restarts.fetch_add(1, Relaxed) + 1;
        log::warn!(
            service = failure.name,
            reason = failure.reason.as_str(),
            location = failure.location.as_deref(),
            restarts = in_all,
            pause_ms = pause.as_millis() as u64;
            "background service is restarted"
        );
        self.is_retry = true;
        self.note_up(false);
        !self.around.stop.wait(pause)
    }

    fn set_ready(&self, is_ready: bool) {
        set_ready(
            &self.around.ready,
            self.service.name,
            self.service.readiness.as_ref(),
            is_ready,
        );
    }

    /// Ends the whole service, where that has not begun already, with exit code 1.
    fn fail(&self, failure: Failure) {
        log_failure(&failure, "the service stops");
        self.around.control.fail(failure);
    }

    /// What it holds is its own, and its destructor may panic.
    fn drop_work(self) {
        let Supervised {
            service, around, ..
        } = self;
        let work = service.work;
        if let Err(failure) = caught(service.name, move || {
            drop(work);
            Ok(())
        }) {
            log_failure(&failure, "in what it left behind");
            around.control.fail(failure);
        }
    }
}

/// Tells those who need it, and `/readyz`.
pub(super) fn set_ready(
    ready: &ReadyNames,
    name: &'static str,
    readiness: Option<&Switch>,
    is_ready: bool,
) {
    match is_ready {
        true => ready.insert(name),
        false => ready.remove(name),
    }
    match (readiness, is_ready) {
        (Some(readiness), true) => readiness.on(),
        (Some(readiness), false) => readiness.off(),
        (None, _) => {}
    }
}

fn log_failure(failure: &Failure, consequence: &str) {
    log::error!(
        service = failure.name,
        reason = failure.reason.as_str(),
        location = failure.location.as_deref(),
        consequence = consequence;
        "background service failed"
    );
}
