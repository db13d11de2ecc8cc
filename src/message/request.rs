//! What a handler sees of a request.

use super::{
    head::{Field, Head, Span, Version},
    into_response::IntoResponse,
    response::Response,
    route::Route,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::{
    borrow::Cow,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

/// One whole request: its head and its body are in memory before a handler sees it.
///
/// A request borrows nothing and is read through `&self`, on whichever worker thread runs the handler.
/// [`Request::get`] and its companions build one without a socket, for tests.
#[derive(Default)]
pub struct Request {
    /// The head's bytes as they came, and, unless it was chunked, the body behind them.
    pub(crate) bytes: Vec<u8>,
    pub(crate) head: Head,
    pub(crate) body: RequestBody,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) route: Option<Arc<Route>>,
    /// The route's parameters, decoded, in the order of the template.
    pub(crate) params: Vec<String>,
    header_map: OnceLock<Box<HeaderMap>>,
}

/// Where the body's bytes are.
#[derive(Default)]
pub(crate) enum RequestBody {
    #[default]
    Empty,
    /// In [`Request::bytes`], behind the head.
    Behind { start: usize, len: usize },
    /// Put together from chunks.
    Own(Vec<u8>),
}

impl Request {
    /// A GET request for a test: `Request::get("/users/7?full=1")`.
    ///
    /// # Panics
    /// Where `target` does not begin with `/` or holds anything but visible ASCII: percent-encode the rest.
    #[must_use]
    #[track_caller]
    pub fn get(target: &str) -> Request {
        Request::new(Method::GET, target)
    }

    /// A POST request for a test.
    ///
    /// # Panics
    /// As [`Request::get`].
    #[must_use]
    #[track_caller]
    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new(Method::POST, target).with_body(body)
    }

    /// A request of any method for a test, in HTTP/1.1, with no header and no body.
    ///
    /// # Panics
    /// As [`Request::get`].
    #[must_use]
    #[track_caller]
    pub fn new(method: Method, target: &str) -> Request {
        assert!(
            target.starts_with('/') && target.bytes().all(|byte| byte.is_ascii_graphic()),
            "{target:?} is no request target: it begins with / and holds visible ASCII only"
        );
        let mut request = Request::default();
        request.set_start_line(method, target, Version::Http11);
        request
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Request {
        self.push_field(name.as_str().as_bytes(), value.as_bytes());
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = RequestBody::Own(body.into());
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The path as it was sent, still percent-encoded, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.path.text(&self.bytes)
    }

    /// The query as it was sent: what follows `?`, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head.query.map(|span| span.text(&self.bytes))
    }

    /// The query's first value under `name`, decoded (`+` is a space); an empty string where the name stands alone.
    #[must_use]
    pub fn query_param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }

    /// The query's names and values in order, decoded (`+` is a space). Bytes that are no UTF-8 become U+FFFD.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query().unwrap_or("").as_bytes())
    }

    /// The value of a parameter of the route's template, percent-decoded: `7` for `id` of `/users/{id}`.
    ///
    /// # Panics
    /// Where the route has no such parameter: a mistake in the program, answered by a 500 that names both.
    #[must_use]
    #[track_caller]
    pub fn param(&self, name: &str) -> &str {
        let position = self
            .route
            .as_ref()
            .and_then(|route| route.params.iter().position(|param| param == name));
        match position.and_then(|position| self.params.get(position)) {
            Some(value) => value,
            None => panic!("the route {} has no parameter {{{name}}}", self.route()),
        }
    }

    /// The template of the route that matched, such as `/users/{id}`; empty outside a route.
    #[must_use]
    pub fn route(&self) -> &str {
        self.route.as_ref().map_or("", |route| &route.template)
    }

    /// The first value of a header, where it is text. Names compare without regard to case.
    #[must_use]
    pub fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        let name = name.as_ref().as_bytes();
        let is_named = |field: &&Field| field.name.of(&self.bytes).eq_ignore_ascii_case(name);
        let value = match self.head.authority {
            Some(authority) if name.eq_ignore_ascii_case(b"host") => authority,
            _ => self.head.fields.iter().find(is_named)?.value,
        };
        std::str::from_utf8(value.of(&self.bytes)).ok()
    }

    /// Every header, as the `http` crate's map. It is built at the first call; [`Request::header`] does without.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.header_map
            .get_or_init(|| Box::new(self.build_header_map()))
    }

    fn build_header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.head.fields.len());
        for field in &self.head.fields {
            let name = HeaderName::from_bytes(field.name.of(&self.bytes));
            let value = HeaderValue::from_bytes(field.value.of(&self.bytes));
            if let (Ok(name), Ok(value)) = (name, value) {
                map.append(name, value);
            }
        }
        // The authority of an absolute target stands in for what Host says (RFC 9112 section 3.2.2).
        if let Some(authority) = self.head.authority
            && let Ok(host) = HeaderValue::from_bytes(authority.of(&self.bytes))
        {
            map.insert(http::header::HOST, host);
        }
        map
    }

    /// The whole body, at most `MAX_BODY_BYTES`; empty where there was none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.body {
            RequestBody::Empty => &[],
            RequestBody::Behind { start, len } => &self.bytes[*start..*start + *len],
            RequestBody::Own(bytes) => bytes,
        }
    }

    /// The body as text.
    ///
    /// # Errors
    /// Where it is not UTF-8: a 400 that says so, which a handler may return with `?`.
    pub fn text(&self) -> Result<&str, Rejection> {
        std::str::from_utf8(self.body()).map_err(|_| Rejection {
            status: StatusCode::BAD_REQUEST,
            message: "the body is not UTF-8".into(),
        })
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// 415 where the content type is not JSON, 400 where the body is not such JSON; a handler may return it with `?`.
    #[cfg(feature = "serde")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Rejection> {
        let essence = self
            .header("content-type")
            .unwrap_or("")
            .split(';')
            .next()
            .unwrap_or("")
            .trim();
        let is_json = essence.eq_ignore_ascii_case("application/json")
            || essence
                .get(essence.len().saturating_sub(5)..)
                .is_some_and(|end| end.eq_ignore_ascii_case("+json"));
        if !is_json {
            let message = "expected Content-Type: application/json".into();
            return Err(Rejection {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                message,
            });
        }
        serde_json::from_slice(self.body()).map_err(|error| Rejection {
            status: StatusCode::BAD_REQUEST,
            message: format!("bad JSON: {error}").into(),
        })
    }

    /// The client's address; none for a request that a test built.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// How many bytes of memory its buffers hold.
    pub(crate) fn holds(&self) -> usize {
        let own = match &self.body {
            RequestBody::Own(bytes) => bytes.capacity(),
            RequestBody::Empty | RequestBody::Behind { .. } => 0,
        };
        self.bytes.capacity() + own
    }

    /// Makes ready for the next request of a connection: the memory stays, the contents go.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.forget_all_but_bytes();
    }

    /// As [`Request::clear`], but keeps the bytes from `consumed` on: the next request, pipelined behind this one.
    pub(crate) fn advance(&mut self, consumed: usize) {
        if consumed >= self.bytes.len() {
            self.bytes.clear();
        } else {
            self.bytes.drain(..consumed);
        }
        self.forget_all_but_bytes();
    }

    fn forget_all_but_bytes(&mut self) {
        self.head.fields.clear();
        self.body = RequestBody::Empty;
        self.route = None;
        self.params.clear();
        self.header_map.take();
    }

    /// For an engine that parses heads by itself, and for tests: the start line's parts.
    pub(crate) fn set_start_line(&mut self, method: Method, target: &str, version: Version) {
        let target_span = self.push_bytes(target.as_bytes());
        let (path, query) = match target.find('?') {
            Some(mark) => (
                target_span.start..target_span.start + mark as u32,
                Some(mark as u32 + 1),
            ),
            None => (target_span.start..target_span.end, None),
        };
        self.head.method = method;
        self.head.target = target_span;
        self.head.path = Span {
            start: path.start,
            end: path.end,
        };
        self.head.query = query.map(|start| Span {
            start: target_span.start + start,
            end: target_span.end,
        });
        self.head.version = version;
    }

    /// For an engine that parses heads by itself, and for tests: one header.
    pub(crate) fn push_field(&mut self, name: &[u8], value: &[u8]) {
        let field = Field {
            name: self.push_bytes(name),
            value: self.push_bytes(value),
        };
        self.head.fields.push(field);
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> Span {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        Span {
            start,
            end: self.bytes.len() as u32,
        }
    }
}

impl fmt::Debug for Request {
    /// Method and target, no headers or body: those may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Request({} {})",
            self.method(),
            self.head.target.text(&self.bytes)
        )
    }
}

/// Why a request's body could not be read as what the handler asked for; as a response, a 4xx with that text.
#[derive(Debug)]
pub struct Rejection {
    status: StatusCode,
    message: Cow<'static, str>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        (self.status, self.message).into_response()
    }
}
