//! Why a request is not served, by seaworthy itself: what its client is told, rendered once at start.

use super::{
    body::Body,
    error::Error,
    own_headers::OwnHeaders,
    render::{Render, rendered},
    response::Response,
};
use http::{HeaderValue, StatusCode, header};

/// Why a request is not served. Where an engine refuses one, its connection ends, since where the next request would
/// begin cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// For the client and the log. It says what is wrong with the request and nothing of the service.
    pub(crate) reason: &'static str,
}

impl Refusal {
    /// RFC 9112, section 2.3; RFC 9110, section 15.6.6.
    pub(crate) const UNKNOWN_VERSION: Refusal = Refusal::new(
        StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        "no version of HTTP/1",
    );

    pub(crate) const CHUNKS_TOO_LONG: Refusal =
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "chunks over MAX_BODY_BYTES");

    pub(crate) const BODY_TOO_LONG: Refusal = Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "Content-Length over MAX_BODY_BYTES",
    );

    /// RFC 6585, section 5.
    pub(crate) const HEAD_TOO_LONG: Refusal = Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head over MAX_HEAD_BYTES",
    );

    pub(crate) const TOO_SLOW: Refusal = Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        "the request took too long to arrive",
    );

    pub(crate) const NO_MEMORY: Refusal = Refusal::unavailable("no memory for the request");
    pub(crate) const STARTING: Refusal = Refusal::unavailable("starting");
    pub(crate) const OVERLOADED: Refusal = Refusal::unavailable("overloaded");
    pub(crate) const WAITED_TOO_LONG: Refusal =
        Refusal::unavailable("waited too long for a worker");
    pub(crate) const TOO_MANY_CONNECTIONS: Refusal = Refusal::unavailable("too many connections");

    /// A probe is a question: it can be asked, and that is all.
    pub(crate) const ONLY_READS: Refusal =
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "probes take GET and HEAD");

    /// No route takes the method, and no standard has it.
    pub(crate) const UNHEARD_OF: Refusal =
        Refusal::new(StatusCode::NOT_IMPLEMENTED, "no such method");

    /// Refuses with any status.
    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Self {
        Refusal { status, reason }
    }

    /// Refuses with 400, which is what RFC 9112 asks for wherever it names no other status.
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }

    /// Refuses with 503: the client is to come again.
    pub(crate) const fn unavailable(reason: &'static str) -> Self {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason)
    }

    fn error(self) -> Error {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Error::unavailable(self.reason),
            StatusCode::METHOD_NOT_ALLOWED => Error::new(self.status, self.reason)
                .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
            status => Error::new(status, self.reason),
        }
    }

    /// Its answer in the form of the service's hook, rendered on this thread.
    pub(crate) fn rendered(self, render: Option<&Render>) -> Response {
        match render {
            Some(render) => rendered(&self.error(), render, None),
            None => self.response(),
        }
    }

    /// The answer of a service that renders nothing itself.
    pub(crate) fn response(self) -> Response {
        let mut response = Response::text(self.status, self.reason);
        response.headers = self.error().headers().clone().into();
        response
    }
}

/// Every refusal with its answer, as the service's hook renders it.
///
/// They are rendered once, at start: refusals are answered where sockets are driven, and no code of the service's runs
/// there.
#[derive(Default)]
pub(crate) struct Refusals(Vec<Rendered>);

struct Rendered {
    refusal: Refusal,
    headers: OwnHeaders,
    body: Vec<u8>,
    default_type: Option<&'static str>,
}

impl Refusals {
    /// Runs the hook, on this thread, for every refusal there is.
    pub(crate) fn rendered_by(render: Option<&Render>) -> Refusals {
        let Some(render) = render else {
            return Refusals::default();
        };
        let answer = |refusal: &Refusal| {
            let response = rendered(&refusal.error(), render, None);
            // What is read while it is sent cannot be kept for later, and is left as it was.
            let body = response.body()?.to_vec();
            Some(Rendered {
                refusal: *refusal,
                headers: response.headers,
                body,
                default_type: response.default_type,
            })
        };
        Refusals(ALL.iter().filter_map(answer).collect())
    }

    /// The answer to a refused request.
    pub(crate) fn response(&self, refusal: Refusal) -> Response {
        match self.0.iter().find(|known| known.refusal == refusal) {
            Some(known) => Response {
                status: refusal.status,
                headers: known.headers.clone(),
                body: Body::Bytes(known.body.clone()),
                default_type: known.default_type,
                error: None,
            },
            None => refusal.response(),
        }
    }
}

/// Every refusal that is made anywhere; a test looks for them in the sources.
const ALL: &[Refusal] = &[
    Refusal::UNKNOWN_VERSION,
    Refusal::CHUNKS_TOO_LONG,
    Refusal::BODY_TOO_LONG,
    Refusal::HEAD_TOO_LONG,
    Refusal::TOO_SLOW,
    Refusal::NO_MEMORY,
    Refusal::STARTING,
    Refusal::OVERLOADED,
    Refusal::WAITED_TOO_LONG,
    Refusal::TOO_MANY_CONNECTIONS,
    Refusal::ONLY_READS,
    Refusal::UNHEARD_OF,
    Refusal::bad("body ended early"),
    Refusal::bad("Transfer-Encoding in HTTP/1.0"),
    Refusal::bad("Transfer-Encoding with Content-Length"),
    Refusal::bad("asterisk-form target without OPTIONS"),
    Refusal::unavailable("its connection was being closed"),
    Refusal::unavailable("no descriptor or no thread is left"),
    Refusal::bad("bare CR"),
    Refusal::bad("bare CR in a chunked body"),
    Refusal::bad("bare LF"),
    Refusal::bad("chunk extensions too long"),
    Refusal::bad("chunk longer than its size"),
    Refusal::bad("chunk size too long"),
    Refusal::bad("chunk without a size"),
    Refusal::bad("chunked is not the last transfer coding"),
    Refusal::bad("control byte in a field value"),
    Refusal::bad("control byte in the head"),
    Refusal::bad("head not whole"),
    Refusal::bad("malformed Content-Length"),
    Refusal::bad("malformed Host"),
    Refusal::bad("malformed Transfer-Encoding"),
    Refusal::bad("malformed authority in the target"),
    Refusal::bad("malformed chunk"),
    Refusal::bad("malformed chunk extension"),
    Refusal::bad("malformed chunk size"),
    Refusal::bad("malformed field name"),
    Refusal::bad("malformed field name, or a folded line"),
    Refusal::bad("malformed field value"),
    Refusal::bad("malformed line end"),
    Refusal::bad("malformed method"),
    Refusal::bad("malformed request line"),
    Refusal::bad("malformed trailer"),
    Refusal::bad("malformed version"),
    Refusal::bad("more than one Content-Length"),
    Refusal::bad("more than one Host"),
    Refusal::bad("no Host"),
    Refusal::bad("target in none of the forms of RFC 9112, section 3.2"),
    Refusal::bad("target with a fragment or other than visible ASCII"),
    Refusal::bad("the first byte begins no request"),
    Refusal::bad("too many empty lines before the request"),
    Refusal::new(StatusCode::EXPECTATION_FAILED, "unknown expectation"),
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "CONNECT is for proxies"),
    Refusal::new(StatusCode::NOT_IMPLEMENTED, "unknown transfer coding"),
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "more fields than MAX_HEADERS",
    ),
    Refusal::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "trailers too long",
    ),
    Refusal::new(StatusCode::URI_TOO_LONG, "request line over MAX_HEAD_BYTES"),
];

#[cfg(test)]
mod tests;
