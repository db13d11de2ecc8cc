//! What a service does beside answering requests: start-up tasks, background services, stop hooks.

use crate::{observe::panics, phase::Stop};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    convert::Infallible,
    fmt::Display,
    io, thread,
    time::{Duration, Instant},
};

/// What a task may return: nothing, or a `Result` whose error says why it failed.
pub trait TaskResult {
    /// The reason, where it failed.
    ///
    /// # Errors
    /// Where the task failed, with its error's text.
    fn into_result(self) -> Result<(), String>;
}

impl TaskResult for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> TaskResult for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

type Work = Box<dyn FnOnce(&Stop) -> Result<(), String> + Send>;

/// Something named that runs once.
pub(crate) struct Task {
    name: &'static str,
    work: Work,
}

impl Task {
    pub(crate) fn new<R: TaskResult>(
        name: &'static str,
        work: impl FnOnce(&Stop) -> R + Send + 'static,
    ) -> Task {
        Task {
            name,
            work: Box::new(move |stop| work(stop).into_result()),
        }
    }

    /// Runs it on this thread; a panic is a failure.
    fn run(self, stop: &Stop) -> Result<(), Failure> {
        let name = self.name;
        let result = panics::catch(|| (self.work)(stop))
            .unwrap_or_else(|panicked| Err(format!("panicked: {panicked}")));
        result.map_err(|reason| Failure::new(name, reason))
    }
}

/// A task that failed, and why.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
}

impl Failure {
    pub(super) fn new(name: &'static str, reason: String) -> Failure {
        Failure { name, reason }
    }

    pub(super) fn without_thread(name: &'static str, error: &io::Error) -> Failure {
        Failure::new(name, format!("its thread could not be started: {error}"))
    }

    /// As the drain report has it.
    pub(super) fn into_pair(self) -> (&'static str, String) {
        (self.name, self.reason)
    }
}

/// Runs the start-up tasks in order, on this thread, up to the first that fails.
pub(crate) fn run_start_tasks(tasks: Vec<Task>, stop: &Stop) -> Result<(), Failure> {
    for task in tasks {
        let (name, started) = (task.name, Instant::now());
        task.run(stop)?;
        if stop.is_stopping() {
            return Ok(());
        }
        log::info!(task = name, duration_ms = started.elapsed().as_millis() as u64; "start-up task done");
    }
    Ok(())
}

/// What is to be ended after the drain.
pub(crate) enum Background {
    /// Runs on a thread of its own until told to stop.
    Service(Task),
    /// Runs once, when it is its turn to end.
    Hook(Task),
}

impl Background {
    fn name(&self) -> &'static str {
        match self {
            Background::Service(task) | Background::Hook(task) => task.name,
        }
    }

    /// Runs it on this thread, and logs how it ended.
    fn run(self, stop: &Stop) -> Result<(), Failure> {
        match self {
            Background::Service(task) => {
                let name = task.name;
                task.run(stop)
                    .inspect(|()| log::info!(service = name; "background service ended"))
                    .inspect_err(|failure| log::error!(service = name, reason = failure.reason.as_str(); "background service failed"))
            }
            Background::Hook(task) => {
                let name = task.name;
                task.run(stop)
                    .inspect_err(|failure| log::error!(hook = name, reason = failure.reason.as_str(); "stop hook failed"))
            }
        }
    }
}

/// What background services and stop hooks get together beyond the end of `SHUTDOWN_TIMEOUT`, however long requests
/// took: half of the margin that `TERMINATION_GRACE_PERIOD` must leave. The other half is for the log, and to spare.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// Background services that run, and hooks that wait for their turn, in the order of registration.
#[derive(Default)]
pub(crate) struct BackgroundServices(Vec<Running>);

struct Running {
    name: &'static str,
    stop: Stop,
    /// A hook that waits, with what its thread is to hold.
    hook: Option<(Background, Sender<Infallible>)>,
    /// Disconnected once its thread has ended.
    ended: Receiver<Infallible>,
}

impl BackgroundServices {
    /// Starts every background service. One that fails or panics, be it when it was told to stop, is reported to
    /// `failed`, on its thread.
    ///
    /// # Errors
    /// Where a thread cannot be started; what was started is stopped again.
    pub(crate) fn start(
        all: Vec<Background>,
        failed: impl Fn(Failure) + Clone + Send + 'static,
    ) -> Result<BackgroundServices, Failure> {
        let mut services = BackgroundServices::default();
        for background in all {
            let (held_while_running, ended) = crossbeam_channel::bounded(0);
            let mut running = Running {
                name: background.name(),
                stop: Stop::default(),
                hook: None,
                ended,
            };
            if let Background::Hook(_) = background {
                running.hook = Some((background, held_while_running));
            } else if let Err(failure) =
                running.spawn(background, held_while_running, failed.clone())
            {
                services.stop(Instant::now(), failed);
                return Err(failure);
            }
            services.0.push(running);
        }
        Ok(services)
    }

    /// Ends them, the last started first, each joined before the one before it is told. Returns the names of those
    /// that had not ended by the end of the [`MARGIN`] behind the deadline; they are left running.
    ///
    /// One that does not stop costs the others nothing: it is waited for until the deadline and its share of the margin,
    /// so that each has a share of its own at least, and the whole takes no longer.
    pub(crate) fn stop(
        self,
        deadline: Instant,
        failed: impl Fn(Failure) + Clone + Send + 'static,
    ) -> Vec<&'static str> {
        let share = MARGIN / self.0.len().max(1) as u32;
        let mut turn_ends = deadline;
        let mut slow = Vec::new();
        for mut running in self.0.into_iter().rev() {
            // Its own share even where the process did not run while another's passed.
            turn_ends = (turn_ends + share).max(Instant::now() + share);
            running.tell(failed.clone());
            if !running.has_ended_by(turn_ends) {
                log::warn!(service = running.name; "not stopped in time: those before it are stopped meanwhile");
                slow.push(running);
            }
        }
        slow.retain(|running| !running.has_ended_by(deadline + MARGIN));
        slow.into_iter()
            .map(|running| running.name)
            .inspect(|name| log::error!(service = name; "background service did not stop by the deadline"))
            .collect()
    }
}

impl Running {
    /// Tells a service to stop, and lets a hook run.
    fn tell(&mut self, failed: impl Fn(Failure) + Clone + Send + 'static) {
        self.stop.stop();
        let Some((hook, held_while_running)) = self.hook.take() else {
            return;
        };
        if let Err(failure) = self.spawn(hook, held_while_running, failed.clone()) {
            log::error!(hook = failure.name, reason = failure.reason.as_str(); "stop hook failed");
            failed(failure);
        }
    }

    fn spawn(
        &self,
        background: Background,
        held_while_running: Sender<Infallible>,
        failed: impl Fn(Failure) + Send + 'static,
    ) -> Result<(), Failure> {
        let (name, stop) = (self.name, self.stop.clone());
        let run = move || {
            if let Err(failure) = background.run(&stop) {
                failed(failure);
            }
            drop(held_while_running);
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        thread
            .map(drop)
            .map_err(|error| Failure::without_thread(name, &error))
    }

    fn has_ended_by(&self, deadline: Instant) -> bool {
        self.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use std::time::Duration;

    #[test]
    fn a_service_that_another_needs_is_stopped_after_it() {
        let (order, seen) = unbounded();
        let background = |name: &'static str| {
            let order = order.clone();
            Background::Service(Task::new(name, move |stop| {
                stop.wait(Duration::from_secs(60));
                order.send(name).unwrap();
            }))
        };
        let hook = Background::Hook(Task::new("hook", {
            let order = order.clone();
            move |_| order.send("hook").unwrap()
        }));
        let services = BackgroundServices::start(
            vec![background("database"), hook, background("consumer")],
            |_| (),
        )
        .unwrap();
        assert!(
            services
                .stop(Instant::now() + Duration::from_secs(30), |_| ())
                .is_empty()
        );
        assert_eq!(
            seen.try_iter().collect::<Vec<_>>(),
            ["consumer", "hook", "database"]
        );
    }

    #[test]
    fn a_service_that_will_not_stop_is_named_and_not_waited_for() {
        let (release, held) = crossbeam_channel::bounded::<()>(0);
        let stuck = Background::Service(Task::new("stuck", move |_| {
            let _ = held.recv();
        }));
        let services = BackgroundServices::start(vec![stuck], |_| ()).unwrap();
        assert_eq!(services.stop(Instant::now(), |_| ()), ["stuck"]);
        drop(release);
    }

    #[test]
    fn a_background_service_that_panics_is_reported_by_name_and_reason() {
        let (sender, failures) = unbounded();
        let service =
            Background::Service(Task::new("refresher", |_| -> () { panic!("no source") }));
        let _services =
            BackgroundServices::start(vec![service], move |failure| sender.send(failure).unwrap())
                .unwrap();
        let failure = failures.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(
            (failure.name, failure.reason.as_str()),
            ("refresher", "panicked: no source")
        );
    }

    #[test]
    fn a_failed_start_up_task_keeps_the_later_ones_from_running() {
        let tasks = vec![
            Task::new("migrate", |_| Err("locked")),
            Task::new("warm", |_| -> () { panic!("must not run") }),
        ];
        let failure = run_start_tasks(tasks, &Stop::default()).unwrap_err();
        assert_eq!(
            (failure.name, failure.reason.as_str()),
            ("migrate", "locked")
        );
    }
}
