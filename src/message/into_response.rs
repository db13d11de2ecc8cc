//! What handlers may return, and how it becomes a [`Response`].

use super::{
    body::Body,
    error::Error,
    response::{BYTES, Response, TEXT},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{borrow::Cow, convert::Infallible, fmt::Display};

/// What a handler or layer may return.
///
/// Text is `text/plain; charset=utf-8`, bytes are `application/octet-stream`; a header in a tuple overrides that.
/// `(status, headers, body)` and its parts combine as in axum; where the body fails to be one, as `Err` of an
/// [`Error`] does, it keeps its own status and headers.
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
        Response::of(self, TEXT)
    }
}

impl IntoResponse for Box<str> {
    fn into_response(self) -> Response {
        self.into_string().into_response()
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
        Response::of(self, BYTES)
    }
}

impl<const N: usize> IntoResponse for &'static [u8; N] {
    fn into_response(self) -> Response {
        self.as_slice().into_response()
    }
}

impl<const N: usize> IntoResponse for [u8; N] {
    fn into_response(self) -> Response {
        self.to_vec().into_response()
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::of(self, BYTES)
    }
}

impl IntoResponse for Box<[u8]> {
    fn into_response(self) -> Response {
        self.into_vec().into_response()
    }
}

impl IntoResponse for Cow<'static, [u8]> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(bytes) => bytes.into_response(),
            Cow::Owned(bytes) => bytes.into_response(),
        }
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::of(self, BYTES)
    }
}

/// Headers alone, with a 200.
impl IntoResponse for HeaderMap {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

/// Headers alone, with a 200; see the same with a body.
impl<const N: usize, K, V> IntoResponse for [(K, V); N]
where
    ([(K, V); N], ()): IntoResponse,
{
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        match self.1.into_response() {
            failed if failed.error.is_some() => failed,
            response => response.with_status(self.0),
        }
    }
}

/// Headers by name and value, as `http` types or as text: `[("x-total", "7")]`. Of one name the last counts. Text that
/// is no header is a 500 whose cause names it.
impl<const N: usize, K, V, T> IntoResponse for ([(K, V); N], T)
where
    K: TryInto<HeaderName, Error: Display>,
    V: TryInto<HeaderValue, Error: Display>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        if response.error.is_some() {
            return response;
        }
        for (name, value) in self.0 {
            let name = name.try_into().map_err(|error| error.to_string());
            let value = value.try_into().map_err(|error| error.to_string());
            match (name, value) {
                (Ok(name), Ok(value)) => response = response.with_header(name, value),
                (Err(cause), _) | (_, Err(cause)) => {
                    return Error::internal(format_args!("a handler's header: {cause}"))
                        .into_response();
                }
            }
        }
        response
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        if response.error.is_none() {
            response.headers.extend(self.0);
        }
        response
    }
}

impl<H, T> IntoResponse for (StatusCode, H, T)
where
    (H, T): IntoResponse,
{
    fn into_response(self) -> Response {
        (self.0, (self.1, self.2)).into_response()
    }
}

/// `None` is a 404.
impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        self.map_or_else(
            || Error::not_found().into_response(),
            IntoResponse::into_response,
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let text = self.message().to_owned();
        Response {
            status: self.status(),
            headers: self.headers().clone().into(),
            error: Some(self),
            ..text.into_response()
        }
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

/// A page: `text/html; charset=utf-8`. What it holds of others' making has to be escaped by whoever wrote it there.
///
/// ```
/// # use seaworthy::{Html, Request};
/// fn page(_: &Request) -> Html<&'static str> {
///     Html("<!doctype html><title>Orders</title>")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Html<T>(
    /// The page.
    pub T,
);

impl<T: IntoResponse> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        self.0
            .into_response()
            .with_header(header::CONTENT_TYPE, html)
    }
}

/// A 204: it was done, and there is nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
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
        assert_eq!(response.error.unwrap().cause(), Some("password=hunter2"));
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
    fn a_failure_in_a_tuple_stays_one() {
        let csv = [("content-type", "text/csv")];
        let gone = || -> Result<&str, Error> { Err(Error::conflict("taken")) };
        for response in [
            (StatusCode::CREATED, gone()).into_response(),
            (csv, gone()).into_response(),
            (StatusCode::CREATED, csv, gone()).into_response(),
            (StatusCode::CREATED, csv, (HeaderMap::new(), gone())).into_response(),
        ] {
            assert_eq!(response.status(), StatusCode::CONFLICT);
            assert_eq!(response.content_type(), Some("text/plain; charset=utf-8"));
        }
    }

    #[test]
    fn each_kind_of_body_has_the_content_type_that_its_type_promises() {
        let text = Some("text/plain; charset=utf-8");
        let bytes = Some("application/octet-stream");
        let html = Some("text/html; charset=utf-8");
        let boxed: Box<str> = "text".into();
        for (response, content_type, body) in [
            ("text".into_response(), text, &b"text"[..]),
            (boxed.into_response(), text, b"text"),
            (vec![0u8].into_response(), bytes, b"\0"),
            (b"text".into_response(), bytes, b"text"),
            ([1u8, 2].into_response(), bytes, b"\x01\x02"),
            (Body::from("text").into_response(), bytes, b"text"),
            (Html("<p>").into_response(), html, b"<p>"),
            (NoContent.into_response(), None, b""),
            ([("x-total", "7")].into_response(), None, b""),
        ] {
            assert_eq!(response.content_type(), content_type);
            assert_eq!(response.body(), Some(body));
        }
        let headers = [("x-total", "7")].into_response();
        assert_eq!(headers.headers()["x-total"], "7");
        assert_eq!(NoContent.into_response().status(), StatusCode::NO_CONTENT);
        let typed = Html("<p>").into_response().with_header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/xhtml+xml"),
        );
        assert_eq!(typed.content_type(), Some("application/xhtml+xml"));
    }

    #[test]
    fn a_changed_body_keeps_the_content_type_that_it_had() {
        let response = "text".into_response().map_body(|body| {
            assert_eq!(body.len(), Some(4));
            Body::Stream(body.into_reader(), None)
        });
        assert_eq!(response.content_type(), Some("text/plain; charset=utf-8"));
        assert_eq!(response.body(), None);
        let response = response.map_body(|_| vec![1]);
        assert_eq!(response.content_type(), Some("text/plain; charset=utf-8"));
        assert_eq!(response.body(), Some(&[1][..]));
    }
}
