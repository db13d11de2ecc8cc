//! What the worker pool asks of whatever speaks HTTP to the network: whole requests, and a way to answer each.
//!
//! Two engines stand behind [`Engine`]: [`native`], non-blocking sockets, and `tiny_http`, the plainest possible. The
//! pool lets one thread [`pull`](Engine::pull) from each reactor, and a second stand by there where the engine serves two;
//! whatever comes out is a [`Ready`], which any thread may answer. What both engines decide alike stands once: the rules
//! of HTTP in [`http1`], the configured bounds in [`rules`], the memory for bodies in [`memory`].

pub(crate) mod budget;
mod date;
mod discarded;
pub(crate) mod http1;
pub(crate) mod lifetime;
pub(crate) mod listen;
pub(crate) mod memory;
pub(crate) mod native;
pub(crate) mod occupancy;
pub(crate) mod outgoing;
mod pace;
pub(crate) mod places;
pub(crate) mod rules;
#[cfg(feature = "tiny_http")]
pub(crate) mod tiny_http;
pub(crate) mod underway;

use crate::{
    message::{request::Request, response::Response},
    spawn,
};
use occupancy::Occupancy;
use std::{
    mem::ManuallyDrop,
    net::SocketAddr,
    time::{Duration, Instant},
};
use underway::{Then, Underway};

/// Something a worker can do now.
pub(crate) enum Ready {
    /// A whole request that waits for its answer.
    Request(Box<dyn Exchange>),
    /// A streamed response whose client has room again: the next chunks are to be read from the handler's reader,
    /// which may block, and so is a worker's business.
    Stream(Box<dyn Exchange>),
    /// A piece of a body that flows, for its sink: [`Exchange::take_piece`].
    Piece(Box<dyn Exchange>),
    /// Something of the handler's that is not needed any more, such as the reader of a body whose client has left. It
    /// only has to be dropped, but its destructor may block, and so is a worker's business too.
    Discarded(Box<dyn Send>),
}

/// Drops what is left when all is cut off, on a thread of its own: a handler's destructors are in it, and the end waits
/// for none of them.
pub(crate) fn drop_apart(left: Vec<Ready>) {
    if left.is_empty() {
        return;
    }
    // Where there is no thread to be had, it is not dropped at all.
    let left = ManuallyDrop::new(left);
    let drop_them = move || drop(ManuallyDrop::into_inner(left));
    if let Err(error) = spawn::named("cut-off", drop_them) {
        log::warn!(reason:% = error; "the readers of streamed bodies are not dropped: there is no thread for it");
    }
}

/// Whether there will be more after this pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulled {
    Open,
    /// Every connection of the reactor is closed, and so is the listener for it; nothing will come any more.
    Closed,
}

/// What a deadline cut off beside what workers hold, for the drain report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Requests that had begun to arrive and were not whole yet.
    pub(crate) receiving: usize,
    /// The routes of uploads that were not whole yet.
    pub(crate) uploading: Vec<String>,
    /// The routes of responses that were not wholly sent yet.
    pub(crate) sending: Vec<String>,
}

/// A source of requests. Every method may be called from any thread.
pub(crate) trait Engine: Send + Sync {
    /// How many reactors there are, each with connections of its own that somebody has to pull from.
    fn reactors(&self) -> usize {
        1
    }

    /// Waits until something of this reactor's is ready, `until` has come, or [`wake`](Engine::wake) was called, and appends
    /// what is ready to `ready`. The pool sees to it that one thread at a time is in here for a reactor, or two where the
    /// engine [serves two](Engine::serves_two).
    fn pull(&self, reactor: usize, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled;

    /// Makes a [`pull`](Engine::pull) from this reactor that is in progress, or else the next one, return early.
    fn wake(&self, reactor: usize);

    /// Whether two threads may be in [`pull`](Engine::pull) for a reactor at a time. The second sleeps for as long as the
    /// first comes back in time for all that arrives.
    fn serves_two(&self) -> bool {
        false
    }

    /// Whether somebody waits in [`pull`](Engine::pull) for something of this reactor's to arrive. Only where it serves two.
    fn is_pull_waiting(&self, _reactor: usize) -> bool {
        false
    }

    /// Ends the wait of somebody who is in [`pull`](Engine::pull) for this reactor then, after so long at the latest. Only
    /// where it serves two.
    fn wake_within(&self, _reactor: usize, _: Duration) {}

    /// The address that was bound, with the port that the system picked where `PORT=0`.
    fn local_addr(&self) -> SocketAddr;

    /// Accepts what is in the listener's backlog, closes the listener, and closes idle connections. Connections
    /// with a request in flight end with their response. Returns at once; `pull` does the work.
    fn stop_accepting(&self);

    /// From now on so many connections may be open, and so many bytes are for bodies and unsent responses. Nothing that
    /// is there is ended for it: what is above a bound is not replaced.
    fn resize(&self, max_connections: usize, buffer_memory: usize);

    /// How many responses were sent to their end by [`pull`](Engine::pull), after [`Exchange::respond`] had left them to
    /// it because their clients took them slowly.
    fn sent_later(&self) -> u64;

    /// What there is, for who scrapes. Takes milliseconds at most.
    fn occupancy(&self) -> Occupancy;

    /// Closes every connection that no handler holds, whatever its state, and says what that cut off. A connection
    /// whose handler still runs is closed when the handler returns, or when the process ends.
    fn cut(&self) -> Cut;
}

/// Called when a client has gone, where sockets are driven: it must not wait, nor run anything of a handler's, be it a
/// destructor. What it returns is dropped where a handler may run.
pub(crate) type OnGone = Box<dyn FnOnce() -> Option<Box<dyn Send>> + Send>;

/// One request and the way back to its client.
pub(crate) trait Exchange: Send {
    fn request(&mut self) -> &mut Request;

    /// Whether there is memory for a response. Where there is none, no handler is begun.
    fn has_room_for_response(&self) -> bool {
        true
    }

    /// Gives the request back, for want of memory for its response: an engine that can make room hands it out again,
    /// and its client is told 503 where that was to no avail.
    fn put_back(self: Box<Self>) {
        self.respond(Response::unavailable("overloaded"), false);
    }

    /// True where the connection was let in beyond `MAX_CONNECTIONS`, so that a probe could still be answered:
    /// everything else is told 503.
    fn is_reserve(&self) -> bool {
        false
    }

    /// Whether the client has reset the connection, and so takes no answer. One that has only said that it sends no more
    /// may still wait for its answer.
    fn is_reset(&self) -> bool {
        false
    }

    /// Whether the request's body is still to come, for a handler that takes it as it does.
    fn awaits_body(&self) -> bool {
        false
    }

    /// Lets the body come: each piece is a [`Ready::Piece`] then.
    fn let_body_come(self: Box<Self>, _: Box<Underway>) {}

    /// For what came as [`Ready::Piece`], which is the request's body until the next call: what takes it, and what comes
    /// then.
    fn take_piece(&mut self) -> Option<(Box<Underway>, Then)> {
        None
    }

    /// Lets the next piece come.
    fn let_more_come(self: Box<Self>, _: Box<Underway>) {}

    /// No more of the body is taken: the request is what it was before, with a body that counts and is not there.
    fn end_body(&mut self) {}

    /// Has `on_gone` called once the client is known to have gone, unless the request is answered before. True where it has
    /// gone already: then it is not called. An engine that cannot tell never calls it.
    fn watch_client(&mut self, _on_gone: OnGone) -> bool {
        false
    }

    /// Ends it unanswered, since its client has gone: for where sockets are driven. What is left of the request is dropped
    /// where a handler may run. Only for an engine that can [tell](Exchange::watch_client).
    fn abandon(self: Box<Self>) -> Option<Box<dyn Send>> {
        None
    }

    /// Writes the response, or what fits of it now; the engine finishes the rest. With `close`, the connection ends
    /// after it. A streamed body is read on this thread. True where all of it is sent.
    fn respond(self: Box<Self>, response: Response, close: bool) -> bool;

    /// Goes on with a streamed response: for what came as [`Ready::Stream`]. True where all of it is sent.
    fn stream(self: Box<Self>) -> bool;
}
