//! What makes the answer of an error: a line of text, or what the service's hook says.

use super::{error::Error, request::Request, response::Response};
use std::sync::Arc;

/// See [`Service::errors`](crate::Service::errors).
pub(crate) type Render = Arc<dyn Fn(&Error, Option<&Request>) -> Response + Send + Sync>;

/// Renders the error that a response carries, where it carries one, and hands it out for the log.
pub(crate) fn render(
    mut response: Response,
    render: Option<&Render>,
    request: Option<&Request>,
) -> (Response, Option<Error>) {
    let error = response.error.take();
    match (&error, render) {
        (Some(known), Some(render)) => (rendered(known, render, request), error),
        _ => (response, error),
    }
}

/// With the error's own status and headers, whatever the hook returns.
pub(crate) fn rendered(error: &Error, render: &Render, request: Option<&Request>) -> Response {
    let mut response = render(error, request);
    response.status = error.status();
    response.error = None;
    for (name, value) in error.headers() {
        response.headers.insert(name, value.clone());
    }
    response
}
