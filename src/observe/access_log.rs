//! One log record a request, for whom `ACCESS_LOG` wants it, and the causes that responses keep from clients.

use super::{metrics::http::has_no_body, trace::server};
use crate::{
    config::{ip_range::IpRange, table::AccessLog},
    message::{error::Error, request::Request, response::Response},
};

use http::StatusCode;
use log::{Level, Record, kv::Value};
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
    let has_failed = is_failure(response.status);
    let wanted = match which {
        AccessLog::Off => false,
        AccessLog::Errors => has_failed,
        AccessLog::All => true,
    };
    if wanted {
        let level = if has_failed { Level::Warn } else { Level::Info };
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

/// The query stays out of it: it may hold what is nobody's business. Why a request has failed stands in the record that says
/// so, with the same ids, and is not told again.
fn record(
    level: Level,
    trusted: &[IpRange],
    request: &Request,
    response: &Response,
    took: Duration,
) {
    if level > log::max_level() {
        return;
    }
    let peer = request.peer().map(|peer| peer.to_string());
    let client = request.client_behind(trusted);
    let client = client.map(|client| client.to_string()).unwrap_or_default();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let mut pairs = vec![
        ("method", Value::from(request.method().as_str())),
        ("path", Value::from(request.path())),
        ("route", Value::from(request.route())),
        ("status", Value::from(response.status.as_u16())),
        ("duration_us", Value::from(micros)),
    ];
    // How long a stream of unknown length becomes is not known yet.
    let bytes = match has_no_body(request.method(), response.status) {
        true => Some(0),
        false => response.body.len(),
    };
    if let Some(bytes) = bytes {
        pairs.push(("bytes", Value::from(bytes)));
    }
    pairs.push(("peer", Value::from(peer.as_deref().unwrap_or_default())));
    pairs.push(("client", Value::from(client.as_str())));
    let pairs = &pairs[..];
    let mut record = Record::builder();
    record.level(level).target(TARGET).key_values(&pairs);
    log::logger().log(&record.args(format_args!("request")).build());
}
