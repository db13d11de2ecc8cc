//! What a handler answers with.

use super::error::Error;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{fmt, io::Read};

/// A response: a status, headers and a body. Most handlers return something simpler that [`IntoResponse`](crate::IntoResponse) turns
/// into one.
///
/// `Date`, `Content-Length`, `Transfer-Encoding` and `Connection` are the server's to write: what a handler sets
/// under these names is not sent.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// The error that it answers with, until it has been rendered and logged.
    pub(crate) error: Option<Error>,
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
        Response {
            status,
            headers: HeaderMap::new(),
            body: Body::Empty,
            error: None,
        }
    }

    /// A 200 whose body is read from `reader` while it is sent, in `Transfer-Encoding: chunked`.
    ///
    /// The reader is read on a worker thread, at most 32 KiB ahead of what the client has taken, and may block: it
    /// holds a worker only while it reads, not while a slow client makes it wait. Where it fails, the connection is
    /// cut so that the client can tell.
    #[must_use]
    pub fn stream(reader: impl Read + Send + 'static) -> Response {
        let body = Body::Stream(Box::new(reader), None);
        Response {
            body,
            ..Response::new(StatusCode::OK)
        }
    }

    /// As [`Response::stream`], for a body whose length in bytes is known: sent with `Content-Length`. A reader that
    /// ends early cuts the connection; what it has beyond the length is not read.
    #[must_use]
    pub fn stream_sized(reader: impl Read + Send + 'static, length: u64) -> Response {
        let body = Body::Stream(Box::new(reader), Some(length));
        Response {
            body,
            ..Response::new(StatusCode::OK)
        }
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

    pub(crate) fn in_memory(bytes: Vec<u8>, kind: Kind) -> Response {
        Response {
            body: Body::Bytes(bytes, kind),
            ..Response::new(StatusCode::OK)
        }
    }

    pub(crate) fn text(status: StatusCode, text: &'static str) -> Response {
        Response {
            body: Body::Static(text.as_bytes(), Kind::Text),
            ..Response::new(status)
        }
    }

    /// A 503 that tells the client when to come again, in seconds (RFC 9110 section 10.2.3).
    pub(crate) fn unavailable(why: &'static str) -> Response {
        Response::text(StatusCode::SERVICE_UNAVAILABLE, why)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    pub(crate) fn default_content_type(&self) -> Option<&'static str> {
        match &self.body {
            Body::Empty => None,
            Body::Static(_, Kind::Text) | Body::Bytes(_, Kind::Text) => {
                Some("text/plain; charset=utf-8")
            }
            Body::Static(_, Kind::Bytes) | Body::Bytes(_, Kind::Bytes) | Body::Stream(..) => {
                Some("application/octet-stream")
            }
        }
    }
}

impl Body {
    /// What it holds and of what kind; none for a stream.
    pub(crate) fn into_bytes(self) -> Option<(Vec<u8>, Kind)> {
        match self {
            Body::Empty => Some((Vec::new(), Kind::Bytes)),
            Body::Static(bytes, kind) => Some((bytes.to_vec(), kind)),
            Body::Bytes(bytes, kind) => Some((bytes, kind)),
            Body::Stream(..) => None,
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
