//! So many requests at once, and no more.

use crate::{
    config::settings::IntoDuration,
    message::{error::Error, into_response::IntoResponse, request::Request, response::Response},
    routing::layer::{Layer, Next, ReadyMade},
};
use http::{HeaderValue, StatusCode, header};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// Lets at most `most` requests in at once; those beyond are told 503 with `Retry-After: 1` at once, before the handler
/// runs. For what is scarce behind a handler, such as connections to a database, and for handlers that hold much
/// memory.
///
/// A request keeps its place until its answer is out of hands: until the handler has returned or panicked, and for a
/// streamed answer until that has been read to its end, or its client has gone. The routes of a group that the layer is
/// added to share its places. [`Routes::concurrency`](crate::Routes::concurrency) adds one.
///
/// ```
/// use seaworthy::{Request, Routes, Service, layers};
///
/// let reports = Routes::new()
///     .get("/report", |_: &Request| "what took long to find out")
///     .layer(layers::concurrency(2).retry_after("10s"));
/// let service = Service::new("shop").merge(reports);
/// assert_eq!(service.call(Request::get("/report")).status(), 200);
/// ```
///
/// # Panics
/// Where `most` is 0: nothing would ever be answered.
#[must_use]
#[track_caller]
pub fn concurrency(most: usize) -> Concurrency {
    assert!(most > 0, "with a concurrency of 0 nothing is ever answered");
    Concurrency {
        most,
        running: Arc::default(),
        retry_after: HeaderValue::from_static("1"),
    }
}

/// See [`concurrency`].
#[derive(Debug)]
pub struct Concurrency {
    most: usize,
    running: Arc<AtomicUsize>,
    retry_after: HeaderValue,
}

impl Concurrency {
    /// When those beyond are told to come again: in whole seconds, rounded up (RFC 9110 section 10.2.3); by default one.
    ///
    /// # Panics
    /// Where a text is no duration.
    #[must_use]
    #[track_caller]
    pub fn retry_after(self, after: impl IntoDuration) -> Concurrency {
        let seconds = after.into_duration().as_millis().div_ceil(1000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        Concurrency {
            retry_after: HeaderValue::from(seconds),
            ..self
        }
    }

    fn enter(&self) -> Option<Place> {
        let free = |running| (running < self.most).then_some(running + 1);
        self.running.fetch_update(SeqCst, SeqCst, free).ok()?;
        Some(Place(Arc::clone(&self.running)))
    }
}

impl<S> Layer<S, ReadyMade> for Concurrency {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let Some(place) = self.enter() else {
            request.note_shed_by_limit();
            return Error::new(StatusCode::SERVICE_UNAVAILABLE, "too many at once")
                .with_header(header::RETRY_AFTER, self.retry_after.clone())
                .into_response();
        };
        let mut response = next.run(request);
        response.body.keep(place);
        response
    }
}

/// One of the places, until dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
