//! Answers that are not there yet when their handlers return.

use super::response::Response;
use http::header;
use std::any::Any;

/// Stands in a response's body for the answer that is given later.
pub(crate) trait Deferral: Send {
    /// Keeps something until the answer is on its way.
    fn keep(&mut self, what: Box<dyn Any + Send>);

    /// Takes over the request, for its answer: `request` is an `Option` of what the pool has for that.
    fn take_over(self: Box<Self>, request: &mut dyn Any);

    /// Waits for the answer, or what is answered at its deadline.
    fn wait(self: Box<Self>) -> Response;
}

/// What becomes of an answer with what the layers have done to the response that stood for it: the headers that they set
/// are set, those that may be there several times are added, and so is a status that is not that of a 200.
pub(crate) fn finish(mut answer: Response, placeholder: Response) -> Response {
    if placeholder.status != http::StatusCode::OK {
        answer.status = placeholder.status;
    }
    for name in placeholder.headers.keys() {
        let values = placeholder.headers.get_all(name).iter().cloned();
        if *name != header::SET_COOKIE && *name != header::VARY {
            answer.headers.remove(name);
        }
        for value in values {
            answer.headers.append(name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, StatusCode};

    #[test]
    fn what_layers_set_applies_to_the_answer_and_what_they_leave_is_its_own() {
        let value = HeaderValue::from_static;
        let answer = Response::new(StatusCode::CREATED)
            .with_header(header::CACHE_CONTROL, value("max-age=60"))
            .with_header(header::ETAG, value("\"1\""))
            .with_header(header::VARY, value("Accept"));
        let placeholder = Response::new(StatusCode::OK)
            .with_header(header::CACHE_CONTROL, value("no-store"))
            .with_header(header::VARY, value("Origin"));
        let whole = finish(answer, placeholder);
        assert_eq!(whole.status, StatusCode::CREATED);
        assert_eq!(whole.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(whole.headers[header::ETAG], "\"1\"");
        let vary: Vec<_> = whole.headers.get_all(header::VARY).iter().collect();
        assert_eq!(vary, ["Accept", "Origin"]);
        let refused = finish(whole, Response::new(StatusCode::FORBIDDEN));
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
}
