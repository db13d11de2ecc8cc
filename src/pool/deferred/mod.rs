//! Answers that are given later: [`Response::deferred`].
//!
//! When the handler returns, its worker is free: the request is *parked* with all that its answer needs, and whoever has
//! the answer sends it, on a thread of its own. One thread for all of them, which the first starts, answers at the
//! deadlines.

pub(super) mod parked;
mod registry;
mod slot;

use crate::config::settings::IntoDuration;
use crate::message::{
    body::{Body, Deferred},
    deferral::Deferral,
    error::Error,
    into_response::IntoResponse,
    pushed::channel::SendError,
    response::Response,
};
use parked::{Kept, Parked};
use registry::Registry;
use slot::Slot;
use std::{any::Any, fmt, io::Read, sync::Arc};

impl Response {
    /// An answer that is given later, once, by whoever has the responder, on any thread: for a long poll, or where
    /// another thread has what is asked for. The worker, and the request's place in the queue, are free when the handler
    /// returns this, so that ten thousand requests may wait at once.
    ///
    /// What is not answered within `patience` (such as `"30s"`) from now on is told 503, with a log record; a responder
    /// that is dropped answers 500. Layers run when the handler returns, and see a 200 without a body: the headers that
    /// they set apply to the answer, those beside which there may be others of the name (`Set-Cookie`, `Vary`) in
    /// addition to its own; a status applies where it is not 200; a layer that replaces the body has answered. The access
    /// record, the metrics and the span of the request tell of the answer, when it is given.
    ///
    /// A client that closes the connection, be it only its own side, has gone: that is noticed, and the responder [closed](Responder::is_closed); with the `tiny_http` engine
    /// only when it is answered. When the service ends, what is awaited has until `SHUTDOWN_TIMEOUT`.
    ///
    /// ```
    /// use seaworthy::{Request, Responder, Response, Service};
    /// use std::{sync::mpsc, thread};
    ///
    /// // One thread answers all that wait, when there is something to tell.
    /// let (wait, waiting) = mpsc::channel::<Responder>();
    /// thread::spawn(move || {
    ///     for responder in waiting {
    ///         // An error says that its client has gone, or could wait no longer.
    ///         let _ = responder.respond("rain");
    ///     }
    /// });
    /// let service = Service::new("news").get("/news", move |_: &Request| {
    ///     let (responder, response) = Response::deferred("30s");
    ///     let _ = wait.send(responder); // one that is lost on its way is dropped, and answers 500
    ///     response
    /// });
    /// // In a test, the call waits for the answer.
    /// assert_eq!(service.call(Request::get("/news")).body(), Some(&b"rain"[..]));
    /// ```
    ///
    /// # Panics
    /// Where a text is no duration.
    #[must_use]
    #[track_caller]
    pub fn deferred(patience: impl IntoDuration) -> (Responder, Response) {
        let slot = Slot::new(patience.into_duration());
        let returned = Returned {
            slot: Arc::clone(&slot),
            kept: Vec::new(),
        };
        let body = Body::Deferred(Deferred(Box::new(returned)));
        let response = Response {
            body,
            ..Response::new(http::StatusCode::OK)
        };
        (Responder(Some(slot)), response)
    }
}

/// Gives the answer of a [`Response::deferred`].
pub struct Responder(Option<Arc<Slot>>);

impl Responder {
    /// Answers. The response is sent from this thread as far as the client takes it at once, and by the engine
    /// beyond that; the reader of a streamed body begins here.
    ///
    /// # Errors
    /// [`Closed`](SendError::Closed) where nobody wants the answer any more: its deadline has passed, its client has gone,
    /// or the response was dropped.
    pub fn respond(mut self, answer: impl IntoResponse) -> Result<(), SendError> {
        match self.0.take() {
            Some(slot) if slot.answer(answer.into_response()) => Ok(()),
            _ => Err(SendError::Closed),
        }
    }

    /// Whether nobody wants the answer any more: see [`respond`](Responder::respond).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.as_ref().is_none_or(|slot| slot.is_closed())
    }

    /// Whether the service ends: its listener is closed, and what is not answered by `SHUTDOWN_TIMEOUT` is cut. Always
    /// false before the handler has returned.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.as_ref().is_some_and(|slot| slot.is_closing())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take()
            && !slot.is_closed()
        {
            let reason = "the responder of a deferred answer was dropped";
            slot.answer(Error::internal(reason).into_response());
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The response, which comes back to the pool, or does not.
struct Returned {
    slot: Arc<Slot>,
    kept: Kept,
}

impl Deferral for Returned {
    fn keep(&mut self, what: Box<dyn Any + Send>) {
        self.kept.push(what);
    }

    fn take_over(mut self: Box<Self>, request: &mut dyn Any) {
        let Some(parked) = request.downcast_mut().and_then(Option::<Parked>::take) else {
            return;
        };
        let registry = Arc::clone(parked.deferred_answers.get_or_init(Registry::start));
        let kept = std::mem::take(&mut self.kept);
        self.slot.take_over(parked, kept, &registry);
    }

    fn wait(self: Box<Self>, answer: &mut dyn Any) {
        if let Some(answer) = answer.downcast_mut() {
            *answer = Some(self.awaited());
        }
    }

    fn into_reader(self: Box<Self>) -> Box<dyn Read + Send> {
        self.awaited().body.into_reader()
    }
}

impl Returned {
    fn awaited(&self) -> Response {
        let late = || Error::unavailable("not answered in time").into_response();
        self.slot.wait().unwrap_or_else(late)
    }
}

impl Drop for Returned {
    /// Dropped before it came back, it is not wanted.
    fn drop(&mut self) {
        self.slot.leave_unreturned();
    }
}
