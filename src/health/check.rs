//! A check of the service's health, and what is known of it.

use crate::{config::settings::IntoDuration, observe::panics, phase::Stop};
use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// What a check says: nothing, or why it fails.
pub(crate) type Verdict = Result<(), String>;

/// What a check asks: a function of nothing, or of the service's state `S`, which returns nothing or why it fails. `Args`
/// tells them apart, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no question that a check of a service whose state is `{S}` can ask",
    label = "expected `Fn() -> Result<(), impl Display>` or `Fn(&{S}) -> Result<(), impl Display>`",
    note = "a closure has to name its parameter's type: `|state: &{S}| …`"
)]
pub trait Examine<S, Args>: Send + Sync + 'static {
    /// Asks, on the check's own thread.
    ///
    /// # Errors
    /// Why the check fails.
    fn examine(&self, state: &S) -> Result<(), String>;
}

impl<S, F, E> Examine<S, ()> for F
where
    F: Fn() -> Result<(), E> + Send + Sync + 'static,
    E: Display,
{
    fn examine(&self, _: &S) -> Result<(), String> {
        self().map_err(|error| error.to_string())
    }
}

impl<S, F, E> Examine<S, (S,)> for F
where
    F: Fn(&S) -> Result<(), E> + Send + Sync + 'static,
    E: Display,
{
    fn examine(&self, state: &S) -> Result<(), String> {
        self(state).map_err(|error| error.to_string())
    }
}

type Question<S> = Box<dyn Fn(&S) -> Verdict + Send + Sync>;

/// A question about the service's health, asked again and again in the background.
///
/// Each check has a thread of its own from the moment the service has started. It runs at once, then
/// [`every`](Check::every) so often; probes are answered from the last result. A check that has not answered within
/// its [`timeout`](Check::timeout) has failed, and so has one that panics.
pub struct Check<S = ()> {
    name: &'static str,
    kind: Kind,
    timeout: Duration,
    every: Duration,
    examine: Question<S>,
    /// A switch needs no thread: its answer is at hand.
    immediate: bool,
}

/// Which probes a check belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Liveness,
    Readiness,
}

impl<S: 'static> Check<S> {
    /// A check that `/readyz` depends on: while it fails, the pod gets no traffic from its Service.
    pub fn readiness<Args>(name: &'static str, examine: impl Examine<S, Args>) -> Check<S> {
        Check::new(name, Kind::Readiness, examine)
    }

    /// A check that `/livez` and `/healthz` depend on: when it fails, Kubernetes restarts the container. For what a
    /// restart mends, such as a deadlock; never for a dependency that is down.
    pub fn liveness<Args>(name: &'static str, examine: impl Examine<S, Args>) -> Check<S> {
        Check::new(name, Kind::Liveness, examine)
    }

    /// A readiness check that the program itself switches; it is on at first, and needs no thread.
    #[must_use]
    pub fn switch(name: &'static str) -> (Check<S>, Switch) {
        let switch = Switch(Arc::new(AtomicBool::new(true)));
        let state = switch.clone();
        let examine = move || {
            if state.0.load(SeqCst) {
                Ok(())
            } else {
                Err("switched off")
            }
        };
        (
            Check {
                immediate: true,
                ..Check::readiness(name, examine)
            },
            switch,
        )
    }

    fn new<Args>(name: &'static str, kind: Kind, examine: impl Examine<S, Args>) -> Check<S> {
        let examine = Box::new(move |state: &S| examine.examine(state));
        let (timeout, every) = (Duration::from_secs(1), Duration::from_secs(10));
        Check {
            name,
            kind,
            timeout,
            every,
            examine,
            immediate: false,
        }
    }

    /// How long one run may take before it counts as failed: 1 s unless said otherwise.
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`.
    #[must_use]
    #[track_caller]
    pub fn timeout(self, timeout: impl IntoDuration) -> Check<S> {
        Check {
            timeout: timeout.into_duration(),
            ..self
        }
    }

    /// How long to rest between two runs: 10 s unless said otherwise.
    ///
    /// # Panics
    /// As [`timeout`](Check::timeout).
    #[must_use]
    #[track_caller]
    pub fn every(self, every: impl IntoDuration) -> Check<S> {
        Check {
            every: every.into_duration(),
            ..self
        }
    }
}

/// The program's hold on a [`Check::switch`]. Any thread may use it; `/readyz` follows at once.
#[derive(Clone)]
pub struct Switch(Arc<AtomicBool>);

impl Switch {
    /// Ready again, as far as this check goes.
    pub fn on(&self) {
        self.0.store(true, SeqCst);
    }

    /// Not ready.
    pub fn off(&self) {
        self.0.store(false, SeqCst);
    }
}

/// A check with what is known of it.
pub(crate) struct CachedCheck {
    name: &'static str,
    kind: Kind,
    timeout: Duration,
    every: Duration,
    examine: Box<dyn Fn() -> Verdict + Send + Sync>,
    immediate: bool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    result: Option<Verdict>,
    running_since: Option<Instant>,
    /// What the log was last told, so that it is told of changes only.
    logged: Option<Verdict>,
}

impl CachedCheck {
    /// A check that asks about this state; the service's, which ends with it.
    pub(crate) fn new<S: Send + Sync + 'static>(check: Check<S>, state: &Arc<S>) -> CachedCheck {
        let (examine, state) = (check.examine, Arc::clone(state));
        CachedCheck {
            name: check.name,
            kind: check.kind,
            timeout: check.timeout,
            every: check.every,
            examine: Box::new(move || examine(&state)),
            immediate: check.immediate,
            known: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Starts the check's thread, where it needs one.
    pub(crate) fn start(self: &Arc<CachedCheck>, stop: &Stop) {
        if self.immediate {
            return;
        }
        let (check, stop) = (Arc::clone(self), stop.clone());
        let run = move || {
            while !stop.is_stopping() {
                check.run();
                stop.wait(check.every);
            }
        };
        let name = format!("check-{}", self.name);
        if let Err(error) = thread::Builder::new().name(name).spawn(run) {
            let reason = format!("its thread could not be started: {error}");
            self.lock().result = Some(Err(reason));
        }
    }

    /// What a probe is told now. Logs it where it has changed.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut known = self.lock();
        let overdue = known
            .running_since
            .is_some_and(|since| since.elapsed() > self.timeout);
        let verdict = match &known.result {
            _ if self.immediate => (self.examine)(),
            _ if overdue => Err(format!("no answer within {:?}", self.timeout)),
            None => Err("not checked yet".to_owned()),
            Some(result) => result.clone(),
        };
        if known.result.is_some() || overdue || self.immediate {
            log_change(self.name, &mut known, &verdict);
        }
        verdict
    }

    /// One run, on the check's own thread.
    fn run(&self) {
        let started = Instant::now();
        self.lock().running_since = Some(started);
        let result = panics::catch(&self.examine)
            .unwrap_or_else(|panicked| Err(format!("panicked: {panicked}")));
        let took = started.elapsed();
        let result = match took > self.timeout {
            true => Err(format!(
                "took {took:.1?}, over its timeout of {:?}",
                self.timeout
            )),
            false => result,
        };
        let mut known = self.lock();
        known.running_since = None;
        known.result = Some(result);
        drop(known);
        let _ = self.verdict();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_change(name: &str, known: &mut Known, verdict: &Verdict) {
    if known.logged.as_ref() == Some(verdict) || (known.logged.is_none() && verdict.is_ok()) {
        known.logged = Some(verdict.clone());
        return;
    }
    match verdict {
        Ok(()) => log::info!(check = name; "check passes again"),
        Err(reason) => log::warn!(check = name, reason = reason.as_str(); "check failed"),
    }
    known.logged = Some(verdict.clone());
}
