//! One request out of tiny_http, its body, and the way back.

use super::{
    answer::Answer,
    body::{Arriving, Problem},
    doorbell::Doorbell,
    head::Head,
    lingering::{Hold, LingeringClose},
    peer::Stage,
    shared::{Released, Shared},
};
use crate::{
    engine::{Exchange, occupancy::Closed, outgoing::Outgoing},
    message::{
        head::{BodyLength, Version},
        pushed::outlet::Outlet,
        refusal::Refusal,
        request::{Request, RequestBody},
        response::Response,
    },
};
use http::Method;
use std::{net::SocketAddr, sync::Arc, time::Instant};
use tiny_http::Request as Inner;

pub(super) struct TinyExchange {
    shared: Arc<Shared>,
    peer: SocketAddr,
    /// None once it is answered.
    inner: Option<Inner>,
    head: Head,
    /// Of the request, for its answer: a layer may do what it likes to the request itself.
    method: Method,
    version: Version,
    is_reserve: bool,
    /// What this request is charged for of `BUFFER_MEMORY`.
    charged: usize,
}

impl TinyExchange {
    pub(super) fn new(
        shared: &Arc<Shared>,
        peer: SocketAddr,
        inner: Inner,
        head: Head,
        is_reserve: bool,
    ) -> TinyExchange {
        TinyExchange {
            shared: Arc::clone(shared),
            peer,
            inner: Some(inner),
            method: head.request.method().clone(),
            version: head.request.head.version,
            head,
            is_reserve,
            charged: 0,
        }
    }

    /// Whether reading its body may mean to wait for the client.
    pub(super) fn has_to_wait(&self) -> bool {
        self.head.terms.body != BodyLength::Known(0) && !self.head.is_body_at_hand
    }

    /// Reads the body, for as long as that takes. `None` where it could not be had: the client is told why.
    pub(super) fn receive(mut self: Box<Self>) -> Option<Box<Self>> {
        if self.has_to_wait() {
            let deadline = Instant::now() + self.shared.rules.live.body_timeout.get();
            let stage = Stage::Receiving(deadline);
            self.shared.peers().enter(self.peer, stage);
        }
        match self.read_body() {
            Ok(()) => {
                self.shared.peers().complete(self.peer);
                Some(self)
            }
            Err(problem) => {
                let ended = self.shared.peers().why_body_ended(self.peer);
                self.refuse(problem.refusal(ended));
                None
            }
        }
    }

    /// The same on a thread that may wait; the next pull hands the request out.
    pub(super) fn receive_apart(self: Box<Self>) {
        let shared = Arc::clone(&self.shared);
        let receive = move || {
            let shared = Arc::clone(&self.shared);
            if let Some(whole) = self.receive() {
                shared.release(Released::Whole(whole));
            }
        };
        if let Err(error) = shared.waiting.run(receive) {
            // The request was dropped with it, and its connection is cut.
            log::warn!(reason:% = error; "no thread to read a body on");
        }
    }

    fn read_body(&mut self) -> Result<(), Problem> {
        let (Some(inner), true) = (
            &mut self.inner,
            self.head.terms.body != BodyLength::Known(0),
        ) else {
            return Ok(());
        };
        let arriving = Arriving {
            may_wait: !self.head.is_body_at_hand,
            shared: &self.shared,
            peer: self.peer,
            charged: &mut self.charged,
            body: Vec::new(),
        };
        let body = arriving.read(inner, &self.head)?;
        self.head.request.body = RequestBody::Own(body);
        Ok(())
    }

    fn refuse(mut self: Box<Self>, refusal: Refusal) {
        if let Some(inner) = self.inner.take() {
            self.shared.refuse(self.peer, inner, refusal);
        }
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
}

impl Exchange for TinyExchange {
    fn request(&mut self) -> &mut Request {
        &mut self.head.request
    }

    fn is_reserve(&self) -> bool {
        self.is_reserve
    }

    fn has_room_for_response(&self) -> bool {
        !self.shared.rules.memory.responses.is_used_up()
    }

    fn is_reset(&self) -> bool {
        self.shared.is_gone(self.peer)
    }

    fn respond(mut self: Box<Self>, response: Response, close: bool) -> bool {
        let Some(inner) = self.inner.take() else {
            return false;
        };
        let close = close
            || self.head.is_last
            || !self.head.terms.keep_alive
            || self.shared.peers().ends_with(self.peer, &self.shared.rules);
        let is_streamed = response.body.as_bytes().is_none();
        let doorbell = is_streamed.then(|| Doorbell::new(&self.shared));
        let outlet = doorbell.clone().map(|doorbell| doorbell as Arc<dyn Outlet>);
        let outgoing = Outgoing::new(
            self.method == Method::HEAD,
            self.version,
            response,
            close,
            Instant::now(),
            outlet,
        );
        self.release_body();
        let answer = Answer {
            shared: Arc::clone(&self.shared),
            peer: self.peer,
            // Nothing of the body is left to read, so this does not wait.
            writer: Some(inner.into_writer()),
            close: close || outgoing.ends_with_connection,
            is_last: self.head.is_last,
            outgoing,
            doorbell,
            awaits_more: false,
            charged: 0,
            deadline: None,
            cut_for: Closed::Client,
        };
        answer.send(|| self.head.request.route().to_owned())
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
            let close = LingeringClose::cut(self.peer, Hold::Request(inner));
            self.shared.begin_close(close, Closed::Failed);
        }
    }
}
