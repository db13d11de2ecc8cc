//! Errors as RFC 9457 has them.

use super::{
    error::Error,
    request::Request,
    response::{Response, TEXT},
};
use http::{HeaderValue, header};
use std::fmt::Write;

/// `application/problem+json` (RFC 9457) for everything that is refused or fails:
/// `Service::new("shop").errors(Problem::json)`.
///
/// ```
/// use seaworthy::{Problem, Request, Service, http::header};
///
/// let service = Service::new("shop").errors(Problem::json);
/// let answer = service.call(Request::get("/nowhere"));
/// assert_eq!(answer.status(), 404);
/// assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
/// ```
pub struct Problem;

impl Problem {
    /// `{"type":"about:blank","title":"Not Found","status":404,"detail":"not found","instance":"/orders/7"}`, where
    /// `detail` is the error's message, and `instance` the request's path, left out where no request is known.
    ///
    /// For [`Service::errors`](crate::Service::errors). Runs on the worker that answers.
    #[must_use]
    pub fn json(error: &Error, request: Option<&Request>) -> Response {
        let status = error.status();
        let mut text = String::from(r#"{"type":"about:blank","title":"#);
        push_json(&mut text, status.canonical_reason().unwrap_or("Error"));
        text.push_str(r#","status":"#);
        text.push_str(status.as_str());
        text.push_str(r#","detail":"#);
        push_json(&mut text, error.message());
        if let Some(request) = request {
            text.push_str(r#","instance":"#);
            push_json(&mut text, request.path());
        }
        text.push('}');
        Response::of(text, TEXT).with_status(status).with_header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        )
    }
}

/// Appends a JSON string (RFC 8259 section 7).
pub(crate) fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", control as u32)
                    .expect("writing to a String does not fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
