//! The admin port: probes on a listener and a thread of their own, up to the very end of a drain.

use crate::{
    engine::{Engine, Pulled, Ready},
    message::into_response::IntoResponse,
    pool::dispatcher::Dispatcher,
};
use http::StatusCode;
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
    pub(crate) fn start(dispatcher: Arc<Dispatcher>, engine: Box<dyn Engine>) -> io::Result<Admin> {
        let engine: Arc<dyn Engine> = Arc::from(engine);
        let pulled = Arc::clone(&engine);
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || serve(&dispatcher, &*pulled))?;
        Ok(Admin {
            engine,
            thread: Some(thread),
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.engine.local_addr()
    }
}

fn serve(dispatcher: &Dispatcher, engine: &dyn Engine) {
    let mut ready = Vec::new();
    while engine.pull(None, &mut ready) == Pulled::Open {
        for one in ready.drain(..) {
            match one {
                Ready::Request(mut exchange) => {
                    let answer = dispatcher.answer_probe(exchange.request());
                    exchange.respond(
                        answer.unwrap_or_else(|| StatusCode::NOT_FOUND.into_response()),
                        false,
                    );
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
