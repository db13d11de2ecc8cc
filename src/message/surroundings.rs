//! What a request knows of its service and of its place in time, beyond what its client has sent.

use super::{
    log_context::LogContext, request::Request, request_id::RequestId, route::ServiceFacts,
    trace_context::TraceContext,
};
use crate::{config::ip_range::IpRange, phase::Stop};
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

impl Request {
    /// Until when its client may be expected to wait for the answer: the [`timeout`](crate::Routes::timeout) of its
    /// route's group from the moment its head was there, or what a [layer](Request::set_deadline) has set, whichever is
    /// nearer; `REQUEST_TIMEOUT` where there is neither, and none without that. It is told, for outgoing calls and long
    /// loops, and not enforced.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let route = self.route.as_deref();
        let after = |timeout: Option<Duration>| self.received?.checked_add(timeout?);
        let of_route = after(route.and_then(|route| route.timeout));
        let nearer = [self.deadline, of_route].into_iter().flatten().min();
        nearer.or_else(|| after(self.service()?.live.request_timeout.get()))
    }

    /// Sets what [`deadline`](Request::deadline) tells those inside: for a layer. It takes the place of
    /// `REQUEST_TIMEOUT`, and only ever brings nearer what an outer layer or the route's group has set. See
    /// [`layers::deadline`](crate::layers::deadline).
    pub fn set_deadline(&mut self, deadline: Instant) {
        let nearer = self.deadline.map_or(deadline, |set| set.min(deadline));
        self.deadline = Some(nearer);
    }

    /// The id that [`layers::request_id`](crate::layers::request_id) gave it; none without that layer.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.extensions().get().map(RequestId::as_str)
    }

    /// Its place in a trace, for outgoing calls and for what is written about it:
    /// [`traceparent`](TraceContext::traceparent) and [`tracestate`](TraceContext::tracestate).
    ///
    /// Where the service exports traces it is the request's own span, in the client's trace where that sent one. Else it
    /// is what the client sent (W3C Trace Context), as OpenTelemetry wants it of who only passes on. Where there is
    /// neither, or what was sent is malformed, the first call makes ids up, of a trace that is not sampled.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        let make = || self.sent_trace().unwrap_or_else(TraceContext::random);
        self.trace.get_or_init(|| Box::new(make()))
    }

    /// The same, where there is one by now.
    pub(crate) fn known_trace(&self) -> Option<&TraceContext> {
        self.trace.get().map(|trace| &**trace)
    }

    pub(crate) fn set_trace(&mut self, context: TraceContext) {
        self.trace = Box::new(context).into();
    }

    /// What its client has sent; none where that is nothing, or malformed.
    pub(crate) fn sent_trace(&self) -> Option<TraceContext> {
        let is_sent = self.head.has_traceparent;
        let sent = || {
            TraceContext::sent(
                self.field_values("traceparent"),
                self.field_values("tracestate"),
            )
        };
        is_sent.then(sent).flatten()
    }

    /// How long it is until the [`deadline`](Request::deadline); zero past it, none where there is none.
    ///
    /// ```
    /// use seaworthy::{Error, Request};
    /// use std::{net::TcpStream, time::Duration};
    ///
    /// fn ask(request: &Request) -> Result<&'static str, Error> {
    ///     let time = request.time_left().unwrap_or(Duration::from_secs(5));
    ///     TcpStream::connect_timeout(&"192.0.2.1:80".parse().unwrap(), time)?;
    ///     Ok("it is there")
    /// }
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Tells a long handler when to end early: from the moment the drain has closed the listener and requests in flight
    /// have `SHUTDOWN_TIMEOUT` left. Outside a running service it never does.
    ///
    /// ```
    /// use seaworthy::{Error, Request};
    ///
    /// fn sum(request: &Request) -> Result<String, Error> {
    ///     let mut sum = 0_u64;
    ///     for number in 0..1_000_000_u64 {
    ///         if number % 1000 == 0 && request.stop().is_stopping() {
    ///             return Err(Error::unavailable("stopping: come again"));
    ///         }
    ///         sum += number;
    ///     }
    ///     Ok(sum.to_string())
    /// }
    /// ```
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.service()
            .map_or_else(Stop::default, |service| service.state.closing().clone())
    }

    /// Whose word on who asked is believed.
    pub(super) fn trusted_proxies(&self) -> &[IpRange] {
        self.service()
            .map_or(&[], |service| &service.trusted_proxies)
    }

    /// Counts it as told 503 because too many ran at once; outside every route nobody counts.
    pub(crate) fn note_shed_by_limit(&self) {
        if let Some(service) = self.service() {
            service.shed_by_limits.fetch_add(1, Relaxed);
        }
    }

    fn service(&self) -> Option<&ServiceFacts> {
        self.route.as_ref()?.service.as_deref()
    }

    /// What the log records of this request carry, its route, its id and what
    /// [`log_context`](crate::log_context) has added, for another thread that works on its behalf:
    ///
    /// ```
    /// # use seaworthy::Request;
    /// fn handler(request: &Request) {
    ///     let context = request.context();
    ///     std::thread::spawn(move || context.run(|| log::info!("on behalf of the request")));
    /// }
    /// ```
    ///
    /// For the thread that runs the handler: it is that thread's context.
    #[must_use]
    pub fn context(&self) -> LogContext {
        LogContext::current()
    }
}
