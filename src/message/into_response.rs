//! What handlers may return, and how it becomes a [`Response`].

use super::response::{Body, Kind, Response};
#[cfg(any(test, feature = "serde"))]
use http::header;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::{borrow::Cow, convert::Infallible, fmt};

/// What a handler or layer may return.
///
/// Text is `text/plain; charset=utf-8`, bytes are `application/octet-stream`; a header in a tuple overrides that.
/// `(status, headers, body)` and its parts combine as in axum.
pub trait IntoResponse {
    /// Makes the response. Runs on the worker thread, right after the handler.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK)
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(StatusCode::OK, self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response {
            body: Body::Bytes(self.into_bytes(), Kind::Text),
            ..Response::new(StatusCode::OK)
        }
    }
}

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }
}

impl IntoResponse for &'static [u8] {
    fn into_response(self) -> Response {
        Response {
            body: Body::Static(self, Kind::Bytes),
            ..Response::new(StatusCode::OK)
        }
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response {
            body: Body::Bytes(self, Kind::Bytes),
            ..Response::new(StatusCode::OK)
        }
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<const N: usize, T: IntoResponse> IntoResponse for ([(HeaderName, HeaderValue); N], T) {
    fn into_response(self) -> Response {
        self.0
            .into_iter()
            .fold(self.1.into_response(), |response, (name, value)| {
                response.with_header(name, value)
            })
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.headers.extend(self.0);
        response
    }
}

impl<H, T> IntoResponse for (StatusCode, H, T)
where
    (H, T): IntoResponse,
{
    fn into_response(self) -> Response {
        (self.1, self.2).into_response().with_status(self.0)
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

/// A handler's failure: a status and a text for the client, and a cause that only the log is told.
///
/// Any error becomes a 500 by `?`, its text in the log and nothing of it in the response:
///
/// ```
/// use seaworthy::{Error, Request};
///
/// fn page(_: &Request) -> Result<String, Error> {
///     Ok(std::fs::read_to_string("page.txt")?)
/// }
/// ```
pub struct Error {
    status: StatusCode,
    message: Cow<'static, str>,
    cause: Option<Box<str>>,
}

impl Error {
    /// A failure that tells the client `message`.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Error {
        Error {
            status,
            message: message.into(),
            cause: None,
        }
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn because(self, cause: impl fmt::Display) -> Error {
        Error {
            cause: Some(cause.to_string().into_boxed_str()),
            ..self
        }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, "internal server error").because(error)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.status,
            self.cause.as_deref().unwrap_or(&self.message)
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Response {
            cause: self.cause,
            ..(self.status, self.message).into_response()
        }
    }
}

/// A value sent as JSON: `application/json`. A value that cannot be written as JSON is a 500, its error in the log.
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(
    /// The value.
    pub T,
);

#[cfg(feature = "serde")]
impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => bytes.into_response().with_header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ),
            Err(error) => Error::from(error).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_handler_keeps_its_reason_from_the_client_and_gives_it_to_the_log() {
        let failed: Result<&str, Error> = Err(std::io::Error::other("password=hunter2").into());
        let response = failed.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.body(), Some(&b"internal server error"[..]));
        assert_eq!(response.cause.as_deref(), Some("password=hunter2"));
    }

    #[test]
    fn tuples_combine_status_headers_and_body_as_in_axum() {
        let html = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))];
        let response = (StatusCode::CREATED, html, "<p>").into_response();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html");
        assert_eq!(response.body(), Some(&b"<p>"[..]));
    }

    #[test]
    fn each_kind_of_body_has_the_content_type_that_its_type_promises() {
        assert_eq!(
            "text".into_response().default_content_type(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(
            vec![0u8].into_response().default_content_type(),
            Some("application/octet-stream")
        );
        assert_eq!(
            StatusCode::NO_CONTENT
                .into_response()
                .default_content_type(),
            None
        );
    }
}
