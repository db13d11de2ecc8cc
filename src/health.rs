//! Checks, their cached results, and the probe answers.
//!
//! A check runs on a thread of its own and leaves its result behind; a probe reads results and never waits. The
//! answers have the kube-apiserver's form (<https://kubernetes.io/docs/reference/using-api/health-checks/>).

use crate::{
    background::Stop,
    lifecycle::Phase,
    panics, percent,
    request::Request,
    response::{IntoResponse, Response},
    settings::parse_duration,
};
use http::{HeaderValue, Method, StatusCode, header};
use std::{
    borrow::Cow,
    fmt::{Display, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

type Examine = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A question about the service's health, asked again and again in the background.
///
/// Each check has a thread of its own from the moment the service has started. It runs at once, then
/// [`every`](Check::every) so often; probes are answered from the last result. A check that has not answered within
/// its [`timeout`](Check::timeout) has failed, and so has one that panics.
pub struct Check {
    name: &'static str,
    kind: Kind,
    timeout: Duration,
    every: Duration,
    examine: Examine,
    /// A switch needs no thread: its answer is at hand.
    immediate: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Liveness,
    Readiness,
}

impl Check {
    /// A check that `/readyz` depends on: while it fails, the pod gets no traffic from its Service.
    pub fn readiness<E: Display>(
        name: &'static str,
        examine: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Check {
        Check::new(name, Kind::Readiness, examine)
    }

    /// A check that `/livez` and `/healthz` depend on: when it fails, Kubernetes restarts the container. For what a
    /// restart mends, such as a deadlock; never for a dependency that is down.
    pub fn liveness<E: Display>(
        name: &'static str,
        examine: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Check {
        Check::new(name, Kind::Liveness, examine)
    }

    /// A readiness check that the program itself switches; it is on at first, and needs no thread.
    #[must_use]
    pub fn switch(name: &'static str) -> (Check, Switch) {
        let switch = Switch(Arc::new(AtomicBool::new(true)));
        let state = switch.clone();
        let examine = move || if state.0.load(SeqCst) { Ok(()) } else { Err("switched off") };
        (Check { immediate: true, ..Check::readiness(name, examine) }, switch)
    }

    fn new<E: Display>(
        name: &'static str,
        kind: Kind,
        examine: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Check {
        let examine = Box::new(move || examine().map_err(|error| error.to_string()));
        let (timeout, every) = (Duration::from_secs(1), Duration::from_secs(10));
        Check { name, kind, timeout, every, examine, immediate: false }
    }

    /// How long one run may take before it counts as failed: 1 s unless said otherwise.
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`.
    #[must_use]
    #[track_caller]
    pub fn timeout(self, timeout: impl IntoDuration) -> Check {
        Check { timeout: timeout.into_duration(), ..self }
    }

    /// How long to rest between two runs: 10 s unless said otherwise.
    ///
    /// # Panics
    /// As [`timeout`](Check::timeout).
    #[must_use]
    #[track_caller]
    pub fn every(self, every: impl IntoDuration) -> Check {
        Check { every: every.into_duration(), ..self }
    }
}

/// A length of time: a [`Duration`], or text such as `250ms`, `5s`, `1m`.
pub trait IntoDuration {
    /// The duration.
    ///
    /// # Panics
    /// Where the text is none.
    #[track_caller]
    fn into_duration(self) -> Duration;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Duration {
        self
    }
}

impl IntoDuration for &str {
    #[track_caller]
    fn into_duration(self) -> Duration {
        match parse_duration(self) {
            Some(duration) => duration,
            None => panic!("{self:?} is no duration: write 250ms, 5s or 1m"),
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
struct Watched {
    check: Check,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    result: Option<Result<(), String>>,
    running_since: Option<Instant>,
    /// What the log was last told, so that it is told of changes only.
    logged: Option<Result<(), String>>,
}

impl Watched {
    /// What a probe is told now. Logs it where it has changed.
    fn verdict(&self) -> Result<(), String> {
        let mut known = self.lock();
        let overdue = known.running_since.is_some_and(|since| since.elapsed() > self.check.timeout);
        let verdict = match &known.result {
            _ if self.check.immediate => (self.check.examine)(),
            _ if overdue => Err(format!("no answer within {:?}", self.check.timeout)),
            None => Err("not checked yet".to_owned()),
            Some(result) => result.clone(),
        };
        if known.result.is_some() || overdue || self.check.immediate {
            log_change(self.check.name, &mut known, &verdict);
        }
        verdict
    }

    /// One run, on the check's own thread.
    fn run(&self) {
        let started = Instant::now();
        self.lock().running_since = Some(started);
        let result = panics::catch(&self.check.examine).unwrap_or_else(|panicked| Err(format!("panicked: {panicked}")));
        let took = started.elapsed();
        let result = match took > self.check.timeout {
            true => Err(format!("took {took:.1?}, over its timeout of {:?}", self.check.timeout)),
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

fn log_change(name: &str, known: &mut Known, verdict: &Result<(), String>) {
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

/// Every check of a service, and the answers to its probes.
#[derive(Default)]
pub(crate) struct Health {
    checks: Vec<Arc<Watched>>,
}

/// The paths that are answered here, and no route may take.
pub(crate) fn is_reserved(path: &str) -> bool {
    Endpoint::of(path).is_some() || path == "/version"
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Live(&'static str),
    Ready,
    Startup,
}

impl Endpoint {
    fn of(path: &str) -> Option<(Endpoint, Option<&str>)> {
        let (first, rest) = match path.get(1..)?.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (&path[1..], None),
        };
        let endpoint = match first {
            "healthz" => Endpoint::Live("healthz"),
            "livez" => Endpoint::Live("livez"),
            "readyz" => Endpoint::Ready,
            "startupz" => Endpoint::Startup,
            _ => return None,
        };
        Some((endpoint, rest))
    }

    fn name(self) -> &'static str {
        match self {
            Endpoint::Live(name) => name,
            Endpoint::Ready => "readyz",
            Endpoint::Startup => "startupz",
        }
    }
}

impl Health {
    /// Adds a check.
    ///
    /// # Panics
    /// Where its name is taken, also by a built-in one, or cannot stand in a path.
    #[track_caller]
    pub(crate) fn add(&mut self, check: Check) {
        let name = check.name;
        let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        assert!(fits, "{name:?} is no name for a check: use letters, digits, - _ and .");
        let taken = ["ping", "startup", "shutdown"].contains(&name)
            || self.checks.iter().any(|watched| watched.check.name == name);
        assert!(!taken, "there is a check named {name:?} already");
        self.checks.push(Arc::new(Watched { check, known: Mutex::default() }));
    }

    /// Starts each check's thread. They end with `stop`; one that hangs in its question is left to the process's end.
    pub(crate) fn start(&self, stop: &Stop) {
        for watched in self.checks.iter().filter(|watched| !watched.check.immediate) {
            let (watched, stop) = (Arc::clone(watched), stop.clone());
            let name = format!("check-{}", watched.check.name);
            let spawned = thread::Builder::new().name(name).spawn({
                let watched = Arc::clone(&watched);
                move || {
                    while !stop.is_stopping() {
                        watched.run();
                        stop.wait(watched.check.every);
                    }
                }
            });
            if let Err(error) = spawned {
                watched.lock().result = Some(Err(format!("its thread could not be started: {error}")));
            }
        }
    }

    /// The answer, where the request is a probe. It costs microseconds and never waits, so that whoever holds the
    /// request may give it.
    pub(crate) fn answer(&self, request: &Request, phase: Phase) -> Option<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let (endpoint, one) = Endpoint::of(request.path())?;
        let asked = Asked {
            endpoint,
            one: one.filter(|name| !name.is_empty()),
            verbose: request.query_param("verbose").is_some(),
            excluded: request.query_pairs().filter(|(key, _)| key == "exclude").map(|(_, name)| name).collect(),
        };
        Some(with_probe_headers(self.examine(&asked, phase)))
    }

    fn examine(&self, asked: &Asked<'_>, phase: Phase) -> Response {
        let mut report = String::new();
        let (mut failed, mut matched) = (false, false);
        let mut unmatched = asked.excluded.clone();
        for (name, verdict) in self.verdicts(asked.endpoint, phase) {
            if asked.one.is_some_and(|one| percent::decode(one).as_deref() != Some(name)) {
                continue;
            }
            matched = true;
            let excluded = asked.excluded.iter().any(|excluded| excluded == name);
            unmatched.retain(|excluded| excluded != name);
            let line = match verdict() {
                _ if excluded => writeln!(report, "[+]{name} excluded: ok"),
                Ok(()) => writeln!(report, "[+]{name} ok"),
                Err(_) => {
                    failed = true;
                    writeln!(report, "[-]{name} failed: reason withheld")
                }
            };
            line.expect("writing to a String does not fail");
        }
        if asked.one.is_some() && !matched {
            return (StatusCode::NOT_FOUND, "no such check\n").into_response();
        }
        if !unmatched.is_empty() {
            let names: Vec<String> = unmatched.iter().map(|name| format!("{name:?}")).collect();
            report += &format!("warn: some health checks cannot be excluded: no matches for {}\n", names.join(", "));
        }
        let name = asked.endpoint.name();
        match failed {
            true => (StatusCode::SERVICE_UNAVAILABLE, format!("{report}{name} check failed\n")).into_response(),
            false if asked.verbose => format!("{report}{name} check passed\n").into_response(),
            false => "ok".into_response(),
        }
    }

    /// The checks of an endpoint in the order of its report.
    fn verdicts(
        &self,
        endpoint: Endpoint,
        phase: Phase,
    ) -> impl Iterator<Item = (&'static str, Box<dyn Fn() -> Result<(), String> + '_>)> {
        type Verdict<'a> = (&'static str, Box<dyn Fn() -> Result<(), String> + 'a>);
        let unless = |fails: bool, reason: &'static str| -> Box<dyn Fn() -> Result<(), String>> {
            Box::new(move || if fails { Err(reason.to_owned()) } else { Ok(()) })
        };
        let mut verdicts: Vec<Verdict<'_>> = vec![("ping", unless(false, ""))];
        if endpoint == Endpoint::Ready || endpoint == Endpoint::Startup {
            verdicts.push(("startup", unless(phase == Phase::Starting, "start-up tasks are running")));
        }
        if endpoint == Endpoint::Ready {
            verdicts.push(("shutdown", unless(phase >= Phase::Draining, "shutting down")));
        }
        let kind = match endpoint {
            Endpoint::Live(_) => Some(Kind::Liveness),
            Endpoint::Ready => Some(Kind::Readiness),
            Endpoint::Startup => None,
        };
        let own = self.checks.iter().filter(move |watched| Some(watched.check.kind) == kind);
        verdicts.extend(own.map(|watched| -> Verdict<'_> { (watched.check.name, Box::new(|| watched.verdict())) }));
        verdicts.into_iter()
    }
}

/// What a probe asked for.
struct Asked<'a> {
    endpoint: Endpoint,
    /// `/readyz/name`: this check alone.
    one: Option<&'a str>,
    verbose: bool,
    excluded: Vec<Cow<'a, str>>,
}

fn with_probe_headers(response: Response) -> Response {
    response
        .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_header(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
