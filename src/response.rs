//! What a handler answers with.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{borrow::Cow, convert::Infallible, fmt, io::Read};

/// A response: a status, headers and a body. Most handlers return something simpler that [`IntoResponse`] turns
/// into one.
///
/// `Date`, `Content-Length`, `Transfer-Encoding` and `Connection` are the server's to write: what a handler sets
/// under these names is not sent.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// What the log is told and the client is not.
    pub(crate) cause: Option<Box<str>>,
}

/// A response's body.
#[derive(Default)]
pub(crate) enum Body {
    #[default]
    Empty,
    Static(&'static [u8], Kind),
    Bytes(Vec<u8>, Kind),
    Stream(Box<dyn Read + Send>, Option<u64>),
}

/// What a body's content type is where the handler sets none.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Bytes,
}

impl Response {
    /// A response with this status, no headers and no body.
    #[must_use]
    pub fn new(status: StatusCode) -> Response {
        Response { status, headers: HeaderMap::new(), body: Body::Empty, cause: None }
    }

    /// A 200 whose body is read from `reader` while it is sent, in `Transfer-Encoding: chunked`.
    ///
    /// The reader is read on a worker thread, at most 32 KiB ahead of what the client has taken, and may block: it
    /// holds a worker only while it reads, not while a slow client makes it wait. Where it fails, the connection is
    /// cut so that the client can tell.
    #[must_use]
    pub fn stream(reader: impl Read + Send + 'static) -> Response {
        let body = Body::Stream(Box::new(reader), None);
        Response { body, ..Response::new(StatusCode::OK) }
    }

    /// As [`Response::stream`], for a body whose length in bytes is known: sent with `Content-Length`. A reader that
    /// ends early cuts the connection; what it has beyond the length is not read.
    #[must_use]
    pub fn stream_sized(reader: impl Read + Send + 'static, length: u64) -> Response {
        let body = Body::Stream(Box::new(reader), Some(length));
        Response { body, ..Response::new(StatusCode::OK) }
    }

    /// Sets a header, in place of any of that name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Response {
        self.headers.insert(name, value);
        self
    }

    /// Sets the status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.status = status;
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers that were set; the server adds its own when it sends.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The headers, to change them: for a layer.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The body, where it is in memory; none for a streamed one.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Empty => Some(&[]),
            Body::Static(bytes, _) => Some(bytes),
            Body::Bytes(bytes, _) => Some(bytes),
            Body::Stream(..) => None,
        }
    }

    pub(crate) fn text(status: StatusCode, text: &'static str) -> Response {
        Response { body: Body::Static(text.as_bytes(), Kind::Text), ..Response::new(status) }
    }

    /// A 503 that tells the client when to come again, in seconds (RFC 9110 section 10.2.3).
    pub(crate) fn unavailable(why: &'static str) -> Response {
        Response::text(StatusCode::SERVICE_UNAVAILABLE, why)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub(crate) fn because(mut self, cause: impl fmt::Display) -> Response {
        self.cause = Some(cause.to_string().into_boxed_str());
        self
    }

    pub(crate) fn default_content_type(&self) -> Option<&'static str> {
        match &self.body {
            Body::Empty => None,
            Body::Static(_, Kind::Text) | Body::Bytes(_, Kind::Text) => Some("text/plain; charset=utf-8"),
            Body::Static(_, Kind::Bytes) | Body::Bytes(_, Kind::Bytes) | Body::Stream(..) => {
                Some("application/octet-stream")
            }
        }
    }
}

impl Body {
    /// How many bytes it holds on the heap.
    pub(crate) fn in_memory_len(&self) -> usize {
        match self {
            Body::Bytes(bytes, _) => bytes.len(),
            Body::Empty | Body::Static(..) | Body::Stream(..) => 0,
        }
    }

    /// The length in bytes; none for a stream of unknown length.
    pub(crate) fn len(&self) -> Option<u64> {
        match self {
            Body::Empty => Some(0),
            Body::Static(bytes, _) => Some(bytes.len() as u64),
            Body::Bytes(bytes, _) => Some(bytes.len() as u64),
            Body::Stream(_, length) => *length,
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({})", self.status)
    }
}

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
        Response { body: Body::Bytes(self.into_bytes(), Kind::Text), ..Response::new(StatusCode::OK) }
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
        Response { body: Body::Static(self, Kind::Bytes), ..Response::new(StatusCode::OK) }
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response { body: Body::Bytes(self, Kind::Bytes), ..Response::new(StatusCode::OK) }
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<const N: usize, T: IntoResponse> IntoResponse for ([(HeaderName, HeaderValue); N], T) {
    fn into_response(self) -> Response {
        self.0.into_iter().fold(self.1.into_response(), |response, (name, value)| response.with_header(name, value))
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
        Error { status, message: message.into(), cause: None }
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn because(self, cause: impl fmt::Display) -> Error {
        Error { cause: Some(cause.to_string().into_boxed_str()), ..self }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, "internal server error").because(error)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.cause.as_deref().unwrap_or(&self.message))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Response { cause: self.cause, ..(self.status, self.message).into_response() }
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
            Ok(bytes) => {
                bytes.into_response().with_header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            }
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
        assert_eq!("text".into_response().default_content_type(), Some("text/plain; charset=utf-8"));
        assert_eq!(vec![0u8].into_response().default_content_type(), Some("application/octet-stream"));
        assert_eq!(StatusCode::NO_CONTENT.into_response().default_content_type(), None);
    }
}
