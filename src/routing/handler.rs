//! What a route's handler may be: a function of the request, or of the request and the service's state.

use crate::message::{
    body::Body, into_response::IntoResponse, pending::Pending, request::Request,
    response::Response, upload::into_upload::IntoUpload,
};
use http::StatusCode;

/// A handler: `Fn(&Request) -> R`, or `Fn(&Request, &S) -> R` where the service has a state `S`; see
/// [`Service::with_state`](crate::Service::with_state). `Args` tells the two apart, and is always inferred.
///
/// Where it returns an [`Upload`](crate::Upload), it takes the request's body as it comes. It runs on a worker thread and
/// may block. A closure has to name its parameter's type: `|request: &Request| …`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler for a service whose state is `{S}`",
    label = "expected `Fn(&Request) -> impl IntoResponse` or `Fn(&Request, &{S}) -> impl IntoResponse`",
    note = "a closure has to name its parameters' types: `|request: &Request| …` or `|request: &Request, state: &{S}| …`",
    note = "what it returns has to be an answer: text, bytes, `Json`, a status, a `Response`, a tuple, an `Option` or a `Result` of one; or an `Upload`, or a `Result` of one"
)]
pub trait Handler<S, Args>: Send + Sync + 'static {
    /// Answers the request, on a worker thread.
    fn call(&self, request: &Request, state: &S) -> Response;

    /// Whether it is called when the head is there, to say where the body goes.
    #[doc(hidden)]
    fn takes_flowing_body(&self) -> bool {
        false
    }
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

/// In the `Args` of handlers that return an [`Upload`](crate::Upload).
pub enum Uploads {}

impl<S, F> Handler<S, (Uploads, Request)> for F
where
    F: for<'r> UploadOfRequest<'r> + Send + Sync + 'static,
{
    fn call(&self, request: &Request, _: &S) -> Response {
        begun(self.begin(request))
    }

    fn takes_flowing_body(&self) -> bool {
        true
    }
}

impl<S, F> Handler<S, (Uploads, Request, S)> for F
where
    F: for<'r, 's> UploadOfState<'r, 's, S> + Send + Sync + 'static,
    S: 'static,
{
    fn call(&self, request: &Request, state: &S) -> Response {
        begun(self.begin(request, state))
    }

    fn takes_flowing_body(&self) -> bool {
        true
    }
}

/// What layers see of an upload that begins, or what is answered in its place.
fn begun(upload: impl IntoUpload) -> Response {
    match upload.into_upload() {
        Ok(upload) => Response {
            body: Body::Pending(Pending::new(upload)),
            ..Response::new(StatusCode::OK)
        },
        Err(refusal) => refusal,
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

/// A function of one request that says where the body goes.
trait UploadOfRequest<'r> {
    fn begin(&self, request: &'r Request) -> impl IntoUpload;
}

impl<'r, F, U> UploadOfRequest<'r> for F
where
    F: Fn(&'r Request) -> U,
    U: IntoUpload,
{
    fn begin(&self, request: &'r Request) -> impl IntoUpload {
        self(request)
    }
}

/// The same of one request and the state.
trait UploadOfState<'r, 's, S: 's> {
    fn begin(&self, request: &'r Request, state: &'s S) -> impl IntoUpload;
}

impl<'r, 's, F, U, S: 's> UploadOfState<'r, 's, S> for F
where
    F: Fn(&'r Request, &'s S) -> U,
    U: IntoUpload,
{
    fn begin(&self, request: &'r Request, state: &'s S) -> impl IntoUpload {
        self(request, state)
    }
}

/// A handler of any kind.
type Call<S> = dyn Fn(&Request, &S) -> Response + Send + Sync;

/// A handler as it is kept.
pub(crate) struct BoxedHandler<S> {
    pub(crate) call: Box<Call<S>>,
    pub(crate) takes_flowing_body: bool,
}

pub(crate) fn boxed<S, Args>(handler: impl Handler<S, Args>) -> BoxedHandler<S> {
    BoxedHandler {
        takes_flowing_body: handler.takes_flowing_body(),
        call: Box::new(move |request, state| handler.call(request, state)),
    }
}
