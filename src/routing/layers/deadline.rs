//! Until when an answer is of use.

use crate::{
    config::settings::IntoDuration,
    message::{request::Request, response::Response},
    routing::layer::{Layer, Next, ReadyMade},
};
use http::HeaderName;
use std::time::{Duration, Instant};

/// Sets what [`Request::deadline`] and [`Request::time_left`] tell those inside: so long from the moment that the
/// request's head was there. As [`Routes::timeout`](crate::Routes::timeout), for where that does not reach, and where
/// the caller says how long it will wait.
///
/// It takes the place of `REQUEST_TIMEOUT`, and only ever brings nearer what an outer layer or the route's group has
/// set. It is told and not enforced: a handler asks before each long step and passes it on to what it calls.
///
/// ```
/// use seaworthy::{Request, Service, layers};
///
/// let service = Service::new("shop")
///     .get("/", |request: &Request| format!("{:?} left", request.time_left().expect("there is a deadline")))
///     .layer(layers::deadline("2s").from_header("x-envoy-expected-rq-timeout-ms".parse().unwrap()));
/// assert_eq!(service.call(Request::get("/")).status(), 200);
/// ```
///
/// # Panics
/// Where a text is no duration such as `250ms`, `5s` or `1m`.
#[must_use]
#[track_caller]
pub fn deadline(after: impl IntoDuration) -> Deadline {
    Deadline {
        after: after.into_duration(),
        header: None,
    }
}

/// See [`deadline`].
#[derive(Clone, Debug)]
pub struct Deadline {
    after: Duration,
    header: Option<HeaderName>,
}

impl Deadline {
    /// Lets the caller say how long it will wait, in milliseconds in this header of its request, as Envoy does in
    /// `X-Envoy-Expected-Rq-Timeout-Ms`. It can only bring the deadline nearer; what is no whole number is passed over.
    #[must_use]
    pub fn from_header(self, name: HeaderName) -> Deadline {
        Deadline {
            header: Some(name),
            ..self
        }
    }
}

impl<S> Layer<S, ReadyMade> for Deadline {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let header = self.header.as_ref();
        let said = header.and_then(|name| request.header(name)?.parse().ok());
        let after = said.map_or(self.after, |millis| {
            self.after.min(Duration::from_millis(millis))
        });
        let received = request.received.unwrap_or_else(Instant::now);
        if let Some(deadline) = received.checked_add(after) {
            request.set_deadline(deadline);
        }
        next.run(request)
    }
}
