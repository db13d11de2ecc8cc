//! Answers that their clients have already are not sent again.

use crate::{
    message::{
        entity_tag::{self, Comparison},
        request::Request,
        response::Response,
    },
    routing::{
        layer::{Layer, Next, ReadyMade},
        layers::headers::cache_control,
    },
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::hash::{DefaultHasher, Hasher};

/// Gives the answers to GET and HEAD that are in memory an `ETag`, and answers 304 without a body where the request's
/// `If-None-Match` says that the client has that answer already. The handler runs all the same: it saves the way to the
/// client, not the work.
///
/// - Only 200s are tagged, and none that `Cache-Control: no-store` keeps from being stored. The tag is a hash of the
///   bytes that are sent, so that every replica of a service gives the same one.
/// - A handler's own `ETag` stays and is compared too, with streamed answers also.
/// - `If-None-Match` may be a list or `*`, and is compared weakly (RFC 9110 section 13.1.2). The 304 has all headers
///   but those that describe the body that is left out (section 15.4.5).
/// - With `compression`, add that one behind this one, so that it is outside: `.layer(etag()).layer(compression())`. What
///   is compressed has a weak tag, for the same tag stands for two sequences of bytes, and still matches.
///
/// ```
/// use seaworthy::{Request, Service, http::header, layers};
///
/// let service = Service::new("shop").get("/", |_: &Request| "hello").layer(layers::etag());
/// let first = service.call(Request::get("/"));
/// let tag = first.headers()[header::ETAG].clone();
/// let second = service.call(Request::get("/").with_header(header::IF_NONE_MATCH, tag));
/// assert_eq!((second.status().as_u16(), second.body()), (304, Some(&b""[..])));
/// ```
#[must_use]
pub fn etag() -> ETag {
    ETag(())
}

/// See [`etag`].
#[derive(Clone, Debug)]
pub struct ETag(());

impl<S> Layer<S, ReadyMade> for ETag {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let method = request.method().clone();
        let mut response = next.run(request);
        if !matches!(method, Method::GET | Method::HEAD) || response.status != StatusCode::OK {
            return response;
        }
        if !response.headers.contains_key(header::ETAG)
            && let Some(tag) = tag_of(&response, &method)
        {
            response.headers.insert(header::ETAG, tag);
        }
        let tag = response.headers.get(header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok());
        let has = |tag| entity_tag::names(request, "if-none-match", tag, Comparison::Weak);
        match tag.and_then(has) {
            Some(true) => not_modified(response),
            _ => response,
        }
    }
}

/// A strong tag of what is sent, where it may be stored at all.
fn tag_of(response: &Response, method: &Method) -> Option<HeaderValue> {
    let bytes = response.body()?;
    // A HEAD that a handler answers by itself shows no body to take the tag from.
    let is_unknown = method == Method::HEAD && bytes.is_empty();
    if is_unknown || cache_control(&response.headers, "no-store") {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    let tag = format!("\"{:x}-{:016x}\"", bytes.len(), hasher.finish());
    HeaderValue::try_from(tag).ok()
}

/// What RFC 9110 section 15.4.5 leaves of a 200: nothing that describes its content.
fn not_modified(response: Response) -> Response {
    const OF_CONTENT: [HeaderName; 5] = [
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
        header::LAST_MODIFIED,
    ];
    let mut headers = response.headers;
    for name in OF_CONTENT {
        headers.remove(name);
    }
    Response {
        headers,
        ..Response::new(StatusCode::NOT_MODIFIED)
    }
}
