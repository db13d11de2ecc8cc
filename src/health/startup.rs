//! How far the start-up tasks are, for `/startupz?verbose`.

use std::{
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The start-up tasks in their order. Written by the thread that runs them, read by probes.
#[derive(Default)]
pub(crate) struct StartupProgress(Mutex<Vec<Step>>);

struct Step {
    name: &'static str,
    state: StepState,
}

#[derive(Clone, Copy)]
enum StepState {
    Waiting,
    Running(Instant),
    Done(Duration),
}

impl StartupProgress {
    /// These are to run, in this order.
    pub(crate) fn expect(&self, names: Vec<&'static str>) {
        let waiting = |name| Step {
            name,
            state: StepState::Waiting,
        };
        *self.steps() = names.into_iter().map(waiting).collect();
    }

    /// The task of this number runs from now on.
    pub(crate) fn begin(&self, number: usize) {
        self.steps()[number].state = StepState::Running(Instant::now());
    }

    /// It has returned.
    pub(crate) fn finish(&self, number: usize) {
        let step = &mut self.steps()[number];
        if let StepState::Running(since) = step.state {
            step.state = StepState::Done(since.elapsed());
        }
    }

    /// Appends a line for each: `[+]task migrate done in 1200 ms`.
    pub(super) fn tell(&self, report: &mut String) {
        for Step { name, state } in self.steps().iter() {
            let written = match state {
                StepState::Waiting => writeln!(report, "[-]task {name} waits for those before it"),
                StepState::Running(since) => writeln!(
                    report,
                    "[-]task {name} has run for {} ms",
                    since.elapsed().as_millis()
                ),
                StepState::Done(took) => {
                    writeln!(report, "[+]task {name} done in {} ms", took.as_millis())
                }
            };
            written.expect("writing to a String does not fail");
        }
    }

    fn steps(&self) -> MutexGuard<'_, Vec<Step>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
