//! Why a request is not answered as it asked to be: a status and a text for the client, a cause for the log.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{borrow::Cow, fmt};

/// A handler's or layer's failure: a status and a text for the client, and a cause that only the log is told.
///
/// Any error becomes a 500 by `?`, its text in the log and nothing of it in the response. What a request's extraction
/// refuses ([`Request::param_as`](crate::Request::param_as), [`Request::text`](crate::Request::text) and so on) is an `Error` already, with its 4xx:
///
/// ```
/// use seaworthy::{Error, Request};
///
/// fn page(request: &Request) -> Result<String, Error> {
///     let number: u32 = request.param_as("number")?; // 400 that names `number`
///     let path = format!("pages/{number}.txt");
///     Ok(std::fs::read_to_string(path)?) // 500; the log has the reason
/// }
/// ```
///
/// As a response it is its text, or what [`Service::errors`](crate::Service::errors) makes of it.
pub struct Error(Box<Parts>);

struct Parts {
    status: StatusCode,
    message: Cow<'static, str>,
    cause: Option<Box<str>>,
    headers: HeaderMap,
}

impl Error {
    /// A failure that tells the client `message`.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Parts {
            status,
            message: message.into(),
            cause: None,
            headers: HeaderMap::new(),
        }))
    }

    /// 400: the request makes no sense, and `message` says what would.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401, with the challenge that RFC 9110 section 11.6.1 asks for: `Bearer`.
    #[must_use]
    pub fn unauthorized() -> Error {
        let challenge = HeaderValue::from_static("Bearer");
        Error::new(StatusCode::UNAUTHORIZED, "unauthorized")
            .with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 403.
    #[must_use]
    pub fn forbidden() -> Error {
        Error::new(StatusCode::FORBIDDEN, "forbidden")
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Error {
        Error::new(StatusCode::NOT_FOUND, "not found")
    }

    /// 409: `message` says what it conflicts with.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(StatusCode::CONFLICT, message)
    }

    /// 422: well-formed, and wrong all the same.
    pub fn unprocessable(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 500: `cause` is for the log, and the client learns nothing of it.
    pub fn internal(cause: impl fmt::Display) -> Error {
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, "internal server error").because(cause)
    }

    /// 503 that asks the client to come again in a second (RFC 9110 section 10.2.3).
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(StatusCode::SERVICE_UNAVAILABLE, message)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Adds the cause, for the log only.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Error {
        self.0.cause = Some(cause.to_string().into_boxed_str());
        self
    }

    /// Adds a header to the answer, however the error is rendered.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Error {
        self.0.headers.insert(name, value);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the log is told.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The headers that its answer has, however it is rendered.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error::internal(error)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}",
            self.0.status,
            self.cause().unwrap_or(&self.0.message)
        )
    }
}

impl fmt::Display for Error {
    /// What the client is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}
