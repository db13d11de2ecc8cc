//! Why a request is not served, and what its client is told.

use crate::message::response::Response;
use http::StatusCode;

/// Why a request is not served. Its connection ends, since where the next request would begin
/// cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the client is told.
    pub(crate) status: StatusCode,
    /// What the log is told.
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

    /// The answer, after which the connection ends. It says what is wrong with the request and nothing of the service.
    pub(crate) fn response(self) -> Response {
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => Response::unavailable(self.reason),
            status => Response::text(status, self.reason),
        }
    }

    /// Refuses with any status.
    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Self {
        Refusal { status, reason }
    }

    /// Refuses with 400, which is what RFC 9112 asks for wherever it names no other status.
    pub(crate) const fn bad(reason: &'static str) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }
}
