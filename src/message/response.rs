//! What a handler answers with.

use super::{body::Body, error::Error, own_headers::OwnHeaders};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{fmt, io::Read};

/// A response: a status, headers and a body. Most handlers return something simpler that [`IntoResponse`](crate::IntoResponse) turns
/// into one.
///
/// `Date`, `Content-Length`, `Transfer-Encoding` and `Connection` are the server's to write: what a handler sets
/// under these names is not sent.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: OwnHeaders,
    pub(crate) body: Body,
    /// The content type where the headers name none; none for nothing.
    pub(crate) default_type: Option<&'static str>,
    /// The error that it answers with, until it has been rendered and logged.
    pub(crate) error: Option<Error>,
}

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const BYTES: &str = "application/octet-stream";

impl Response {
    /// A response with this status, no headers and no body.
    #[must_use]
    pub fn new(status: StatusCode) -> Response {
        Response {
            status,
            headers: OwnHeaders::default(),
            body: Body::default(),
            default_type: None,
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
        Response::of(Body::Stream(Box::new(reader), None), BYTES)
    }

    /// As [`Response::stream`], for a body whose length in bytes is known: sent with `Content-Length`. A reader that
    /// ends early cuts the connection; what it has beyond the length is not read.
    #[must_use]
    pub fn stream_sized(reader: impl Read + Send + 'static, length: u64) -> Response {
        Response::of(Body::Stream(Box::new(reader), Some(length)), BYTES)
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

    /// Changes the body: for a layer. The content type stays what it was; headers that speak of the old body, such as
    /// `ETag`, are the layer's to change. Where an [`Upload`](crate::Upload) has only begun, there is none to change yet.
    ///
    /// ```
    /// use seaworthy::{Body, Next, Request, Response};
    /// use std::io::Read;
    ///
    /// /// Says at the end of each text that it is over, whether it is in memory or streamed.
    /// fn sign(request: &mut Request, next: Next<'_>) -> Response {
    ///     let response = next.run(request);
    ///     match response.content_type() {
    ///         Some(kind) if kind.starts_with("text/plain") => {
    ///             response.map_body(|body| Body::Stream(Box::new(body.into_reader().chain(&b"\n-- \nthe end\n"[..])), None))
    ///         }
    ///         _ => response,
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn map_body<B: Into<Body>>(mut self, change: impl FnOnce(Body) -> B) -> Response {
        if !matches!(self.body, Body::Pending(_)) {
            self.body = change(self.body).into();
        }
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

    /// The content type that will be sent: that of the headers, or else the one that the body's type promises. None
    /// for an answer without a body, and where the header's value is no text.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        match self.headers.get(header::CONTENT_TYPE) {
            Some(value) => value.to_str().ok(),
            None => self.default_type,
        }
    }

    /// The body, where it is in memory; none for a streamed one.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_bytes()
    }

    /// The body alone, to be read: for tests of what is streamed.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// A deferred answer with what the layers have done to the response that stood for it: the headers that they set are
    /// set, those that may be there several times are added, and so is a status that is not that of a 200.
    pub(crate) fn in_place_of(mut self, placeholder: Response) -> Response {
        if placeholder.status != StatusCode::OK {
            self.status = placeholder.status;
        }
        for name in placeholder.headers.keys() {
            let values = placeholder.headers.get_all(name).iter().cloned();
            if *name != header::SET_COOKIE && *name != header::VARY {
                self.headers.remove(name);
            }
            for value in values {
                self.headers.append(name, value);
            }
        }
        self
    }

    pub(crate) fn of(body: impl Into<Body>, content_type: &'static str) -> Response {
        Response {
            body: body.into(),
            default_type: Some(content_type),
            ..Response::new(StatusCode::OK)
        }
    }

    pub(crate) fn text(status: StatusCode, text: &'static str) -> Response {
        Response::of(text, TEXT).with_status(status)
    }

    /// A 503 that tells the client when to come again, in seconds (RFC 9110 section 10.2.3).
    pub(crate) fn unavailable(why: &'static str) -> Response {
        Response::text(StatusCode::SERVICE_UNAVAILABLE, why)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({})", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_layers_set_applies_to_the_answer_and_what_they_leave_is_its_own() {
        let value = HeaderValue::from_static;
        let answer = Response::new(StatusCode::CREATED)
            .with_header(header::CACHE_CONTROL, value("max-age=60"))
            .with_header(header::ETAG, value("\"1\""))
            .with_header(header::VARY, value("Accept"));
        let placeholder = Response::new(StatusCode::OK)
            .with_header(header::CACHE_CONTROL, value("no-store"))
            .with_header(header::VARY, value("Origin"));
        let whole = answer.in_place_of(placeholder);
        assert_eq!(whole.status, StatusCode::CREATED);
        assert_eq!(whole.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(whole.headers[header::ETAG], "\"1\"");
        let vary: Vec<_> = whole.headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Accept", "Origin"]);
        let refused = whole.in_place_of(Response::new(StatusCode::FORBIDDEN));
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
}
