//! Named work that runs once, start-up tasks and stop hooks, and how it fails.

use crate::{health::startup::StartupProgress, observe::panics, phase::Stop};
use std::{fmt::Display, io, time::Instant};

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

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it on this thread; a panic is a failure.
    pub(super) fn run(self, stop: &Stop) -> Result<(), Failure> {
        let work = self.work;
        caught(self.name, || work(stop))
    }
}

/// Runs what belongs to `name`; a panic is a failure, whether or not there is a panic hook.
pub(super) fn caught(
    name: &'static str,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), Failure> {
    match panics::catch(work) {
        Ok(result) => result.map_err(|reason| Failure::new(name, reason)),
        Err(panicked) => Err(Failure {
            location: panicked.location,
            ..Failure::new(name, format!("panicked: {}", panicked.message))
        }),
    }
}

/// Something named that failed, and why.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
    /// Of a panic, where the process has seaworthy's hook. Beside the reason, so that with and without it that is the same.
    pub(crate) location: Option<String>,
}

impl Failure {
    pub(super) fn new(name: &'static str, reason: String) -> Failure {
        Failure {
            name,
            reason,
            location: None,
        }
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
pub(super) fn run_start_tasks(
    tasks: Vec<Task>,
    stop: &Stop,
    progress: &StartupProgress,
) -> Result<(), Failure> {
    for (number, task) in tasks.into_iter().enumerate() {
        let (name, started) = (task.name, Instant::now());
        progress.begin(number);
        task.run(stop)?;
        if stop.is_stopping() {
            return Ok(());
        }
        progress.finish(number);
        log::info!(task = name, duration_ms = started.elapsed().as_millis() as u64; "start-up task done");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_start_up_task_keeps_the_later_ones_from_running() {
        let tasks = vec![
            Task::new("migrate", |_| Err("locked")),
            Task::new("warm", |_| -> () { panic!("must not run") }),
        ];
        let progress = StartupProgress::default();
        progress.expect(vec!["migrate", "warm"]);
        let failure = run_start_tasks(tasks, &Stop::default(), &progress).unwrap_err();
        assert_eq!(
            (failure.name, failure.reason.as_str()),
            ("migrate", "locked")
        );
    }

    #[test]
    fn a_panics_reason_is_its_message_whether_or_not_its_place_is_known() {
        let failure = caught("warm", || panic!("no source")).unwrap_err();
        assert_eq!(failure.reason, "panicked: no source");
    }
}
