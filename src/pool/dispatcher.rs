//! What answers requests: probes and refusals at once, the rest through layers and handlers.

use crate::{
    config::{ip_range::IpRange, table::live::LiveConfig},
    engine::Exchange,
    health::{self, Health},
    message::{
        body::Body,
        into_response::IntoResponse,
        refusal::{Refusal, Refusals},
        request::Request,
        response::Response,
    },
    observe::{
        access_log,
        metrics::{self, Metrics, counts::Shed, http::HttpCounts, refused::Refused},
        recent::Recent,
        trace::server::Tracer,
    },
    phase::{Phase, State},
    routing::application::Application,
};
use http::{HeaderValue, Method, header};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Decides what answers a request. Shared by every worker and the admin thread.
pub(crate) struct Dispatcher {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) application: Box<dyn Application>,
    pub(crate) health: Health,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) trusted_proxies: Vec<IpRange>,
    pub(crate) state: Arc<State>,
    pub(crate) metrics: Metrics,
    /// What the workers count.
    pub(crate) http_counts: Arc<HttpCounts>,
    pub(crate) tracer: Tracer,
    /// What the engine has refused.
    pub(crate) refused: Arc<Refused>,
    /// Whether `/metrics` is answered where the routes are: there is no admin port, and no route of this path.
    pub(crate) has_metrics: bool,
    /// Where there are pages that tell of them.
    pub(crate) recent: Option<Recent>,
}

/// What is answered without a worker.
pub(crate) enum AtOnce {
    Probe(Response),
    /// To be answered apart from the routes, but not by who drives the sockets.
    Scrape,
    /// With why it counts as shed, where it does.
    Refusal(Response, Option<Shed>),
}

impl Dispatcher {
    /// Answers what needs no worker: probes, `/version`, scrapes, and everything while the service cannot take it. Takes
    /// microseconds. Otherwise the request knows its route afterwards.
    pub(crate) fn answer_at_once(
        &self,
        request: &mut Request,
        probes_only: bool,
    ) -> Option<AtOnce> {
        let phase = self.state.phase();
        let path = request.head.path.of(&request.bytes);
        if health::may_be_reserved(path)
            && let Some(answer) = self.answer_probe(request)
        {
            return Some(AtOnce::Probe(answer));
        }
        if self.has_metrics && path == metrics::PATH.as_bytes() {
            return Some(AtOnce::Scrape);
        }
        let refusal = match () {
            () if probes_only => Refusal::TOO_MANY_CONNECTIONS,
            () if phase == Phase::Starting => Refusal::STARTING,
            () => {
                self.application.find(request);
                if request.route.is_some() || !health::is_reserved(request.path()) {
                    return None;
                }
                match self.application.is_unheard_of(request.method()) {
                    true => Refusal::UNHEARD_OF,
                    false => Refusal::ONLY_READS,
                }
            }
        };
        let shed = match refusal {
            Refusal::STARTING => Some(Shed::Starting),
            Refusal::TOO_MANY_CONNECTIONS => Some(Shed::Connections),
            _ => None,
        };
        Some(AtOnce::Refusal(self.refusals.response(refusal), shed))
    }

    /// The probes and `/version`.
    pub(crate) fn answer_probe(&self, request: &Request) -> Option<Response> {
        let phase = self.state.phase();
        probe(&self.health, phase, self.name, self.version, request)
    }

    /// Runs layers and handler on this thread, in the request's span, which a deferred answer keeps; a panic is a 500 and a
    /// log record. Also returns how long it has taken since `started`.
    pub(crate) fn handle(&self, request: &mut Request, started: Instant) -> (Response, Duration) {
        let span = self.tracer.begin(request, &self.trusted_proxies);
        let mut response = self.application.run(request);
        let took = started.elapsed();
        match (span, &mut response.body) {
            (Some(span), Body::Pending(pending)) => pending.kept.span = Some(Box::new(span)),
            (Some(span), Body::Deferred(_)) => response.body.keep(span),
            (Some(span), _) => span.end(response.status, took),
            (None, _) => {}
        }
        (response, took)
    }

    pub(crate) fn log_access(&self, request: &Request, response: &Response, took: Duration) {
        access_log::request(
            self.live.access_log.get(),
            &self.trusted_proxies,
            request,
            response,
            took,
        );
    }

    /// Sends the answer to a probe or a scrape, which counts as no request.
    pub(crate) fn answer_apart(
        &self,
        mut exchange: Box<dyn Exchange>,
        answer: Response,
        close: bool,
    ) {
        self.log_probe(exchange.request(), &answer);
        exchange.respond(answer, close || self.state.is_stopping());
    }

    fn log_probe(&self, request: &Request, answer: &Response) {
        let which = self.live.access_log.get();
        access_log::probe(which, &self.trusted_proxies, request, answer);
    }
}

/// What a service of this name and version answers to a probe or `/version`; none where the request is neither.
pub(crate) fn probe(
    health: &Health,
    phase: Phase,
    name: &str,
    version: &str,
    request: &Request,
) -> Option<Response> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || !health::is_reserved(request.path()) {
        return None;
    }
    health.answer(request, phase).or_else(|| {
        let text = format!("{{\"name\":{name:?},\"version\":{version:?}}}\n");
        let json = HeaderValue::from_static("application/json");
        Some(text.into_response().with_header(header::CONTENT_TYPE, json))
    })
}
