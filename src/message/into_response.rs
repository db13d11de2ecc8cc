//! What handlers may return, and how it becomes a [`Response`].

use super::{
    error::Error,
    response::{Body, Kind, Response},
};
#[cfg(any(test, feature = "serde"))]
use http::header;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::{borrow::Cow, convert::Infallible, fmt::Display};

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
        Response::in_memory(self.into_bytes(), Kind::Text)
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
        Response::in_memory(self, Kind::Bytes)
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
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
        let text = self.message().to_owned().into_bytes();
        Response {
            status: self.status(),
            headers: self.headers().clone(),
            body: Body::Bytes(text, Kind::Text),
            error: Some(self),
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
