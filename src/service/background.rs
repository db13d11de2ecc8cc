//! What a service does beside answering requests: start-up tasks, background services, scheduled jobs, stop hooks.

use super::Service;
use crate::{
    health::check::Check,
    lifecycle::{
        background::Background,
        job::{Job, RecurringJob},
        policy::Policy,
        schedule::Schedule,
        supervisor::BackgroundService,
        task::Task,
    },
    phase::Stop,
};
use std::sync::Arc;

impl<S: Send + Sync + 'static> Service<S> {
    /// Runs `task` before the service counts as started: in order, on one thread, while liveness probes are answered
    /// and routes answer 503. `/startupz?verbose` says how far they are. One that returns an error or panics ends the
    /// process with exit code 1. It may ask its [`Stop`] whether a signal has come.
    #[must_use]
    pub fn on_start<Args>(mut self, name: &'static str, task: impl Job<S, Args>) -> Service<S> {
        let task = self.task(name, task);
        self.start_tasks.push(task);
        self
    }

    /// Runs `service` on a thread of its own from the moment the start-up tasks are done until after the drain, when
    /// its [`Stop`] tells it to end. Background services are started in the order in which they were added, and stopped
    /// one by one, the last added first.
    ///
    /// Where it returns an error, panics, or returns before it was told to stop, the whole service stops: drain, then
    /// exit code 1; unless [`on_failure`](Service::on_failure) and [`on_return`](Service::on_return) say otherwise. They
    /// and [`needs`](Service::needs) speak of what was added last:
    ///
    /// ```
    /// use seaworthy::{Policy, Restart, Service, Stop};
    /// use std::time::Duration;
    ///
    /// fn keep_pool(stop: &Stop) -> Result<(), String> {
    ///     // … connect, and then
    ///     stop.notify_ready();
    ///     while !stop.wait(Duration::from_secs(5)) { /* look after the connections */ }
    ///     Ok(())
    /// }
    ///
    /// fn consume(stop: &Stop) -> Result<(), String> {
    ///     while !stop.wait(Duration::from_millis(100)) { /* take what is there */ }
    ///     Ok(())
    /// }
    ///
    /// fn expire() { /* … */ }
    ///
    /// let service = Service::new("shop")
    ///     .background("database", keep_pool)
    ///     .notifies_ready()
    ///     .on_failure(Restart::backoff("1s", "1m"))
    ///     .background("consumer", consume)
    ///     .needs("database")
    ///     .on_failure(Restart::backoff("1s", "1m").limit(10))
    ///     .every("expire", "60s", expire);
    /// ```
    ///
    /// # Panics
    /// Where there is a background service or a scheduled job of this name already.
    #[must_use]
    #[track_caller]
    pub fn background<Args>(
        self,
        name: &'static str,
        service: impl RecurringJob<S, Args>,
    ) -> Service<S> {
        self.with_background(name, None, service)
    }

    /// Runs `job` again and again, on a thread of its own, from the moment the start-up tasks are done until after the
    /// drain: `"60s"`, or a [`Schedule`] with a jitter or a first run at once.
    ///
    /// A run never overlaps another. Where one takes longer than the interval, the next begins at once, and the beats
    /// between are skipped, counted and logged. A job is told to stop between two runs; one that is running is told by
    /// its [`Stop`]. A run that fails or panics is logged and counted, and the next beat is another attempt, unless
    /// [`on_failure`](Service::on_failure) says otherwise: there a restart's pause stands for the beat.
    ///
    /// # Panics
    /// Where the interval is no duration or 0, or the name is taken by another job or background service.
    #[must_use]
    #[track_caller]
    pub fn every<Args>(
        self,
        name: &'static str,
        schedule: impl Into<Schedule>,
        job: impl RecurringJob<S, Args>,
    ) -> Service<S> {
        self.with_background(name, Some(schedule.into()), job)
    }

    /// What is done where the background service or job that was added last fails or panics: [`Policy::StopService`] for
    /// a background service, [`Policy::GoOn`] for a job, unless said otherwise. A failure while it stops is told in the
    /// drain report and makes the exit code 1, whatever the policy.
    ///
    /// # Panics
    /// Where neither was added last, or readiness is to depend on it and its name is no name for a check.
    #[must_use]
    #[track_caller]
    pub fn on_failure(self, policy: impl Into<Policy>) -> Service<S> {
        let policy = policy.into();
        self.configure("on_failure", |service| service.on_failure = policy)
    }

    /// What is done where the background service that was added last returns before it was told to stop:
    /// [`Policy::StopService`] unless said otherwise. [`Policy::GoOn`] is for one that has an end of its own.
    ///
    /// # Panics
    /// As [`on_failure`](Service::on_failure), and where a scheduled job was added last: its runs are meant to return.
    #[must_use]
    #[track_caller]
    pub fn on_return(self, policy: impl Into<Policy>) -> Service<S> {
        let policy = policy.into();
        self.configure("on_return", |service| {
            let (name, is_scheduled) = (service.name, service.is_scheduled());
            assert!(
                !is_scheduled,
                "{name:?} is a scheduled job, whose runs are meant to return"
            );
            service.on_return = policy;
        })
    }

    /// The background service or job that was added last runs only once the one named here is ready, and is stopped
    /// before it. A background service is ready from its start, which is once all is ready that it needs itself, unless it
    /// [`notifies_ready`](Service::notifies_ready).
    /// It is looked at before each run, so before a restart too.
    ///
    /// # Panics
    /// Where neither was added last, or no background service or job of this name was added before it.
    #[must_use]
    #[track_caller]
    pub fn needs(self, name: &'static str) -> Service<S> {
        let before = self.background.len().saturating_sub(1);
        let is_known = self.background[..before]
            .iter()
            .any(|one| matches!(one, Background::Service(service) if service.name == name));
        assert!(
            is_known,
            "no background service {name:?} was added before the one that needs it"
        );
        self.configure("needs", |service| service.needs.push(name))
    }

    /// The background service that was added last says itself when it is ready, by [`Stop::notify_ready`]; a scheduled
    /// job is ready once a run of it has succeeded. Until then what [`needs`](Service::needs) it waits, and `/readyz` has
    /// a check of its name that fails. After a failure it is not ready until it says so again.
    ///
    /// # Panics
    /// Where neither was added last, or its name is no name for a check.
    #[must_use]
    #[track_caller]
    pub fn notifies_ready(self) -> Service<S> {
        self.configure("notifies_ready", |service| service.notifies_ready = true)
    }

    /// Runs `hook` after the drain, on a thread of its own, in turn with the background services: the last added first.
    /// Its [`Stop`] says from the first that the service stops.
    #[must_use]
    pub fn on_stop<Args>(mut self, name: &'static str, hook: impl Job<S, Args>) -> Service<S> {
        let hook = Background::Hook(self.task(name, hook));
        self.background.push(hook);
        self
    }

    fn task<Args>(&self, name: &'static str, job: impl Job<S, Args>) -> Task {
        let state = Arc::clone(&self.application.state);
        Task::new(name, move |stop: &Stop| job.run(stop, &state))
    }

    #[track_caller]
    fn with_background<Args>(
        mut self,
        name: &'static str,
        schedule: Option<Schedule>,
        job: impl RecurringJob<S, Args>,
    ) -> Service<S> {
        let is_taken = self
            .background
            .iter()
            .any(|one| matches!(one, Background::Service(service) if service.name == name));
        assert!(
            !is_taken,
            "there is a background service named {name:?} already"
        );
        let state = Arc::clone(&self.application.state);
        let service = BackgroundService::new(name, schedule, job, state);
        self.background.push(Background::Service(service));
        self
    }

    /// Changes what was added last, and gives it a check where readiness depends on it.
    #[track_caller]
    fn configure(
        mut self,
        method: &str,
        change: impl FnOnce(&mut BackgroundService),
    ) -> Service<S> {
        let Some(Background::Service(service)) = self.background.last_mut() else {
            panic!("`{method}` comes right behind the `background` or `every` that it speaks of");
        };
        change(service);
        if service.affects_readiness() && service.readiness.is_none() {
            let (check, switch) = Check::switch(service.name);
            service.readiness = Some(switch);
            return self.check(check);
        }
        self
    }
}
