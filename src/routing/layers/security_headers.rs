//! Headers that keep browsers from doing to an answer what nobody meant.

use crate::{
    config::settings::IntoDuration,
    message::{request::Request, response::Response},
    routing::layer::{Layer, Next, ReadyMade},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Adds the headers that OWASP's Secure Headers Project and helmet advise, to answers that do not have them yet: what a
/// handler sets itself stays.
///
/// | header | by default | against |
/// |---|---|---|
/// | `X-Content-Type-Options` | `nosniff` | a text taken for a script |
/// | `Content-Security-Policy` | `frame-ancestors 'none'` | the page in another one's frame, clicked unseen |
/// | `X-Frame-Options` | `DENY` | the same, in old browsers |
/// | `Referrer-Policy` | `no-referrer` | paths and queries told to other sites |
/// | `Cross-Origin-Opener-Policy` | `same-origin` | other sites' windows with a handle on this one |
/// | `Cross-Origin-Resource-Policy` | `same-origin` | other sites' pages that embed it; answers to CORS requests are no matter of it |
/// | `Strict-Transport-Security` | not sent | see [`hsts`](SecurityHeaders::hsts) |
///
/// ```
/// use seaworthy::{Html, Request, Service, layers};
///
/// let service = Service::new("shop")
///     .get("/", |_: &Request| Html("<!doctype html><title>Shop</title>"))
///     .layer(layers::security_headers().content_security_policy("default-src 'self'; frame-ancestors 'none'").hsts("8760h"));
/// let answer = service.call(Request::get("/"));
/// assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
/// ```
#[must_use]
pub fn security_headers() -> SecurityHeaders {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    SecurityHeaders { headers }
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// See [`security_headers`].
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    headers: HeaderMap,
}

impl SecurityHeaders {
    /// The whole `Content-Security-Policy`, in place of the default one: name `frame-ancestors` in it as well.
    ///
    /// # Panics
    /// Where it holds anything but visible ASCII and spaces.
    #[must_use]
    #[track_caller]
    pub fn content_security_policy(self, policy: &str) -> SecurityHeaders {
        self.with(header::CONTENT_SECURITY_POLICY, policy)
    }

    /// `Strict-Transport-Security` (RFC 6797): browsers use nothing but HTTPS with this host and those below it for so
    /// long after each answer. It cannot be taken back before that, so it is for services that are reached by HTTPS only
    /// and will be. Over plain HTTP browsers pass it over.
    ///
    /// # Panics
    /// Where a text is no duration.
    #[must_use]
    #[track_caller]
    pub fn hsts(self, max_age: impl IntoDuration) -> SecurityHeaders {
        let seconds = max_age.into_duration().as_secs();
        self.with(
            header::STRICT_TRANSPORT_SECURITY,
            &format!("max-age={seconds}; includeSubDomains"),
        )
    }

    /// Adds any header, or replaces it.
    ///
    /// # Panics
    /// Where the value holds anything but visible ASCII and spaces.
    #[must_use]
    #[track_caller]
    pub fn with(mut self, name: HeaderName, value: &str) -> SecurityHeaders {
        match HeaderValue::from_str(value) {
            Ok(value) => self.headers.insert(name, value),
            Err(_) => panic!("{value:?} is no value for {name}"),
        };
        self
    }

    /// Leaves one out.
    #[must_use]
    pub fn without(mut self, name: &HeaderName) -> SecurityHeaders {
        self.headers.remove(name);
        self
    }
}

impl<S> Layer<S, ReadyMade> for SecurityHeaders {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let mut response = next.run(request);
        for (name, value) in &self.headers {
            if !response.headers.contains_key(name) {
                response.headers.insert(name, value.clone());
            }
        }
        response
    }
}
