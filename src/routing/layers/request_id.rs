//! An id for each request, in its log records and in its answer.

use crate::{
    message::{
        current_ids::CurrentIds, log_context::log_context, request::Request, request_id::RequestId,
        response::Response,
    },
    routing::layer::{Layer, Next, ReadyMade},
};
use http::{HeaderName, HeaderValue};

/// Gives each request an id, by which it is found again in logs, its own and those of the services before and behind
/// it: in [`Request::id`], as `request_id` in every log record of the request from here inwards and in its access log
/// record, and in the answer's `X-Request-Id`.
///
/// An id that the request brings along in that header is kept where it is sane: up to 128 ASCII letters, digits and
/// `-._~:+/=`. Otherwise it is made: 32 hexadecimal digits, random. Add it last, so that it is the outermost layer.
///
/// ```
/// use seaworthy::{Request, Service, http::header::HeaderName, layers};
///
/// let service = Service::new("shop")
///     .get("/", |request: &Request| format!("this is {}", request.id().unwrap_or_default()))
///     .layer(layers::request_id());
///
/// let header = HeaderName::from_static("x-request-id");
/// let request = Request::get("/").with_header(header.clone(), "order-7".parse().unwrap());
/// let answer = service.call(request);
/// assert_eq!(answer.headers()[&header], "order-7");
/// assert_eq!(answer.body(), Some(&b"this is order-7"[..]));
/// ```
#[must_use]
pub fn request_id() -> RequestIds {
    RequestIds {
        header: HeaderName::from_static("x-request-id"),
        takes_others: true,
    }
}

/// See [`request_id`].
#[derive(Clone, Debug)]
pub struct RequestIds {
    header: HeaderName,
    takes_others: bool,
}

impl RequestIds {
    /// Another header than `X-Request-Id`, in requests and in answers.
    #[must_use]
    pub fn header(self, name: HeaderName) -> RequestIds {
        RequestIds {
            header: name,
            ..self
        }
    }

    /// Makes an id for every request, whatever it brings along: for services whose clients nobody knows.
    #[must_use]
    pub fn always_made(self) -> RequestIds {
        RequestIds {
            takes_others: false,
            ..self
        }
    }
}

impl<S> Layer<S, ReadyMade> for RequestIds {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let brought = request
            .header(&self.header)
            .filter(|_| self.takes_others)
            .and_then(RequestId::sane);
        let id = brought.unwrap_or_else(RequestId::random);
        // Its log field has it forgotten at the request's end, too.
        log_context("request_id", &id);
        CurrentIds::set_request(&id);
        request.extensions_mut().insert(id.clone());
        let value = HeaderValue::from_str(id.as_str()).expect("a sane id is a header's value");
        next.run(request).with_header(self.header.clone(), value)
    }
}
