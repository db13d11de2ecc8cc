//! The engine on the `tiny_http` crate: the plainest possible.
//!
//! What the crate does by itself cannot be mended from here:
//!
//! - Versions above 1.1: 1.2 to 1.9 are told 400; for 2.0 and 3.0 a thread waits for ever, with two descriptors.
//! - It takes malformed heads: white space before the first field or behind the version; control bytes, a plus or a
//!   malformed extension in a chunk's size. It refuses an empty line before the request, bytes above ASCII in a value,
//!   and trailers, which are no faults.
//! - Its `100 Continue` has a `Content-Length`, and an offer to upgrade ends the connection.
//! - It takes the end of a connection for the end of its chunks, so those of a client that sends no more are refused.
//! - It reads heads, and requests behind the one in flight, without end: time ends them, without a 414 or 431.
//! - Its writes have the `WRITE_TIMEOUT` of the start: a live one can be shortened, and lengthened up to that.
//! - It has a thread for each connection, and closes or leaves newcomers without one.
//!
//! `tests/it/exceptions.rs` names the tests that it therefore does not pass.

mod acceptor;
mod answer;
mod body;
mod doorbell;
mod duplicate;
mod exchange;
mod head;
mod lingering;
mod peer;
mod peers;
mod shared;
mod sock_diag;
mod sockets;
mod waiting;
mod watchdog;

#[cfg(test)]
mod tests;

use super::{
    Cut, Engine, Pulled, Ready,
    listen::canonical_peer,
    occupancy::Occupancy,
    rules::{Policy, Rules},
};
use crate::{config::table::Config, observe::logging, spawn};
use acceptor::Acceptor;
use crossbeam_channel::unbounded;
use exchange::TinyExchange;
use peer::Turn;
use peers::{News, Peers};
use shared::{Note, Released, Shared};
use socket2::SockRef;
use sockets::without_scope;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    time::{Duration, Instant},
};
use tiny_http::Request as Inner;
use watchdog::Watchdog;

/// How many requests one pull takes at most, so that what it took is dealt with before long.
const MOST_PULLED: usize = 64;

/// How many requests are taken out of tiny_http in one pull at most, those included that wait or are dropped: somebody
/// may send them faster than they are taken.
const MOST_TAKEN: usize = 1024;

/// How often the queues of retired servers are looked at, where there are any.
const RETIRED_INTERVAL: Duration = Duration::from_millis(10);

/// Starts to accept connections from `listener`.
///
/// # Errors
/// Where the listener's options cannot be set, or a thread cannot be started.
pub(crate) fn start(
    listener: TcpListener,
    config: &Config,
    policy: Policy,
) -> io::Result<Box<dyn Engine>> {
    // What is worth knowing of its acceptor the watchdog says; what it says itself is an error at the end of every drain.
    logging::mute("tiny_http");
    // Accepted sockets inherit it on Linux: it bounds every blocking write of tiny_http's.
    SockRef::from(&listener).set_write_timeout(Some(config.write_timeout))?;
    let address = listener.local_addr()?;
    let (notes, inbox) = unbounded();
    let acceptor = Acceptor::start(listener)?;
    let rules = Rules::of(config, policy, 1);
    let peers = Peers::new(&rules);
    let shared = Arc::new(Shared::new(address, acceptor, peers, notes, rules));
    let watchdog = Watchdog::new(Arc::clone(&shared), inbox);
    spawn::named("tiny-http-watch", move || watchdog.run())?;
    Ok(Box::new(TinyHttp { shared }))
}

struct TinyHttp {
    shared: Arc<Shared>,
}

impl Engine for TinyHttp {
    fn pull(&self, _: usize, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        let before = ready.len();
        self.take_released(ready);
        if ready.len() == before && !self.shared.closed.load(SeqCst) {
            self.wait(until, ready);
        }
        self.take_waiting(ready);
        if self.shared.closed.load(SeqCst) {
            Pulled::Closed
        } else {
            Pulled::Open
        }
    }

    fn wake(&self, _: usize) {
        self.shared.wake();
    }

    fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    fn stop_accepting(&self) {
        self.shared.stopping.store(true, SeqCst);
        self.shared.tell(Note::Stop);
    }

    fn resize(&self, max_connections: usize, buffer_memory: usize) {
        self.shared.rules.resize(max_connections, buffer_memory);
        // Who comes from now on is counted against the new bound, and not who came since the last look.
        self.shared.tell(Note::News);
    }

    fn sent_later(&self) -> u64 {
        self.shared.sent_later.load(Relaxed)
    }

    fn occupancy(&self) -> Occupancy {
        let connections = self.shared.peers().count();
        self.shared.rules.occupancy(connections)
    }

    fn cut(&self) -> Cut {
        self.shared.cut()
    }
}

impl Drop for TinyHttp {
    fn drop(&mut self) {
        self.shared.cut();
        self.shared.tell(Note::End);
    }
}

impl TinyHttp {
    /// Waits for the next request.
    fn wait(&self, until: Option<Instant>, ready: &mut Vec<Ready>) {
        let (server, has_retired) = self.shared.current();
        let retired_at = has_retired.then(|| Instant::now() + RETIRED_INTERVAL);
        let deadline = match (until, retired_at) {
            (Some(until), Some(retired)) => Some(until.min(retired)),
            (until, retired) => until.or(retired),
        };
        let received = match deadline {
            Some(deadline) => {
                server.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => server.recv().map(Some),
        };
        self.receive(received, ready);
    }

    /// Takes what else has come, without waiting.
    fn take_waiting(&self, ready: &mut Vec<Ready>) {
        let (current, _) = self.shared.current();
        let retired = self.shared.acceptor().retired.clone();
        let mut taken = 0;
        for server in retired.iter().chain([&current]) {
            while ready.len() < MOST_PULLED
                && taken < MOST_TAKEN
                && self.receive(server.try_recv(), ready)
            {
                taken += 1;
            }
        }
        self.take_released(ready);
    }

    fn take_released(&self, ready: &mut Vec<Ready>) {
        while ready.len() < MOST_PULLED
            && let Ok(released) = self.shared.released.1.try_recv()
        {
            match released {
                Released::Turn(peer, request) => self.hand_out(peer, request, ready),
                Released::Whole(exchange) => ready.push(Ready::Request(exchange)),
            }
        }
    }

    /// Deals with what came out of a server's queue; false where that was nothing.
    fn receive(&self, received: io::Result<Option<Inner>>, ready: &mut Vec<Ready>) -> bool {
        match received {
            Ok(Some(request)) => self.arrive(request, ready),
            Ok(None) => return false,
            // Without a number it is no error of the system's, but a call of `unblock`.
            Err(error) if error.raw_os_error().is_none() => return false,
            // Every microsecond in which nobody accepts, more may arrive that can only be reset.
            Err(_) if self.shared.stopping.load(SeqCst) => self.shared.acceptor().close(),
            Err(error) => self.shared.tell(Note::AcceptorDied(error)),
        }
        true
    }

    /// Hands a request out if it is its connection's turn.
    fn arrive(&self, request: Inner, ready: &mut Vec<Ready>) {
        // Every TCP connection has had a peer.
        let Some(peer) = request.remote_addr().copied().map(without_scope) else {
            return;
        };
        let sockets = &self.shared.sockets;
        let socket = |hint| {
            let found = sockets.find(peer, hint);
            found.and_then(|fd| sockets.identity(fd, peer))
        };
        let (turn, news) = self.shared.peers().arrive(peer, request, socket);
        match news {
            Some(News::Connection) if !self.shared.news.swap(true, SeqCst) => {
                self.shared.tell(Note::News);
            }
            Some(News::Pipeline) => self.shared.tell(Note::Pipeline),
            _ => {}
        }
        match turn {
            Turn::Now(request) => self.hand_out(peer, request, ready),
            Turn::Waits => {}
            Turn::Never(request) => {
                log::debug!(peer:% = canonical_peer(peer); "a request behind the end of its connection was dropped");
                self.shared.choke(peer);
                self.shared.drop_unanswered(peer, request);
            }
        }
    }

    /// Hands a request out, or has its body read first.
    fn hand_out(&self, peer: SocketAddr, request: Inner, ready: &mut Vec<Ready>) {
        match head::read(&request, peer, &self.shared.rules) {
            Err(refusal) => self.shared.refuse(peer, request, refusal),
            Ok(head) => {
                let is_reserve = self.shared.peers().is_reserve(peer);
                let exchange = TinyExchange::new(&self.shared, peer, request, head, is_reserve);
                let exchange = Box::new(exchange);
                if exchange.has_to_wait() {
                    exchange.receive_apart();
                } else if let Some(whole) = exchange.receive() {
                    ready.push(Ready::Request(whole));
                }
            }
        }
    }
}
