//! Layers around handlers.

use crate::message::{into_response::IntoResponse, request::Request, response::Response};
use std::sync::Arc;

/// A layer: `Fn(&mut Request, Next<'_>) -> R`, or `Fn(&mut Request, Next<'_>, &S) -> R` where the service has a state
/// `S`, or one of the [ready-made ones](crate::layers). `Args` tells them apart, and is always inferred.
///
/// It runs on the worker thread that runs the handler. Whatever it does to its request, the connection is not touched
/// by it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no layer for a service whose state is `{S}`",
    label = "expected `Fn(&mut Request, Next<'_>) -> impl IntoResponse`, or with `&{S}` as its last parameter",
    note = "a closure has to name its parameters' types: `|request: &mut Request, next: Next<'_>| …`"
)]
pub trait Layer<S, Args>: Send + Sync + 'static {
    /// Answers the request, usually with what `next.run(request)` returns.
    fn call(&self, request: &mut Request, next: Next<'_>, state: &S) -> Response;
}

impl<S, F, R> Layer<S, (Request,)> for F
where
    F: Fn(&mut Request, Next<'_>) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        self(request, next).into_response()
    }
}

impl<S, F, R> Layer<S, (Request, S)> for F
where
    F: Fn(&mut Request, Next<'_>, &S) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn call(&self, request: &mut Request, next: Next<'_>, state: &S) -> Response {
        self(request, next, state).into_response()
    }
}

/// The `Args` of layers that are values and no closures: the [ready-made ones](crate::layers), and those of one's own,
/// as `impl<S> Layer<S, ReadyMade> for Audit`.
pub enum ReadyMade {}

/// A layer as it is kept: a group's routes share theirs.
pub(crate) type SharedLayer<S> = Arc<dyn Fn(&mut Request, Next<'_>, &S) -> Response + Send + Sync>;

pub(crate) fn shared<S, Args>(layer: impl Layer<S, Args>) -> SharedLayer<S> {
    Arc::new(move |request, next, state| layer.call(request, next, state))
}

/// What lies inside a layer: the layers added before it, and at the centre the route's handler.
pub struct Next<'a>(&'a dyn Inner);

impl<'a> Next<'a> {
    pub(crate) fn new(inner: &'a dyn Inner) -> Next<'a> {
        Next(inner)
    }

    /// Goes on inwards, on this thread, and returns what came of it. A layer that does not call it answers in the
    /// handler's place. A panic inside is a 500 by the time it comes back, so what follows the call always runs.
    pub fn run(self, request: &mut Request) -> Response {
        self.0.run(request)
    }
}

/// What a [`Next`] stands for.
pub(crate) trait Inner {
    fn run(&self, request: &mut Request) -> Response;
}
