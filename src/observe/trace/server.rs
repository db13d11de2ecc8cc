//! The span of a request, with the attributes that OpenTelemetry wants of an HTTP server
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span>).

use super::{
    active,
    environment::Sampling,
    export, sample,
    span::{Kind, SpanData, Status, Value},
};
use crate::{
    config::ip_range::IpRange,
    message::{
        head::Version,
        log_context::enter_trace,
        pending::EndsWithAnswer,
        request::Request,
        trace_context::{TraceContext, current},
    },
    observe::metrics::counts::{OTHER, method_code, method_name},
};
use http::StatusCode;
use std::{borrow::Cow, cell::RefCell, fmt::Display, time::Duration};

/// The longest text of a client's that a span takes, in bytes: spans wait in a queue, and clients do not say how large
/// that grows.
const LONGEST_TEXT: usize = 512;

thread_local! {
    /// Why the request that this thread answers has failed.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How a service traces its requests.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// Which requests' spans are exported; none where no span is.
    pub(crate) sampling: Option<Sampling>,
    /// Whether clients are believed about the trace that a request belongs to.
    pub(crate) propagates: bool,
}

impl Default for Tracer {
    /// Exports nothing, and passes on what clients send.
    fn default() -> Tracer {
        Tracer {
            sampling: None,
            propagates: true,
        }
    }
}

/// The span of a request that is answered on this thread.
pub(crate) struct ServerSpan(Box<SpanData>);

impl Tracer {
    /// From here on this thread works for the request's trace, until its log scope ends. None where the request's span is
    /// not kept.
    pub(crate) fn begin(&self, request: &mut Request, trusted: &[IpRange]) -> Option<ServerSpan> {
        match self.sampling {
            None if !request.head.has_traceparent => None,
            sampling => self.begin_with(sampling, request, trusted),
        }
    }

    #[inline(never)]
    fn begin_with(
        &self,
        sampling: Option<Sampling>,
        request: &mut Request,
        trusted: &[IpRange],
    ) -> Option<ServerSpan> {
        if !self.propagates {
            request.head.has_traceparent = false;
        }
        let parent = request.sent_trace();
        let Some(sampling) = sampling else {
            enter(request, parent?);
            return None;
        };
        let mut context = match &parent {
            Some(parent) => parent.child(),
            None => TraceContext::random(),
        };
        context.record(sample::is_sampled(
            sampling,
            parent.as_ref(),
            context.trace_id,
        ));
        let span = context.is_recorded.then(|| {
            let mut span = active::begin(&context, name(request), Kind::Server, parent.as_ref());
            span.parent_is_remote = parent.is_some();
            span.attributes = attributes(request, trusted);
            ServerSpan(Box::new(span))
        });
        enter(request, context);
        span
    }
}

fn enter(request: &mut Request, context: TraceContext) {
    request.set_trace(context.clone());
    enter_trace(context);
}

impl EndsWithAnswer for ServerSpan {
    fn end(self: Box<Self>, status: StatusCode, took: Duration) {
        ServerSpan::end(*self, status, took);
    }
}

impl ServerSpan {
    /// The request is answered, so long after the span began.
    pub(crate) fn end(self, status: StatusCode, took: Duration) {
        let ServerSpan(mut span) = self;
        span.end = span.start + took.as_nanos() as u64;
        let code = status.as_u16();
        let attributes = &mut span.attributes;
        attributes.push(("http.response.status_code", Value::Int(code.into())));
        let failure = FAILURE.take();
        // What a client did wrong is no failure of the server.
        if status.is_server_error() {
            attributes.push(("error.type", code.to_string().into()));
            span.status = Status::Error(failure.unwrap_or_default());
        }
        export::submit(*span);
    }
}

/// Notes why the request that this thread answers fails, for its span. The last reason is told.
pub(crate) fn note_failure(reason: impl Display) {
    if current::current().is_some_and(|context| context.is_recorded) {
        FAILURE.set(Some(clipped(&reason.to_string()).to_owned()));
    }
}

/// Of few values, whatever clients send.
fn name(request: &Request) -> Cow<'static, str> {
    let method = match method_name(method_code(request.method())) {
        OTHER => "HTTP",
        method => method,
    };
    match request.route() {
        "" => method.into(),
        route => [method, " ", route].concat().into(),
    }
}

fn attributes(request: &Request, trusted: &[IpRange]) -> Vec<(&'static str, Value)> {
    let origin = request.origin(trusted);
    let mut all = Attributes(Vec::with_capacity(14));
    let method = method_name(method_code(request.method()));
    all.fixed("http.request.method", method);
    if method == OTHER {
        all.text("http.request.method_original", request.method().as_str());
    }
    if let Some(route) = &request.route {
        all.fixed("http.route", route.logged_as);
    }
    all.text("url.path", request.path());
    all.fixed("url.scheme", origin.scheme());
    if let Some(host) = origin.host.or_else(|| request.header("host")) {
        let (address, port) = split_host(host);
        all.text("server.address", address);
        if let Some(port) = port {
            all.number("server.port", port);
        }
    }
    if let Some(client) = origin.address {
        all.text("client.address", &client.to_string());
    }
    if let Some(peer) = request.peer() {
        all.text("network.peer.address", &peer.ip().to_string());
        all.number("network.peer.port", peer.port());
    }
    let version = match request.head.version {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
    };
    all.fixed("network.protocol.version", version);
    if let Some(agent) = request.header("user-agent") {
        all.text("user_agent.original", agent);
    }
    all.0
}

struct Attributes(Vec<(&'static str, Value)>);

impl Attributes {
    #[inline(never)]
    fn fixed(&mut self, key: &'static str, text: &'static str) {
        self.0.push((key, Value::Text(Cow::Borrowed(text))));
    }

    #[inline(never)]
    fn text(&mut self, key: &'static str, text: &str) {
        self.0.push((key, Value::from(clipped(text))));
    }

    #[inline(never)]
    fn number(&mut self, key: &'static str, number: u16) {
        self.0.push((key, Value::Int(number.into())));
    }
}

/// `orders:8080`, `[::1]:80`, `orders`.
fn split_host(host: &str) -> (&str, Option<u16>) {
    let port = host.rsplit_once(':');
    match port.and_then(|(address, port)| Some((address, port.parse().ok()?))) {
        Some((address, port)) if !address.contains(':') || address.ends_with(']') => {
            (address, Some(port))
        }
        _ => (host, None),
    }
}

/// As much of it as is kept.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

#[cfg(test)]
mod tests;
