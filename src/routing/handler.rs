//! What a route's handler may be: a function of the request, or of the request and the service's state.

use crate::message::{into_response::IntoResponse, request::Request, response::Response};

/// A handler: `Fn(&Request) -> R`, or `Fn(&Request, &S) -> R` where the service has a state `S`; see
/// [`Service::with_state`](crate::Service::with_state). `Args` tells the two apart, and is always inferred.
///
/// It runs on a worker thread and may block. A closure has to name its parameter's type: `|request: &Request| …`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler for a service whose state is `{S}`",
    label = "expected `Fn(&Request) -> impl IntoResponse` or `Fn(&Request, &{S}) -> impl IntoResponse`",
    note = "a closure has to name its parameters' types: `|request: &Request| …` or `|request: &Request, state: &{S}| …`",
    note = "what it returns has to be an answer: text, bytes, `Json`, a status, a `Response`, a tuple, an `Option` or a `Result` of one"
)]
pub trait Handler<S, Args>: Send + Sync + 'static {
    /// Answers the request, on a worker thread.
    fn call(&self, request: &Request, state: &S) -> Response;
}

impl<S, F> Handler<S, (Request,)> for F
where
    F: for<'r> OfRequest<'r> + Send + Sync + 'static,
{
    fn call(&self, request: &Request, _: &S) -> Response {
        self.answer(request).into_response()
    }
}

impl<S, F> Handler<S, (Request, S)> for F
where
    F: for<'r, 's> OfState<'r, 's, S> + Send + Sync + 'static,
    S: 'static,
{
    fn call(&self, request: &Request, state: &S) -> Response {
        self.answer(request, state).into_response()
    }
}

/// A function of one request. What it returns may borrow from the request: `-> impl IntoResponse` counts as borrowing
/// since Rust's edition 2024.
trait OfRequest<'r> {
    fn answer(&self, request: &'r Request) -> impl IntoResponse;
}

impl<'r, F, R> OfRequest<'r> for F
where
    F: Fn(&'r Request) -> R,
    R: IntoResponse,
{
    fn answer(&self, request: &'r Request) -> impl IntoResponse {
        self(request)
    }
}

/// The same of one request and the state.
trait OfState<'r, 's, S: 's> {
    fn answer(&self, request: &'r Request, state: &'s S) -> impl IntoResponse;
}

impl<'r, 's, F, R, S: 's> OfState<'r, 's, S> for F
where
    F: Fn(&'r Request, &'s S) -> R,
    R: IntoResponse,
{
    fn answer(&self, request: &'r Request, state: &'s S) -> impl IntoResponse {
        self(request, state)
    }
}

/// A handler as it is kept.
pub(crate) type BoxedHandler<S> = Box<dyn Fn(&Request, &S) -> Response + Send + Sync>;

pub(crate) fn boxed<S, Args>(handler: impl Handler<S, Args>) -> BoxedHandler<S> {
    Box::new(move |request, state| handler.call(request, state))
}
