//! What the pool may ask of a connection that is leased to it.

use super::{Lease, Shared, Stage};
use crate::{
    engine::{
        Exchange, OnGone,
        native::socket,
        underway::{Then, Underway},
    },
    message::{pushed::outlet::Outlet, request::Request, response::Response},
};
use std::{sync::Arc, time::Instant};

impl Lease {
    /// For a body that may have nothing to send at times.
    fn outlet(&self, response: &Response) -> Option<Arc<dyn Outlet>> {
        response.body.as_bytes().is_none().then(|| {
            let (shared, place) = (Arc::clone(&self.shared), self.place);
            Arc::new(PlaceOutlet { shared, place }) as Arc<dyn Outlet>
        })
    }
}

/// The place of a response that is pushed. Told of too late, when another has the place, it does that one no harm.
struct PlaceOutlet {
    shared: Arc<Shared>,
    place: usize,
}

impl Outlet for PlaceOutlet {
    fn notify(&self) {
        self.shared.tell_news(self.place);
    }

    fn is_closing(&self) -> bool {
        self.shared.stage() != Stage::Open
    }

    fn charge(&self, charged: &mut usize, holds: usize) -> bool {
        self.shared
            .rules
            .memory
            .responses
            .try_settle(charged, holds)
    }
}

impl Exchange for Lease {
    fn request(&mut self) -> &mut Request {
        self.connection.request()
    }

    fn is_reserve(&self) -> bool {
        self.connection.is_reserve
    }

    fn has_room_for_response(&self) -> bool {
        !self.shared.rules.memory.responses.is_used_up()
    }

    fn watch_client(&mut self, on_gone: OnGone) -> bool {
        self.is_watched = true;
        let mut watched = self.shared.watched();
        let places = watched.len().max(self.place + 1);
        watched.resize_with(places, || None);
        watched[self.place] = Some(on_gone);
        drop(watched);
        // The reactor may have been told of it before.
        socket::has_left(self.connection.socket()) && self.end_watch().is_some()
    }

    fn abandon(mut self: Box<Self>) -> Option<Box<dyn Send>> {
        let request = self.connection.take_request();
        request.map(|request| request as Box<dyn Send>)
    }

    fn is_reset(&self) -> bool {
        socket::is_reset(self.connection.socket())
    }

    fn put_back(self: Box<Self>) {
        let shared = Arc::clone(&self.shared);
        shared.give_back(self);
    }

    fn awaits_body(&self) -> bool {
        self.connection.awaits_body()
    }

    fn let_body_come(mut self: Box<Self>, underway: Box<Underway>) {
        let shared = Arc::clone(&self.shared);
        self.connection
            .let_body_come(underway, Instant::now(), &shared.rules);
        shared.give_back(self);
    }

    fn take_piece(&mut self) -> Option<(Box<Underway>, Then)> {
        self.connection.take_piece()
    }

    fn let_more_come(mut self: Box<Self>, underway: Box<Underway>) {
        let shared = Arc::clone(&self.shared);
        self.connection
            .let_more_come(underway, Instant::now(), &shared.rules);
        shared.give_back(self);
    }

    fn end_body(&mut self) {
        self.connection.end_flow();
    }

    fn respond(mut self: Box<Self>, response: Response, close: bool) -> bool {
        let shared = Arc::clone(&self.shared);
        let outlet = self.outlet(&response);
        self.connection
            .respond(response, close, Instant::now(), &shared.rules, outlet);
        let is_sent = self.connection.take_answered();
        shared.give_back(self);
        is_sent
    }

    fn stream(mut self: Box<Self>) -> bool {
        let shared = Arc::clone(&self.shared);
        self.connection.pump(Instant::now(), &shared.rules);
        let is_sent = self.connection.take_answered();
        shared.give_back(self);
        is_sent
    }
}
