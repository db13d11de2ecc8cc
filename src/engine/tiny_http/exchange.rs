//! One request out of tiny_http, its body, and the way back.

use super::{
    answer::{self, Asked},
    body::{self, Problem},
    head::Head,
    lingering::{Hold, LingeringClose},
    peer::Stage,
    shared::Shared,
};
use crate::{
    engine::Exchange,
    message::{
        head::BodyLength,
        request::{Request, RequestBody},
        response::Response,
    },
};
use log::Level;
use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};
use tiny_http::Request as Inner;

pub(super) struct TinyExchange {
    shared: Arc<Shared>,
    peer: SocketAddr,
    /// None once it is answered.
    inner: Option<Inner>,
    head: Head,
    /// Of the request, for its answer: a layer may do what it likes to the request itself.
    asked: Asked,
    /// Whether there is a body on the connection that was not read.
    is_unread: bool,
    /// What this request is charged for of `BUFFER_MEMORY`.
    charged: usize,
}

impl TinyExchange {
    pub(super) fn new(
        shared: &Arc<Shared>,
        peer: SocketAddr,
        inner: Inner,
        head: Head,
    ) -> TinyExchange {
        let is_unread = head.terms.body != BodyLength::Known(0);
        let mut exchange = TinyExchange {
            shared: Arc::clone(shared),
            peer,
            inner: Some(inner),
            asked: Asked {
                method: head.request.method().clone(),
                version: head.request.head.version,
            },
            head,
            is_unread,
            charged: 0,
        };
        if exchange.is_unread && exchange.head.is_body_at_hand {
            // Where there is no memory for it, a worker will be told so.
            let _ = exchange.read_body();
        }
        exchange
    }

    fn read_body(&mut self) -> Result<(), Problem> {
        if let Some(inner) = &mut self.inner {
            let body = body::read(
                inner,
                &self.head,
                &self.shared,
                self.peer,
                &mut self.charged,
            )?;
            self.head.request.body = RequestBody::Own(body);
            self.is_unread = false;
        }
        Ok(())
    }

    /// Before the answer, which may take long, and after which the next request may already be there.
    fn release_body(&mut self) {
        self.head.request.body = RequestBody::Empty;
        self.shared
            .rules
            .memory
            .requests
            .settle(&mut self.charged, 0);
    }

    /// Answers without reading the body, for which the connection has to end.
    fn answer_unread(self: Box<Self>, inner: Inner, response: &Response) {
        let last_bytes = answer::message(&self.asked, response, true);
        self.shared.begin_close(LingeringClose::instead_of_reading(
            self.peer, inner, last_bytes,
        ));
    }
}

impl Exchange for TinyExchange {
    fn request(&mut self) -> &mut Request {
        &mut self.head.request
    }

    fn complete(&mut self) -> Result<(), Box<Response>> {
        if !self.is_unread {
            return Ok(());
        }
        let deadline = Instant::now() + self.shared.rules.body_timeout;
        self.shared
            .peers()
            .enter(self.peer, Stage::Receiving(deadline));
        let read = self.read_body();
        let timed_out = self.shared.peers().timed_out(self.peer);
        self.shared.peers().enter(self.peer, Stage::Handling);
        read.map_err(|problem| Box::new(problem.response(&self.shared.rules, timed_out)))
    }

    fn respond(mut self: Box<Self>, response: Response, close: bool) -> bool {
        let Some(inner) = self.inner.take() else {
            return false;
        };
        if self.is_unread {
            self.answer_unread(inner, &response);
            return true;
        }
        let is_last = self.head.is_last;
        let close = close
            || is_last
            || !self.head.terms.keep_alive
            || self.shared.peers().must_close(self.peer);
        self.release_body();
        // Nothing of the body is left to read, so this does not wait.
        let writer = inner.into_writer();
        let mut answer = Answering {
            shared: &self.shared,
            peer: self.peer,
            writer: Some(writer),
            deadline: None,
        };
        // A client that is gone has its connection cut when the answer is dropped.
        match answer.write(&self.asked, response, close) {
            Ok(until_close) => {
                answer.finish(close || until_close, is_last);
                true
            }
            Err(error) => {
                answer.log_cut(self.head.request.route(), &error);
                false
            }
        }
    }

    /// Nothing is left to a later step.
    fn stream(self: Box<Self>) -> bool {
        false
    }
}

impl Drop for TinyExchange {
    /// A request that is dropped unanswered ends visibly; tiny_http by itself would answer it with an empty 500.
    fn drop(&mut self) {
        self.release_body();
        if let Some(inner) = self.inner.take() {
            self.shared
                .begin_close(LingeringClose::cut(self.peer, Hold::Request(inner)));
        }
    }
}

/// A response being written. Dropped before it is finished, be it by a panic in a streamed body's reader, it is cut.
struct Answering<'a> {
    shared: &'a Arc<Shared>,
    peer: SocketAddr,
    writer: Option<Box<dyn Write + Send>>,
    /// When the client should have taken what is being written, where that is much.
    deadline: Option<Instant>,
}

impl Answering<'_> {
    fn write(&mut self, asked: &Asked, response: Response, close: bool) -> std::io::Result<bool> {
        let (shared, peer) = (self.shared, self.peer);
        let Some(writer) = &mut self.writer else {
            return Ok(true);
        };
        answer::write(writer, asked, response, close, || {
            let deadline = Instant::now() + shared.rules.write_timeout;
            self.deadline = Some(deadline);
            shared.peers().enter(peer, Stage::Sending(deadline));
        })
    }

    /// Says that the response was cut: its access record tells only how it began.
    fn log_cut(&self, route: &str, reason: &io::Error) {
        let is_late = self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
            || matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let (level, reason): (_, &dyn Display) = match is_late {
            true => (Level::Info, &"its client took too long to read it"),
            false => (Level::Debug, reason),
        };
        log::log!(level, peer:% = self.peer, route = route, reason:% = reason; "response cut");
    }

    fn finish(mut self, close: bool, is_last: bool) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        if is_last {
            // tiny_http has stopped reading by itself; this was all it waited for to close the connection.
            drop(writer);
            self.shared.forget(self.peer);
        } else if close {
            self.shared
                .begin_close(LingeringClose::after_answer(self.peer, writer));
        } else {
            // Before the next request is let out: its writer waits for this one.
            drop(writer);
            self.shared.finish(self.peer);
        }
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.shared
                .begin_close(LingeringClose::cut(self.peer, Hold::Writer(writer)));
        }
    }
}
