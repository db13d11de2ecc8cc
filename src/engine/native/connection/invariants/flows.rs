//! Bodies that flow, in a run of one connection.

use super::{Owner, Play, Rig, answers::answer, rig::run_handlers_own};
use crate::{
    engine::{
        rules::{BodyLimits, Policy, RouteBody},
        underway::{PIECE, Then, Underway},
    },
    message::{
        body::Body,
        error::Error,
        pending::Pending,
        request::Request,
        response::Response,
        upload::sink::{BodySink, Upload},
    },
};
use http::{Method, StatusCode};
use std::{sync::Arc, time::Instant};

/// Bodies flow that are sent to `/flow`.
pub(crate) fn policy() -> Policy {
    Policy {
        body_limits: Some(Arc::new(Flows)),
        ..Policy::default()
    }
}

struct Flows;

impl BodyLimits for Flows {
    fn of(&self, _: &Method, path: &str) -> RouteBody {
        RouteBody {
            limit: None,
            flows: path == "/flow",
        }
    }

    fn largest(&self) -> u64 {
        0
    }
}

/// A handler's own.
struct Handlers;

impl BodySink for Handlers {
    fn write(&mut self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
        Ok(Response::new(StatusCode::OK))
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        run_handlers_own();
    }
}

/// An upload that its handler has taken.
pub(crate) fn begun(now: Instant) -> Box<Underway> {
    let mut response = Response::new(StatusCode::OK);
    response.body = Body::Pending(Pending::new(Upload::new(Handlers)));
    let underway = Underway::begun(response, now, Box::new(()));
    underway.expect("it has begun")
}

impl Rig {
    /// A worker has run a handler that takes the body.
    pub(crate) fn let_body_come(&mut self) {
        assert_eq!(self.owner, Owner::Handler, "a request is out");
        self.connection
            .let_body_come(begun(self.now), self.now, &self.rules);
        self.come_home();
    }

    /// A worker has a piece.
    pub(crate) fn take_piece(&mut self) -> (Box<Underway>, Then, Vec<u8>) {
        assert_eq!(self.owner, Owner::Taker, "a piece is out");
        let (underway, then) = self.connection.take_piece().expect("there is one");
        let piece = self.connection.request().body().to_vec();
        assert!(piece.len() <= PIECE, "{} bytes at once", piece.len());
        assert!(
            then != Then::More || !piece.is_empty(),
            "handed out for nothing"
        );
        (underway, then, piece)
    }

    /// A worker is to answer.
    pub(crate) fn end_flow(&mut self) {
        self.connection.end_flow();
        self.owner = Owner::Handler;
    }

    /// A worker is done with its piece.
    pub(crate) fn let_more_come(&mut self, underway: Box<Underway>) {
        self.connection
            .let_more_come(underway, self.now, &self.rules);
        self.come_home();
    }
}

impl Play {
    /// Where a body waits for a yes, mostly says it. True where it has.
    pub(super) fn lets_body_come(&mut self, kind: usize) -> bool {
        if !self.rig.connection.awaits_body() {
            return false;
        }
        self.is_unfinished = true;
        let says_yes = !kind.is_multiple_of(5);
        if says_yes {
            self.rig.let_body_come();
        }
        says_yes
    }

    /// A worker has the sink take a piece.
    pub(super) fn take_piece(&mut self, kind: usize) {
        let (underway, then, piece) = self.rig.take_piece();
        match then {
            Then::Refuse(refusal) => {
                drop(underway);
                self.rig.end_flow();
                self.rig.respond(refusal.response(), false);
                return;
            }
            Then::More | Then::Finish => {
                let (.., body) = self.requests.last_mut().expect("it has come out");
                body.extend(piece);
            }
        }
        let fails = kind % 7 == 1;
        if then == Then::More && !fails {
            self.rig.let_more_come(underway);
            return;
        }
        drop(underway);
        self.rig.end_flow();
        self.is_unfinished = then == Then::More;
        let (response, answer) = answer(kind / 2);
        self.answers.push(answer);
        self.rig.respond(response, false);
    }
}
