//! What answers requests: probes and refusals at once, the rest through layers and handlers.

use crate::{
    config::{ip_range::IpRange, table::AccessLog},
    health::{self, Health},
    message::{
        into_response::IntoResponse,
        refusal::{Refusal, Refusals},
        request::Request,
        response::Response,
    },
    observe::access_log,
    phase::{Phase, State},
    routing::application::Application,
};
use http::{HeaderValue, Method, header};
use std::{sync::Arc, time::Duration};

/// Decides what answers a request. Shared by every worker and the admin thread.
pub(crate) struct Dispatcher {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) application: Box<dyn Application>,
    pub(crate) health: Health,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) access_log: AccessLog,
    pub(crate) trusted_proxies: Vec<IpRange>,
    pub(crate) state: Arc<State>,
}

impl Dispatcher {
    /// Answers what needs no worker: probes, `/version`, and everything while the service cannot take it. Takes
    /// microseconds. Otherwise the request knows its route afterwards.
    pub(crate) fn answer_at_once(
        &self,
        request: &mut Request,
        probes_only: bool,
    ) -> Option<Response> {
        let phase = self.state.phase();
        if let Some(answer) = self.answer_probe(request) {
            access_log::probe(self.access_log, &self.trusted_proxies, request, &answer);
            return Some(answer);
        }
        if phase == Phase::Starting {
            return Some(self.refusals.response(Refusal::STARTING));
        }
        if probes_only {
            return Some(self.refusals.response(Refusal::TOO_MANY_CONNECTIONS));
        }
        self.application.find(request);
        let nobody_takes_it = request.route.is_none() && health::is_reserved(request.path());
        nobody_takes_it.then(|| self.refusals.response(Refusal::ONLY_READS))
    }

    /// The probes and `/version`.
    pub(crate) fn answer_probe(&self, request: &Request) -> Option<Response> {
        if let Some(answer) = self.health.answer(request, self.state.phase()) {
            return Some(answer);
        }
        let asks_version =
            request.path() == "/version" && matches!(*request.method(), Method::GET | Method::HEAD);
        asks_version.then(|| {
            let text = format!(
                "{{\"name\":{:?},\"version\":{:?}}}\n",
                self.name, self.version
            );
            text.into_response().with_header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )
        })
    }

    /// Runs layers and handler on this thread; a panic is a 500 and a log record.
    pub(crate) fn handle(&self, request: &mut Request) -> Response {
        self.application.run(request)
    }

    pub(crate) fn log_access(&self, request: &Request, response: &Response, took: Duration) {
        access_log::request(
            self.access_log,
            &self.trusted_proxies,
            request,
            response,
            took,
        );
    }
}
