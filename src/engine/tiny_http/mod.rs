//! The engine on the `tiny_http` crate: the plainest possible.

mod acceptor;
mod answer;
mod body;
mod exchange;
mod head;
mod lingering;
mod peer;
mod peers;
mod shared;
mod sockets;
mod watchdog;

#[cfg(test)]
mod tests;

use super::{
    Cut, Engine, Pulled, Ready,
    listen::canonical_peer,
    rules::{Policy, Rules},
};
use crate::{config::table::Config, message::head::Version};
use acceptor::Acceptor;
use answer::Asked;
use crossbeam_channel::unbounded;
use exchange::TinyExchange;
use lingering::LingeringClose;
use peer::Turn;
use shared::{Note, Shared};
use socket2::SockRef;
use sockets::without_scope;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};
use tiny_http::Request as Inner;
use watchdog::Watchdog;

/// How many requests one pull takes at most, so that what it took is dealt with before long.
const MOST_PULLED: usize = 64;

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
    // Accepted sockets inherit it on Linux: it bounds every blocking write of tiny_http's.
    SockRef::from(&listener).set_write_timeout(Some(config.write_timeout))?;
    let address = listener.local_addr()?;
    let (notes, inbox) = unbounded();
    let acceptor = Acceptor::start(listener)?;
    let shared = Arc::new(Shared::new(
        address,
        acceptor,
        notes,
        Rules::of(config, policy),
    ));
    let watchdog = Watchdog::new(Arc::clone(&shared), inbox);
    thread::Builder::new()
        .name("tiny-http-watch".to_owned())
        .spawn(move || watchdog.run())?;
    Ok(Box::new(TinyHttp { shared }))
}

struct TinyHttp {
    shared: Arc<Shared>,
}

impl Engine for TinyHttp {
    fn pull(&self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
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

    fn wake(&self) {
        self.shared.wake();
    }

    fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    fn stop_accepting(&self) {
        self.shared.stopping.store(true, SeqCst);
        self.shared.tell(Note::Stop);
    }

    fn sent_later(&self) -> u64 {
        0
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
        for server in retired.iter().chain([&current]) {
            while ready.len() < MOST_PULLED && self.receive(server.try_recv(), ready) {}
        }
        self.take_released(ready);
    }

    fn take_released(&self, ready: &mut Vec<Ready>) {
        while ready.len() < MOST_PULLED
            && let Ok((peer, request)) = self.shared.released.1.try_recv()
        {
            self.hand_out(peer, request, ready);
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
        let socket = || {
            sockets
                .find(peer, None)
                .and_then(|fd| sockets.identity(fd, peer))
        };
        let (turn, is_news) = self.shared.peers().arrive(peer, request, socket);
        if is_news && !self.shared.news.swap(true, SeqCst) {
            self.shared.tell(Note::News);
        }
        match turn {
            Turn::Now(request) => self.hand_out(peer, request, ready),
            Turn::Waits => {}
            Turn::Never(request) => {
                log::debug!(peer:% = canonical_peer(peer); "a request behind the end of its connection was dropped");
                self.shared.drop_unanswered(peer, request);
            }
        }
    }

    fn hand_out(&self, peer: SocketAddr, request: Inner, ready: &mut Vec<Ready>) {
        match head::read(&request, peer, &self.shared.rules) {
            Ok(head) => ready.push(Ready::Request(Box::new(TinyExchange::new(
                &self.shared,
                peer,
                request,
                head,
            )))),
            Err(refusal) => {
                log::debug!(peer:% = canonical_peer(peer), reason = refusal.reason; "request refused");
                let asked = Asked {
                    method: head::method(&request).unwrap_or_default(),
                    version: Version::Http11,
                };
                let last_bytes = answer::message(&asked, &self.shared.rules.refused(refusal), true);
                self.shared.begin_close(LingeringClose::instead_of_reading(
                    peer, request, last_bytes,
                ));
            }
        }
    }
}
