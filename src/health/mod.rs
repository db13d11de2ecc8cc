//! Checks, their cached results, and the probe answers.
//!
//! A check runs on a thread of its own and leaves its result behind; a probe reads results and never waits. The
//! answers have the kube-apiserver's form (<https://kubernetes.io/docs/reference/using-api/health-checks/>).

pub(crate) mod check;
pub(crate) mod startup;

use crate::{
    message::{into_response::IntoResponse, request::Request, response::Response},
    phase::{Phase, Stop},
};
use check::{CachedCheck, Kind, Verdict};
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use startup::StartupProgress;
use std::{borrow::Cow, sync::Arc};

/// Every check of a service, and the answers to its probes.
#[derive(Default)]
pub(crate) struct Health {
    checks: Vec<Arc<CachedCheck>>,
    pub(crate) startup: StartupProgress,
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
        // Every request comes by here, and nearly none is a probe.
        if !matches!(path.as_bytes().get(1)?, b'h' | b'l' | b'r' | b's') {
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
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(
            !name.is_empty() && name.bytes().all(fits),
            "{name:?} is no name for a check: use letters, digits, - _ and ."
        );
        let taken = ["ping", "startup", "shutdown"].contains(&name)
            || self.checks.iter().any(|other| other.name() == name);
        assert!(!taken, "there is a check named {name:?} already");
        self.checks.push(Arc::new(check));
    }

    /// Starts the checks' threads. They end with `stop`; one that hangs in its question is left to the process's end.
    pub(crate) fn start(&self, stop: &Stop) {
        self.checks.iter().for_each(|check| check.start(stop));
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
            excluded: request
                .query_pairs()
                .filter(|(key, _)| key == "exclude")
                .map(|(_, name)| name)
                .collect(),
        };
        Some(with_probe_headers(self.examine(&asked, phase)))
    }

    fn examine(&self, asked: &Asked<'_>, phase: Phase) -> Response {
        let mut report = String::new();
        let mut unmatched = asked.excluded.clone();
        let (mut failed, mut asked_one_exists) = (false, false);
        self.for_each(asked.endpoint, phase, |name, verdict| {
            if asked
                .one
                .is_some_and(|one| !percent_decode_str(one).eq(name.bytes()))
            {
                return;
            }
            asked_one_exists = true;
            unmatched.retain(|excluded| excluded != name);
            let excluded = asked.excluded.iter().any(|excluded| excluded == name);
            failed |= verdict.is_err() && !excluded;
            report += &match verdict {
                _ if excluded => format!("[+]{name} excluded: ok\n"),
                Ok(()) => format!("[+]{name} ok\n"),
                Err(_) => format!("[-]{name} failed: reason withheld\n"),
            };
        });
        if asked.one.is_some() && !asked_one_exists {
            return (StatusCode::NOT_FOUND, "no such check\n").into_response();
        }
        if asked.endpoint == Endpoint::Startup && asked.one.is_none() {
            self.startup.tell(&mut report);
        }
        if !unmatched.is_empty() {
            let names: Vec<String> = unmatched.iter().map(|name| format!("{name:?}")).collect();
            let names = names.join(", ");
            report +=
                &format!("warn: some health checks cannot be excluded: no matches for {names}\n");
        }
        let endpoint = asked.endpoint.name();
        match failed {
            true => {
                let report = format!("{report}{endpoint} check failed\n");
                (StatusCode::SERVICE_UNAVAILABLE, report).into_response()
            }
            false if asked.verbose => format!("{report}{endpoint} check passed\n").into_response(),
            false => "ok".into_response(),
        }
    }

    /// Tells the checks of an endpoint, in the order of its report, and what each says now.
    fn for_each(
        &self,
        endpoint: Endpoint,
        phase: Phase,
        mut tell: impl FnMut(&'static str, Verdict),
    ) {
        let unless = |fails: bool| if fails { Err(String::new()) } else { Ok(()) };
        tell("ping", Ok(()));
        if endpoint == Endpoint::Ready || endpoint == Endpoint::Startup {
            tell("startup", unless(phase == Phase::Starting));
        }
        if endpoint == Endpoint::Ready {
            tell("shutdown", unless(phase >= Phase::Draining));
        }
        let of_endpoint = |check: &&Arc<CachedCheck>| match endpoint {
            Endpoint::Live(_) => check.kind() == Kind::Liveness,
            Endpoint::Ready => check.kind() == Kind::Readiness,
            Endpoint::Startup => false,
        };
        self.checks
            .iter()
            .filter(of_endpoint)
            .for_each(|check| tell(check.name(), check.verdict()));
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
        .with_header(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        )
}

#[cfg(test)]
mod tests;
