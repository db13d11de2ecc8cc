//! What a service does beside answering requests: start-up tasks, background services, stop hooks.

use crate::{observe::panics, phase::Stop};
use std::{fmt::Display, thread, time::Instant};

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
        result.map_err(|reason| Failure { name, reason })
    }
}

/// A task that failed, and why.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
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
}

/// Background services that run, and hooks that wait for their turn, in the order of registration.
#[derive(Default)]
pub(crate) struct BackgroundServices(Vec<Running>);

struct Running {
    name: &'static str,
    stop: Stop,
    /// A hook's work; a service has begun its own.
    hook: Option<Task>,
    ended: crossbeam_channel::Receiver<()>,
    thread: crossbeam_channel::Sender<()>,
}

impl BackgroundServices {
    /// Starts every background service. One that fails or panics before it was told to stop is reported to `failed`,
    /// on its thread.
    ///
    /// # Errors
    /// Where a thread cannot be started; what was started goes on.
    pub(crate) fn start(
        all: Vec<Background>,
        failed: impl Fn(Failure) + Clone + Send + 'static,
    ) -> Result<BackgroundServices, Failure> {
        let mut services = BackgroundServices::default();
        for background in all {
            let (thread, ended) = crossbeam_channel::bounded(1);
            let mut running = Running {
                name: background.name(),
                stop: Stop::default(),
                hook: None,
                ended,
                thread,
            };
            match background {
                Background::Hook(task) => running.hook = Some(task),
                Background::Service(task) => running.spawn(task, failed.clone())?,
            }
            services.0.push(running);
        }
        Ok(services)
    }

    /// Ends them, the last started first, each joined before the one before it is told. Returns the names of those
    /// that had not ended by the deadline; they are left running.
    pub(crate) fn stop(self, deadline: Instant) -> Vec<&'static str> {
        let mut late = Vec::new();
        for mut running in self.0.into_iter().rev() {
            running.stop.stop();
            if let Some(hook) = running.hook.take() {
                let report = |failure: Failure| {
                    log::error!(hook = failure.name, reason = failure.reason.as_str(); "stop hook failed");
                };
                if let Err(failure) = running.spawn(hook, report) {
                    report(failure);
                    continue;
                }
            }
            if running.ended.recv_deadline(deadline).is_err() {
                log::error!(service = running.name; "background service did not stop by the deadline");
                late.push(running.name);
            }
        }
        late
    }
}

impl Running {
    fn spawn(&self, task: Task, failed: impl Fn(Failure) + Send + 'static) -> Result<(), Failure> {
        let (name, stop, ended) = (self.name, self.stop.clone(), self.thread.clone());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            match task.run(&stop) {
                Ok(()) => log::info!(service = name; "background service ended"),
                Err(failure) => failed(failure),
            }
            let _ = ended.send(());
        });
        let reason = |error| Failure {
            name,
            reason: format!("its thread could not be started: {error}"),
        };
        thread.map(drop).map_err(reason)
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
                .stop(Instant::now() + Duration::from_secs(30))
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
        assert_eq!(services.stop(Instant::now()), ["stuck"]);
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
