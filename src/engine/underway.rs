//! An upload between its handler and its answer.

use super::places::UploadPlace;
use crate::{
    message::{
        body::Body,
        error::Error,
        into_response::IntoResponse,
        pending::Kept,
        refusal::Refusal,
        request::Request,
        response::Response,
        upload::sink::{BodySink, Upload},
    },
    observe::panics::{self, Panicked},
    routing::application::Application,
};
use http::header;
use std::{mem, time::Instant};

/// The most that a sink is given at a time, and that a connection holds of a body.
pub(crate) const PIECE: usize = 64 * 1024;

/// A request whose body goes to a sink. It travels between the engine, which has it while its client sends, and the pool,
/// which has it while the sink takes a piece.
pub(crate) struct Underway {
    sink: Sink,
    /// What layers have made of the response that they saw.
    seen: Response,
    pub(crate) kept: Kept,
    /// When the handler began.
    pub(crate) began: Instant,
    /// Counts it among the requests that are answered now, until it is dropped.
    _counted: Box<dyn Send>,
    /// That of where its body goes.
    pub(crate) place: Option<UploadPlace>,
}

/// What the pool does next with an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Wait for more of it.
    More,
    /// Answer: it is whole.
    Finish,
    /// Answer with this: there will be no more of it.
    Refuse(Refusal),
}

impl Underway {
    /// Takes the upload out of the response that layers have seen; any other response is given back.
    ///
    /// # Errors
    /// The response, where its handler has begun no upload.
    pub(crate) fn begun(
        mut seen: Response,
        began: Instant,
        counted: Box<dyn Send>,
    ) -> Result<Box<Underway>, Response> {
        match mem::take(&mut seen.body) {
            Body::Pending(pending) => {
                let upload = pending.from.downcast::<Upload>().ok();
                Ok(Box::new(Underway {
                    sink: Sink(upload.map(|upload| upload.sink)),
                    seen,
                    kept: pending.kept,
                    began,
                    _counted: counted,
                    place: None,
                }))
            }
            body => Err(Response { body, ..seen }),
        }
    }

    /// Has the sink take a piece, on this thread. None where it has, else what is answered instead of reading on.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Option<Result<Response, Panicked>> {
        let sink = self.sink.0.as_mut().filter(|_| !piece.is_empty())?;
        let written = panics::catch(|| sink.write(piece));
        match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Ok(error.into_response())),
            Err(panicked) => Some(Err(panicked)),
        }
    }

    /// What is answered, on this thread: `ended`, or what the sink makes of a body that is whole. The rest is as with a
    /// handler's answer.
    pub(crate) fn answer(
        &mut self,
        request: &mut Request,
        ended: Option<Result<Response, Panicked>>,
        application: &dyn Application,
    ) -> Response {
        *request.extensions_mut() = mem::take(&mut self.kept.extensions);
        let answer = ended.unwrap_or_else(|| self.finish(request));
        let mut response = application.conclude(request, answer);
        self.pass_headers(&mut response);
        response
    }

    fn finish(&mut self, request: &Request) -> Result<Response, Panicked> {
        let sink = self.sink.0.take();
        panics::catch(|| match sink {
            Some(sink) => sink.finish(request).into_response(),
            None => Error::internal("an upload was finished twice").into_response(),
        })
    }

    /// Gives the answer what layers have done to the response that they saw: headers that it has not set itself, and those
    /// that may stand more than once.
    fn pass_headers(&mut self, answer: &mut Response) {
        for (name, value) in self.seen.headers.iter() {
            let adds_up = matches!(*name, header::SET_COOKIE | header::VARY);
            if adds_up || !answer.headers.contains_key(name) {
                answer.headers.append(name, value.clone());
            }
        }
    }
}

/// The handler's code, which may block and panic wherever it is dropped.
struct Sink(Option<Box<dyn BodySink>>);

impl Drop for Sink {
    fn drop(&mut self) {
        let sink = self.0.take();
        if let Err(panicked) = panics::catch(|| drop(sink)) {
            log::error!(panic:% = panicked; "the destructor of an upload's sink panicked");
        }
    }
}
