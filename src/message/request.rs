//! What a handler sees of a request.

use super::{
    head::{Field, Head, Span, Version},
    route::Route,
    trace_context::TraceContext,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method};
use std::{
    borrow::Cow,
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Instant,
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
    pub(crate) matched: Matched,
    /// The route's parameters, decoded, in the order of the template.
    params: Vec<String>,
    /// When the head was there; none for a request that a test built.
    pub(crate) received: Option<Instant>,
    /// What layers have set.
    pub(super) deadline: Option<Instant>,
    pub(super) trace: OnceLock<Box<TraceContext>>,
    extensions: Extensions,
    header_map: OnceLock<Box<HeaderMap>>,
}

/// How far the request matches its route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Matched {
    /// It is for the route's handler, where there is a route.
    #[default]
    Endpoint,
    /// The path is there, but not with this method.
    OtherMethods,
    /// A parameter decodes to no UTF-8.
    Undecodable,
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
    /// So many bytes came, and a handler has taken them as they did.
    Taken(u64),
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

    /// The same as the log calls it.
    pub(crate) fn logged_route(&self) -> &'static str {
        self.route.as_ref().map_or("", |route| route.logged_as)
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

    /// The values of a header that may stand more than once, where they are text, in their order.
    pub(crate) fn header_values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        let values = self.field_values(name);
        values.filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The same of any bytes.
    pub(super) fn field_values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
        let named = move |field: &&Field| {
            let known = field.name.of(&self.bytes);
            known.eq_ignore_ascii_case(name.as_bytes())
        };
        let fields = self.head.fields.iter().filter(named);
        fields.map(|field| field.value.of(&self.bytes))
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

    /// The whole body, at most `MAX_BODY_BYTES`; empty where there was none, and where it goes to an
    /// [`Upload`](crate::Upload).
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.body {
            RequestBody::Empty | RequestBody::Taken(_) => &[],
            RequestBody::Behind { start, len } => &self.bytes[*start..*start + *len],
            RequestBody::Own(bytes) => bytes,
        }
    }

    /// The body, which is to come another way.
    pub(crate) fn take_body(&mut self) -> Vec<u8> {
        let body = self.body().to_vec();
        self.body = RequestBody::Taken(body.len() as u64);
        body
    }

    /// How many bytes of a body have come.
    pub(crate) fn body_len(&self) -> u64 {
        match self.body {
            RequestBody::Taken(bytes) => bytes,
            _ => self.body().len() as u64,
        }
    }

    /// Values that layers leave for those inside of them and for the handler, by type. They end with the request, on
    /// the worker.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The same, to add to them: for a layer.
    ///
    /// ```
    /// use seaworthy::{Next, Request, Response};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// fn authenticate(request: &mut Request, next: Next<'_>) -> Response {
    ///     request.extensions_mut().insert(User("ada".to_owned()));
    ///     next.run(request)
    /// }
    ///
    /// fn greet(request: &Request) -> String {
    ///     let user = request.extensions().get::<User>().expect("authenticate ran");
    ///     format!("hello, {}", user.0)
    /// }
    /// ```
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// The client's address, `192.0.2.1` and not `::ffff:192.0.2.1` where it came by IPv4; none for a request that a
    /// test built.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    pub(crate) fn note_route(&mut self, route: Arc<Route>, matched: Matched, params: Vec<String>) {
        self.route = Some(route);
        self.matched = matched;
        self.params = params;
    }

    /// How many bytes of memory its buffers hold.
    pub(crate) fn holds(&self) -> usize {
        let own = match &self.body {
            RequestBody::Own(bytes) => bytes.capacity(),
            RequestBody::Empty | RequestBody::Behind { .. } | RequestBody::Taken(_) => 0,
        };
        let fields = self.head.fields.capacity() * size_of::<Field>();
        self.bytes.capacity() + fields + own
    }

    /// Makes ready for the next request of a connection: the memory stays, the contents go.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.head.clear_fields();
        self.body = RequestBody::Empty;
        self.route = None;
        self.matched = Matched::default();
        self.params.clear();
        self.received = None;
        self.deadline = None;
        self.trace.take();
        self.extensions.clear();
        self.header_map.take();
    }

    /// Whether nothing of a request is in it, for who checks.
    pub(crate) fn is_clear(&self) -> bool {
        self.bytes.is_empty() && self.route.is_none() && self.header_map.get().is_none()
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
        self.head.push_field(name, field);
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
