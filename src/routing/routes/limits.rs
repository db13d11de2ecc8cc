//! What a group's routes may take: time, bytes, places.

use super::Routes;
use crate::{
    config::settings::{IntoDuration, parse_size},
    routing::layers,
};

impl<S: 'static> Routes<S> {
    /// What [`Request::deadline`](crate::Request::deadline) tells the group's handlers, in place of `REQUEST_TIMEOUT`.
    /// A group inside of it that has its own keeps that.
    ///
    /// ```
    /// use seaworthy::{Request, Routes, Service, http::Method};
    ///
    /// let uploads = Routes::new()
    ///     .put("/{name}", |request: &Request| format!("{:?} left", request.time_left()))
    ///     .timeout("2s")
    ///     .body_limit("300MiB")
    ///     .concurrency(8);
    /// let service = Service::new("files").nest("/files", uploads);
    /// assert_eq!(service.call(Request::new(Method::PUT, "/files/a")).status(), 200);
    /// ```
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`.
    #[must_use]
    #[track_caller]
    pub fn timeout(mut self, timeout: impl IntoDuration) -> Routes<S> {
        self.timeout = Some(timeout.into_duration());
        self
    }

    /// The most bytes that a body may have on the group's routes, in place of `MAX_BODY_BYTES`, larger or smaller: a
    /// size such as `64KiB`, `300MiB`, or of an [`Upload`](crate::Upload) `10GiB`. Past it 413. A group inside of it that has its own keeps that.
    ///
    /// # Panics
    /// Where the text is no size.
    #[must_use]
    #[track_caller]
    pub fn body_limit(mut self, size: &str) -> Routes<S> {
        match parse_size(size) {
            Some(bytes) => self.body_limit = Some(bytes),
            None => panic!("{size:?} is no size: write 65536, 64KiB or 1MiB"),
        }
        self
    }

    /// Lets at most `most` requests to the group's routes run at once; those beyond are told 503 with `Retry-After`. It
    /// is a layer, [`layers::concurrency`], outside of those that were added before it.
    ///
    /// # Panics
    /// Where `most` is 0.
    #[must_use]
    #[track_caller]
    pub fn concurrency(self, most: usize) -> Routes<S> {
        self.layer(layers::concurrency(most))
    }
}
