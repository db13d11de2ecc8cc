//! Pages and actions that a service has added to the admin port.
//!
//! They may block, so they run on a thread of their own, `admin-pages`, and the probes on the admin port never wait for
//! them. One runs at a time.

use crate::{
    engine::{Exchange, Ready},
    message::{request::Request, response::Response},
    routing::application::Application,
};
use crossbeam_channel::{Receiver, Sender};
use http::{HeaderValue, header};
use std::{io, sync::Arc, thread};

/// How many may wait for the one that runs; whoever comes then is told 503.
const MOST_WAITING: usize = 16;

/// A service's own pages and actions.
pub(crate) struct OwnPages {
    pub(crate) application: Box<dyn Application>,
    /// Where the pages are that stand at one path each.
    pub(crate) paths: Vec<String>,
}

/// The thread that runs them. It ends once this is dropped and it has done what it was given.
pub(super) struct Runner(Sender<Ready>);

impl OwnPages {
    /// Starts their thread.
    ///
    /// # Errors
    /// Where it cannot be had.
    pub(super) fn start(self: &Arc<OwnPages>) -> io::Result<Runner> {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let pages = Arc::clone(self);
        thread::Builder::new()
            .name("admin-pages".to_owned())
            .spawn(move || pages.run(&receiver))?;
        Ok(Runner(sender))
    }

    fn run(&self, jobs: &Receiver<Ready>) {
        for job in jobs {
            match job {
                Ready::Request(mut exchange) => {
                    let answer = self.application.run(exchange.request());
                    exchange.respond(guarded(answer), false);
                }
                Ready::Stream(exchange) => {
                    exchange.stream();
                }
                Ready::Discarded(what) => drop(what),
            }
        }
    }

    /// Whether one of them is at the request's path, which then knows its route.
    pub(super) fn find(&self, request: &mut Request) -> bool {
        self.application.find(request);
        request.route.is_some()
    }
}

impl Runner {
    /// Has a request run that has been through [`OwnPages::find`].
    pub(super) fn give(&self, exchange: Box<dyn Exchange>) {
        if self.0.len() < MOST_WAITING {
            self.go_on(Ready::Request(exchange));
        } else {
            let busy = Response::unavailable("too many wait for this service's own pages\n");
            exchange.respond(busy, false);
        }
    }

    /// Has it do what is left of an answer: a stream that goes on, a reader that is to be dropped. The port's connections
    /// bound how many there are.
    pub(super) fn go_on(&self, ready: Ready) {
        // The thread is there for as long as this is: what runs on it is caught where it panics.
        let _ = self.0.send(ready);
    }
}

/// Where the service has said nothing else, what a page of this port is allowed.
fn guarded(mut response: Response) -> Response {
    for (name, value) in [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
    ] {
        response.headers.entry(name).or_insert(value);
    }
    response
}
