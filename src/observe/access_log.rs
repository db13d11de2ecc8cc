//! One log record a request, for whom `ACCESS_LOG` wants it, and the causes that responses keep from clients.

use super::trace::server;
use crate::{
    config::{ip_range::IpRange, table::AccessLog},
    message::{error::Error, request::Request, response::Response},
};

use http::StatusCode;
use log::Level;
use std::time::Duration;

/// What the log calls these records, so that they can be told from the rest.
pub(super) const TARGET: &str = "seaworthy::access";

/// Logs an answered request: all of them, or, with `errors`, those that the server failed to answer (5xx).
pub(crate) fn request(
    which: AccessLog,
    trusted: &[IpRange],
    request: &Request,
    response: &Response,
    took: Duration,
) {
    let wanted = match which {
        AccessLog::Off => false,
        AccessLog::Errors => is_failure(response.status),
        AccessLog::All => true,
    };
    if wanted {
        let level = if is_failure(response.status) {
            Level::Warn
        } else {
            Level::Info
        };
        record(level, trusted, request, response, took);
    }
}

/// Logs why a request was not answered as it asked to be, once, where the reason is not the client's to know.
pub(crate) fn failure(request: &Request, error: &Error) {
    let Some(cause) = error.cause() else { return };
    server::note_failure(cause);
    let level = match is_failure(error.status()) {
        true => Level::Error,
        false => Level::Debug,
    };
    log::log!(level, route = request.route(), status = error.status().as_u16(), cause = cause; "request failed");
}

/// A 501 is the client's doing: it asked for a method that there is not.
pub(super) fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

/// Logs an answered probe: only with `all`, and at debug.
pub(crate) fn probe(which: AccessLog, trusted: &[IpRange], request: &Request, response: &Response) {
    if which == AccessLog::All {
        record(Level::Debug, trusted, request, response, Duration::ZERO);
    }
}

/// The query stays out of it: it may hold what is nobody's business.
fn record(
    level: Level,
    trusted: &[IpRange],
    request: &Request,
    response: &Response,
    took: Duration,
) {
    if level <= log::max_level() {
        let peer = request
            .peer()
            .map(|peer| peer.to_string())
            .unwrap_or_default();
        let client = request.client_behind(trusted);
        let client = client.map(|client| client.to_string()).unwrap_or_default();
        log::log!(
            target: TARGET,
            level,
            method = request.method().as_str(),
            path = request.path(),
            route = request.route(),
            status = response.status.as_u16(),
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            peer = peer.as_str(),
            client = client.as_str();
            "request"
        );
    }
}
