//! Which pages of other origins may ask, and what they may read: the CORS protocol of the Fetch standard.

mod allow;

pub use allow::{AllowHeaders, AllowMethods, AllowOrigin, Any, ExposeHeaders, NotAnOrigin};

use super::headers::vary_on;
use crate::{
    config::settings::IntoDuration,
    message::{request::Request, response::Response},
    routing::layer::{Layer, Next, ReadyMade},
};
use allow::Names;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Tells browsers which pages of other origins may ask and what they may read, by the rules of the
/// [Fetch standard](https://fetch.spec.whatwg.org/#http-cors-protocol). It allows nothing until it is told what, and
/// has the names of tower-http's `CorsLayer`.
///
/// - Preflights are answered by the layer itself, with 204, whether the path's route takes OPTIONS or not, and whatever
///   the layers inside would say to them. Every other request goes on, that of an origin that is not allowed too: it is
///   the browser that keeps the answer from the page.
/// - Answers that depend on the origin say so in `Vary`, also those to requests that name none.
/// - Add it after what may refuse requests, so that it is outside of it: pages can read the refusal then, and preflights,
///   which carry no credentials, are not refused. What seaworthy refuses before there is a route (a head that is too
///   large, a full queue) is outside of all layers, and a page sees a network error.
///
/// ```
/// use seaworthy::{Request, Service, http::{Method, header}, layers};
///
/// let service = Service::new("shop")
///     .get("/orders", |_: &Request| "[]")
///     .delete("/orders", |_: &Request| ())
///     .layer(layers::bearer("hunter2"))
///     .layer(
///         layers::cors()
///             .allow_origin(["https://shop.example", "http://localhost:3000"])
///             .allow_methods([Method::GET, Method::DELETE])
///             .allow_headers([header::AUTHORIZATION])
///             .max_age("10m"),
///     );
///
/// let preflight = Request::new(Method::OPTIONS, "/orders")
///     .with_header(header::ORIGIN, "https://shop.example".parse().unwrap())
///     .with_header(header::ACCESS_CONTROL_REQUEST_METHOD, "DELETE".parse().unwrap());
/// let answer = service.call(preflight);
/// assert_eq!(answer.status(), 204);
/// assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, DELETE");
/// ```
#[must_use]
pub fn cors() -> Cors {
    Cors {
        origin: AllowOrigin::default(),
        methods: None,
        headers: None,
        exposed: None,
        credentials: false,
        max_age: None,
    }
}

/// See [`cors`](cors()).
#[derive(Debug)]
pub struct Cors {
    origin: AllowOrigin,
    methods: Option<Names>,
    headers: Option<Names>,
    exposed: Option<Names>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

impl Cors {
    /// Which origins' pages may read the answers: [`Any`], a name such as `https://shop.example`, a list of them, or an
    /// [`AllowOrigin::predicate`].
    ///
    /// # Panics
    /// Where a name is not written as browsers send origins, and with [`Any`] and credentials.
    #[must_use]
    #[track_caller]
    pub fn allow_origin(mut self, origin: impl Into<AllowOrigin>) -> Cors {
        self.origin = origin.into();
        self.checked()
    }

    /// Which methods pages may use beside GET, HEAD and POST.
    ///
    /// # Panics
    /// With [`Any`] and credentials.
    #[must_use]
    #[track_caller]
    pub fn allow_methods(mut self, methods: impl Into<AllowMethods>) -> Cors {
        self.methods = Some(methods.into().0);
        self.checked()
    }

    /// Which headers pages may send beside those that need no leave. `Content-Type: application/json` needs it, and
    /// `Authorization` does.
    ///
    /// # Panics
    /// With [`Any`] and credentials.
    #[must_use]
    #[track_caller]
    pub fn allow_headers(mut self, headers: impl Into<AllowHeaders>) -> Cors {
        self.headers = Some(headers.into().0);
        self.checked()
    }

    /// Which of the answers' headers pages may read beside those that need no leave.
    ///
    /// # Panics
    /// With [`Any`] and credentials.
    #[must_use]
    #[track_caller]
    pub fn expose_headers(mut self, headers: impl Into<ExposeHeaders>) -> Cors {
        self.exposed = Some(headers.into().0);
        self.checked()
    }

    /// Whether pages may send the cookies and the HTTP authentication that the browser has for this service.
    ///
    /// # Panics
    /// Beside [`Any`]: browsers refuse `*` with credentials (Fetch standard, section "CORS protocol and credentials").
    #[must_use]
    #[track_caller]
    pub fn allow_credentials(mut self, allow: bool) -> Cors {
        self.credentials = allow;
        self.checked()
    }

    /// How long browsers may remember a preflight's answer; without this 5 seconds. Chromium takes 2 hours at most.
    ///
    /// # Panics
    /// Where a text is no duration.
    #[must_use]
    #[track_caller]
    pub fn max_age(mut self, max_age: impl IntoDuration) -> Cors {
        self.max_age = Some(HeaderValue::from(max_age.into_duration().as_secs()));
        self
    }

    #[track_caller]
    fn checked(self) -> Cors {
        let names = [&self.methods, &self.headers, &self.exposed];
        let has_any = names.into_iter().flatten().any(Names::is_any);
        assert!(
            !self.credentials || !(has_any || self.origin.is_any()),
            "browsers refuse layers::Any with credentials: name what is allowed, or mirror the request"
        );
        self
    }

    /// What both preflights and answers say of the origin.
    fn headers_for(&self, request: &Request) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            self.origin.answer(request)?,
        );
        if self.credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        Some(headers)
    }

    fn answer_preflight(&self, request: &Request) -> Response {
        let mut response = Response::new(StatusCode::NO_CONTENT);
        if let Some(mut headers) = self.headers_for(request) {
            let answer =
                |names: &Option<Names>, asked| names.as_ref()?.answer(request.header(asked));
            let methods = answer(&self.methods, REQUEST_METHOD);
            let names = answer(&self.headers, REQUEST_HEADERS);
            for (name, value) in [
                (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, names),
                (header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone()),
            ] {
                value.and_then(|value| headers.insert(name, value));
            }
            response.headers = headers.into();
        }
        for name in [ORIGIN, REQUEST_METHOD, REQUEST_HEADERS] {
            vary_on(&mut response.headers, name);
        }
        response
    }
}

const ORIGIN: &str = "Origin";
const REQUEST_METHOD: &str = "Access-Control-Request-Method";
const REQUEST_HEADERS: &str = "Access-Control-Request-Headers";

impl<S> Layer<S, ReadyMade> for Cors {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        if is_preflight(request) {
            return self.answer_preflight(request);
        }
        // Read before those inside can change the request.
        let headers = self.headers_for(request);
        let mut response = next.run(request);
        if let Some(headers) = headers {
            response.headers.extend(headers);
            let exposed = self.exposed.as_ref();
            if let Some(exposed) = exposed.and_then(|exposed| exposed.answer(None)) {
                let name = header::ACCESS_CONTROL_EXPOSE_HEADERS;
                response.headers.insert(name, exposed);
            }
        }
        if !self.origin.is_any() {
            vary_on(&mut response.headers, ORIGIN);
        }
        response
    }
}

/// A CORS-preflight request of the Fetch standard; other OPTIONS requests are the routes' business.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.header(ORIGIN).is_some()
        && request.header(REQUEST_METHOD).is_some()
}
