//! What a route's handler may be: a function of the request, or of the request and the service's state.

use crate::message::{into_response::IntoResponse, request::Request, response::Response};

/// A handler: `Fn(&Request) -> R`, or `Fn(&Request, &S) -> R` where the service has a state `S`; see
/// [`Service::with_state`](crate::Service::with_state). `Args` tells the two apart, and is always inferred.
///
/// It runs on a worker thread and may block. A closure has to name its parameter's type: `|request: &Request| …`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler for a service whose state is `{S}`",
    label = "expected `Fn(&Request) -> impl IntoResponse` or `Fn(&Request, &{S}) -> impl IntoResponse`",
    note = "a closure has to name its parameters' types: `|request: &Request| …` or `|request: &Request, state: &{S}| …`"
)]
pub trait Handler<S, Args>: Send + Sync + 'static {
    /// Answers the request, on a worker thread.
    fn call(&self, request: &Request, state: &S) -> Response;
}

impl<S, F, R> Handler<S, (Request,)> for F
where
    F: Fn(&Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn call(&self, request: &Request, _: &S) -> Response {
        self(request).into_response()
    }
}

impl<S, F, R> Handler<S, (Request, S)> for F
where
    F: Fn(&Request, &S) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn call(&self, request: &Request, state: &S) -> Response {
        self(request, state).into_response()
    }
}

/// A handler as it is kept.
pub(crate) type BoxedHandler<S> = Box<dyn Fn(&Request, &S) -> Response + Send + Sync>;

pub(crate) fn boxed<S, Args>(handler: impl Handler<S, Args>) -> BoxedHandler<S> {
    Box::new(move |request, state| handler.call(request, state))
}
