//! What a start-up task, a stop hook, a background service or a scheduled job may be.

use super::task::TaskResult;
use crate::phase::Stop;

/// Work that the service runs once, a start-up task or a stop hook: a function of nothing, of the [`Stop`] that tells it
/// to end, of the service's state `S`, or of both in that order. It returns nothing, or a `Result` whose error says why
/// it failed. `Args` tells them apart, and is always inferred.
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

/// Work that the service may run more than once, a background service, which may be restarted, or a scheduled job: what
/// a [`Job`] may be, where it can be called again (`FnMut`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a service whose state is `{S}` can run again and again",
    label = "expected a function of `&Stop`, of `&{S}`, of `&Stop` and `&{S}`, or of nothing, that can be called again",
    note = "a closure has to name its parameters' types: `|stop: &Stop| …` or `|stop: &Stop, state: &{S}| …`",
    note = "one that uses up what it holds can be called once only: let it borrow that, as `for job in &jobs` does"
)]
pub trait RecurringJob<S, Args>: Send + 'static {
    /// Runs it once, on a thread of its own, the same each time.
    ///
    /// # Errors
    /// Why it failed.
    fn run(&mut self, stop: &Stop, state: &S) -> Result<(), String>;
}

/// A function of these parameters is either.
macro_rules! jobs {
    ($(($($parameter:ty),*), $args:ty, |$stop:ident, $state:ident| ($($argument:ident),*);)*) => {$(
        impl<S, F, R> Job<S, $args> for F
        where
            F: FnOnce($($parameter),*) -> R + Send + 'static,
            R: TaskResult,
        {
            fn run(self, $stop: &Stop, $state: &S) -> Result<(), String> {
                self($($argument),*).into_result()
            }
        }

        impl<S, F, R> RecurringJob<S, $args> for F
        where
            F: FnMut($($parameter),*) -> R + Send + 'static,
            R: TaskResult,
        {
            fn run(&mut self, $stop: &Stop, $state: &S) -> Result<(), String> {
                self($($argument),*).into_result()
            }
        }
    )*};
}

jobs! {
    (), (), |_stop, _state| ();
    (&Stop), (Stop,), |stop, _state| (stop);
    (&S), ((), S), |_stop, state| (state);
    (&Stop, &S), (Stop, S), |stop, state| (stop, state);
}
