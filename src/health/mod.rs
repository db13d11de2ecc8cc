//! Checks, their cached results, and the probe answers.
//!
//! `check.rs` is what a program says of a check, `checks/` the ready-made ones, `cached.rs` what is known of one,
//! `state.rs` that at one moment, and `report.rs` the form in which a probe is told.
//!
//! A check runs on a thread of its own and leaves its result behind; a probe reads results and never waits. The
//! answers have the kube-apiserver's form (<https://kubernetes.io/docs/reference/using-api/health-checks/>).

pub(crate) mod cached;
pub(crate) mod check;
pub(crate) mod checks;
mod metrics;
mod report;
pub(crate) mod startup;
pub(crate) mod state;
pub(crate) mod workers;

use crate::{
    message::{into_response::IntoResponse, request::Request, response::Response},
    phase::{Phase, Stop},
};
use cached::CachedCheck;
use check::is_plain;
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use report::{HEALTH_JSON, Report, Reported};
use startup::StartupProgress;
use state::{CheckKind, CheckState};
use std::{
    borrow::Cow,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};
use workers::Workers;

/// Every check of a service, and the answers to its probes.
#[derive(Default)]
pub(crate) struct Health {
    checks: Vec<Arc<CachedCheck>>,
    pub(crate) startup: StartupProgress,
    /// When whoever asks `/livez` or `/healthz` was last told that the process should be restarted.
    not_alive_at: Mutex<Option<Instant>>,
}

/// Whether a path begins as those do that are answered here. Every request comes by here, and nearly none is a probe.
pub(crate) fn may_be_reserved(path: &[u8]) -> bool {
    matches!(path.get(1), Some(b'h' | b'l' | b'r' | b's' | b'v'))
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
        if !may_be_reserved(path.as_bytes()) {
            return None;
        }
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
    pub(crate) fn add(&mut self, check: CachedCheck) {
        let name = check.name();
        assert!(
            is_plain(name),
            "{name:?} is no name for a check: use letters, digits, - _ and ."
        );
        let taken = ["ping", "startup", SHUTDOWN].contains(&name)
            || self.checks.iter().any(|other| other.name() == name);
        assert!(!taken, "there is a check named {name:?} already");
        self.checks.push(Arc::new(check));
    }

    /// Start-up is complete: starts the checks' threads. They end with `stop`; one that hangs in its question is left to
    /// the process's end.
    pub(crate) fn start(&self, stop: &Stop, workers: &Weak<dyn Workers>) {
        self.checks
            .iter()
            .for_each(|check| check.start(stop, workers));
    }

    /// What every check of the service's says now, in the order of their registration. Never waits.
    pub(crate) fn states(&self) -> impl Iterator<Item = CheckState> {
        self.checks.iter().map(|check| check.state())
    }

    /// What this check says now; `None` where there is none of that name. Never waits.
    pub(crate) fn state(&self, name: &str) -> Option<CheckState> {
        let found = self.checks.iter().find(|check| check.name() == name);
        found.map(|check| check.state())
    }

    /// The answer, where the request is a probe. It costs microseconds and never waits, so that whoever holds the
    /// request may give it.
    pub(crate) fn answer(&self, request: &Request, phase: Phase) -> Option<Response> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let (endpoint, one) = Endpoint::of(request.path())?;
        let all = |wanted: &'static str| {
            let pairs = request.query_pairs().filter(move |(key, _)| key == wanted);
            pairs.map(|(_, value)| value).collect()
        };
        let asked = Asked {
            endpoint,
            one: one.filter(|name| !name.is_empty()),
            excluded: all("exclude"),
            tags: all("tag"),
        };
        let report = self.examine(&asked, phase);
        if report.has_failed() && matches!(endpoint, Endpoint::Live(_)) {
            *self.not_alive_at() = Some(Instant::now());
        }
        let response = match () {
            () if asked.one.is_some() && report.checks.is_empty() => {
                (StatusCode::NOT_FOUND, "no such check\n").into_response()
            }
            () if wants_json(request) => report.as_json(),
            () => report.as_text(request.query_param("verbose").is_some()),
        };
        Some(with_probe_headers(response))
    }

    fn examine(&self, asked: &Asked<'_>, phase: Phase) -> Report {
        let mut report = Report {
            endpoint: asked.endpoint.name(),
            checks: Vec::new(),
            tasks: String::new(),
            warnings: Vec::new(),
        };
        let mut unmatched = asked.excluded.clone();
        let must_tell_of_shutdown = self.was_not_alive();
        for mut check in self.reported(asked.endpoint, &asked.tags, phase) {
            if asked
                .one
                .is_some_and(|one| !percent_decode_str(one).eq(check.name.bytes()))
            {
                continue;
            }
            unmatched.retain(|excluded| excluded != check.name);
            check.excluded = asked.excluded.iter().any(|name| name == check.name);
            if check.excluded && check.name == SHUTDOWN && must_tell_of_shutdown {
                check.excluded = false;
                report.warnings.push(NOT_EXCLUDED.to_owned());
            }
            report.checks.push(check);
        }
        if asked.endpoint == Endpoint::Startup && asked.one.is_none() {
            self.startup.tell(&mut report.tasks);
        }
        if !unmatched.is_empty() {
            report.warnings.push(format!(
                "some health checks cannot be excluded: no matches for {}",
                quoted(&unmatched)
            ));
        }
        let has = |tag: &str| self.checks.iter().any(|check| check.has_tag(tag));
        let unknown: Vec<_> = asked.tags.iter().filter(|tag| !has(tag)).collect();
        if !unknown.is_empty() {
            let unknown = quoted(&unknown);
            report
                .warnings
                .push(format!("no health check has the tag {unknown}"));
        }
        report
    }

    /// The checks of an endpoint, in the order of its report: those that are built in, and of the service's those that
    /// have one of the tags, if there are any.
    fn reported<'a>(
        &'a self,
        endpoint: Endpoint,
        tags: &'a [Cow<'a, str>],
        phase: Phase,
    ) -> impl Iterator<Item = Reported> {
        let started = Reported::built_in("startup", phase > Phase::Starting);
        let not_stopping = Reported::built_in(SHUTDOWN, phase < Phase::Draining);
        let kind = match endpoint {
            Endpoint::Live(_) => Some(CheckKind::Liveness),
            Endpoint::Ready => Some(CheckKind::Readiness),
            Endpoint::Startup => None,
        };
        let is_wanted = move |check: &&Arc<CachedCheck>| {
            kind == Some(check.kind())
                && (tags.is_empty() || tags.iter().any(|tag| check.has_tag(tag)))
        };
        let own = self.checks.iter().filter(is_wanted);
        iter::once(Reported::built_in("ping", true))
            .chain((kind != Some(CheckKind::Liveness)).then_some(started))
            .chain((kind == Some(CheckKind::Readiness)).then_some(not_stopping))
            .chain(own.map(|check| Reported::of(check.state())))
    }

    /// Whether whoever asks `/livez` has been told so lately that the container should be restarted.
    fn was_not_alive(&self) -> bool {
        self.not_alive_at()
            .is_some_and(|moment| moment.elapsed() <= NOT_ALIVE_COUNTS_FOR)
    }

    fn not_alive_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.not_alive_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The built-in check that fails from the signal on.
const SHUTDOWN: &str = "shutdown";

/// For how long after `/livez` has failed `?exclude=shutdown` is not honoured.
///
/// The kubelet may leave the check out, since the endpoint of a *deleted* pod is not ready whatever its probe says; where
/// it is left in, the last pod of a Service is no longer *serving* as soon as it drains, and kube-proxy has nobody to
/// fall back on (<https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions>). A container that
/// is restarted *within* its pod for a liveness probe that failed looks the same from inside. There the probe alone can
/// take the pod out of its Service before the listener closes, and the kubelet's signal follows the last failure at once.
/// This is Kubernetes' default grace period, in which such a drain is over.
const NOT_ALIVE_COUNTS_FOR: Duration = Duration::from_secs(30);

const NOT_EXCLUDED: &str =
    "shutdown is not excluded: livez has failed within the last 30 s, so this may be a restart";

fn quoted(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{:?}", name.as_ref()))
        .collect();
    names.join(", ")
}

/// Whether the client names the media type of a health report. One that takes anything gets text.
fn wants_json(request: &Request) -> bool {
    let fields = request.headers().get_all(header::ACCEPT).iter();
    let texts = fields.filter_map(|field| field.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts
            .next()
            .is_some_and(|range| range.eq_ignore_ascii_case(HEALTH_JSON));
        // RFC 9110, section 12.4.2: a weight of 0 is a refusal.
        is_named && !parts.any(|parameter| parameter.strip_prefix("q=").is_some_and(is_zero))
    })
}

fn is_zero(weight: &str) -> bool {
    weight.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// What a probe asked for.
struct Asked<'a> {
    endpoint: Endpoint,
    /// `/readyz/name`: this check alone.
    one: Option<&'a str>,
    excluded: Vec<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
}

fn with_probe_headers(response: Response) -> Response {
    response
        .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_header(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        )
}

#[cfg(test)]
mod tests;
