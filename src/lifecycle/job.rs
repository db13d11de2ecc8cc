//! What a start-up task, a background service or a stop hook may be.

use super::background::TaskResult;
use crate::phase::Stop;

/// Work that the service runs once: a function of nothing, of the [`Stop`] that tells it to end, of the service's state
/// `S`, or of both in that order. It returns nothing, or a `Result` whose error says why it failed. `Args` tells them
/// apart, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a service whose state is `{S}` can run",
    label = "expected a function of `&Stop`, of `&{S}`, of `&Stop` and `&{S}`, or of nothing",
    note = "a closure has to name its parameters' types: `|stop: &Stop| …` or `|stop: &Stop, state: &{S}| …`"
)]
pub trait Job<S, Args>: Send + 'static {
    /// Runs it, on a thread of its own.
    ///
    /// # Errors
    /// Why it failed.
    fn run(self, stop: &Stop, state: &S) -> Result<(), String>;
}

impl<S, F, R> Job<S, ()> for F
where
    F: FnOnce() -> R + Send + 'static,
    R: TaskResult,
{
    fn run(self, _: &Stop, _: &S) -> Result<(), String> {
        self().into_result()
    }
}

impl<S, F, R> Job<S, (Stop,)> for F
where
    F: FnOnce(&Stop) -> R + Send + 'static,
    R: TaskResult,
{
    fn run(self, stop: &Stop, _: &S) -> Result<(), String> {
        self(stop).into_result()
    }
}

impl<S, F, R> Job<S, ((), S)> for F
where
    F: FnOnce(&S) -> R + Send + 'static,
    R: TaskResult,
{
    fn run(self, _: &Stop, state: &S) -> Result<(), String> {
        self(state).into_result()
    }
}

impl<S, F, R> Job<S, (Stop, S)> for F
where
    F: FnOnce(&Stop, &S) -> R + Send + 'static,
    R: TaskResult,
{
    fn run(self, stop: &Stop, state: &S) -> Result<(), String> {
        self(stop, state).into_result()
    }
}
