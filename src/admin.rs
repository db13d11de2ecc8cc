//! The admin port: probes, `/metrics` and `/flagz` on a listener and a thread of their own, up to the very end of a drain.

pub(crate) mod flagz;

use crate::{
    engine::{Engine, Pulled, Ready},
    lifecycle::flags::Flags,
    message::{into_response::IntoResponse, request::Request, response::Response},
    observe::metrics,
    pool::dispatcher::Dispatcher,
};
use http::{HeaderValue, Method, StatusCode, header};
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// The running admin port. Dropped, it is closed.
pub(crate) struct Admin {
    engine: Arc<dyn Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(crate) fn start(
        dispatcher: Arc<Dispatcher>,
        engine: Box<dyn Engine>,
        flags: Arc<Flags>,
    ) -> io::Result<Admin> {
        let engine: Arc<dyn Engine> = Arc::from(engine);
        let pulled = Arc::clone(&engine);
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || serve(&dispatcher, &*pulled, &flags))?;
        Ok(Admin {
            engine,
            thread: Some(thread),
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.engine.local_addr()
    }
}

fn answer(dispatcher: &Dispatcher, request: &Request, flags: &Flags) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match request.path() {
        "/flagz" if is_read => flagz::answer(request, dispatcher.name, flags),
        "/flagz" => StatusCode::METHOD_NOT_ALLOWED
            .into_response()
            .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
        metrics::PATH => dispatcher.metrics.answer(request),
        _ => dispatcher
            .answer_probe(request)
            .unwrap_or_else(|| StatusCode::NOT_FOUND.into_response()),
    }
}

fn serve(dispatcher: &Dispatcher, engine: &dyn Engine, flags: &Flags) {
    let mut ready = Vec::new();
    while engine.pull(None, &mut ready) == Pulled::Open {
        for one in ready.drain(..) {
            match one {
                Ready::Request(mut exchange) => {
                    let answer = answer(dispatcher, exchange.request(), flags);
                    exchange.respond(answer, false);
                }
                Ready::Stream(exchange) => {
                    exchange.stream();
                }
                Ready::Discarded(what) => drop(what),
            }
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.engine.stop_accepting();
        self.engine.cut();
        self.engine.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
