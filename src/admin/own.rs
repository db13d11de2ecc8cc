//! Pages and actions that a service has added to the admin port.
//!
//! They may block, so they run on a thread of their own, `admin-pages`, and the probes on the admin port never wait for
//! them. One runs at a time.

use crate::{
    engine::{Exchange, Ready},
    message::{request::Request, response::Response},
    routing::application::Application,
};
use http::{HeaderValue, header};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// How many may wait for the one that runs; whoever comes then is told 503.
const MOST_WAITING: usize = 16;

/// A service's own pages and actions.
pub(crate) struct OwnPages {
    pub(crate) application: Box<dyn Application>,
    /// Where the pages are that stand at one path each.
    pub(crate) paths: Vec<String>,
}

/// Has a thread run them, which ends once this is dropped and it has done what it was given.
pub(super) struct Runner(pub(super) Arc<Jobs>);

/// What is to be done, in its order.
#[derive(Default)]
pub(super) struct Jobs {
    waiting: Mutex<Waiting>,
    come: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Ready>,
    no_more: bool,
}

impl OwnPages {
    /// The life of the thread: runs what the runner is given, until it is dropped.
    pub(super) fn run(&self, jobs: &Jobs) {
        while let Some(job) = jobs.next() {
            match job {
                Ready::Request(mut exchange) => {
                    let answer = self.application.run(exchange.request());
                    exchange.respond(guarded(answer), false);
                }
                Ready::Stream(exchange) => {
                    exchange.stream();
                }
                Ready::Piece(exchange) => drop(exchange),
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
        if self.0.lock().jobs.len() < MOST_WAITING {
            self.go_on(Ready::Request(exchange));
        } else {
            let busy = Response::unavailable("too many wait for this service's own pages\n");
            exchange.respond(busy, false);
        }
    }

    /// Has it do what is left of an answer: a stream that goes on, a reader that is to be dropped. The port's connections
    /// bound how many there are.
    pub(super) fn go_on(&self, ready: Ready) {
        self.0.lock().jobs.push_back(ready);
        self.0.come.notify_one();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.0.lock().no_more = true;
        self.0.come.notify_one();
    }
}

impl Jobs {
    /// Waits for one; `None` once there will be no more.
    fn next(&self) -> Option<Ready> {
        let nothing = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.no_more;
        let waiting = self.come.wait_while(self.lock(), nothing);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.jobs.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
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
