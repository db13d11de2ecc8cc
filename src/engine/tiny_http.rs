//! The engine on the `tiny_http` crate: the plainest possible.

mod acceptor;
mod answer;
mod body;
mod exchange;
mod farewell;
mod head;
mod peer;
mod peers;
mod sockets;
mod watch;

#[cfg(test)]
mod tests;

use super::{Cut, Engine, Pulled, Ready, listen, memory::Memory};
use crate::{config::Config, engine::http1::Version, response::Response};
use acceptor::Acceptor;
use answer::Asked;
use crossbeam_channel::{Receiver, SendError, Sender, unbounded};
use exchange::TinyExchange;
use farewell::Farewell;
use head::Limits;
use nix::sys::socket::Shutdown;
use peers::{Next, Peers, Turn};
use sockets::{Sockets, without_scope};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};
use tiny_http::Server;
use watch::{Note, Watch};

/// A request as tiny_http has it.
type Inner = tiny_http::Request;

/// How many requests one pull takes at most, so that what it took is dealt with before long.
const MOST_PULLED: usize = 64;

/// How often the queues of retired servers are looked at, where there are any.
const RETIRED_INTERVAL: Duration = Duration::from_millis(10);

/// Starts to accept connections from `listener`.
///
/// # Errors
/// Where the listener's options cannot be set, or a thread cannot be started.
pub(crate) fn start(listener: TcpListener, config: &Config) -> io::Result<Box<dyn Engine>> {
    listen::set_send_timeout(&listener, config.write_timeout)?;
    let address = listener.local_addr()?;
    let (notes, inbox) = unbounded();
    let shared = Arc::new(Shared {
        address,
        sockets: Sockets::of(address),
        peers: Mutex::default(),
        acceptor: Mutex::new(Acceptor::start(listener)?),
        released: unbounded(),
        notes,
        rules: Rules::of(config),
        memory: Memory::new(config.buffer_memory),
        news: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        closed: AtomicBool::new(false),
    });
    let watch = Watch::new(Arc::clone(&shared), inbox);
    thread::Builder::new()
        .name("tiny-http-watch".to_owned())
        .spawn(move || watch.run())?;
    Ok(Box::new(TinyHttp { shared }))
}

/// What the configuration asks for.
struct Rules {
    limits: Limits,
    head_timeout: Duration,
    body_timeout: Duration,
    write_timeout: Duration,
    keep_alive_timeout: Duration,
}

impl Rules {
    fn of(config: &Config) -> Rules {
        Rules {
            limits: Limits {
                max_head_bytes: config.max_head_bytes,
                max_body_bytes: config.max_body_bytes,
            },
            head_timeout: config.head_timeout,
            body_timeout: config.body_timeout,
            write_timeout: config.write_timeout,
            keep_alive_timeout: config.keep_alive_timeout,
        }
    }
}

/// A request whose turn has come, and its client.
type Released = (SocketAddr, Inner);

/// What the pulling thread, the workers and the watch have in common.
struct Shared {
    address: SocketAddr,
    sockets: Sockets,
    peers: Mutex<Peers>,
    acceptor: Mutex<Acceptor>,
    /// Pipelined requests whose turn has come, for the next pull.
    released: (Sender<Released>, Receiver<Released>),
    notes: Sender<Note>,
    rules: Rules,
    memory: Memory,
    /// Set while the watch knows of new connections, so that it is told once.
    news: AtomicBool,
    stopping: AtomicBool,
    closed: AtomicBool,
}

struct TinyHttp {
    shared: Arc<Shared>,
}

impl Engine for TinyHttp {
    fn pull(&self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        let before = ready.len();
        self.shared.take_released(ready);
        if ready.len() == before && !self.shared.closed.load(SeqCst) {
            self.shared.wait(until, ready);
        }
        self.shared.take_waiting(ready);
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

impl Shared {
    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acceptor(&self) -> MutexGuard<'_, Acceptor> {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, note: Note) {
        // The watch ends only after the engine; who is still answering then ends its connection itself.
        if let Err(SendError(Note::Farewell(farewell))) = self.notes.send(note) {
            farewell.cut_now(&self.sockets);
        }
    }

    fn wake(&self) {
        self.acceptor().current.unblock();
    }

    /// Waits for the next request.
    fn wait(self: &Arc<Shared>, until: Option<Instant>, ready: &mut Vec<Ready>) {
        let (server, has_retired) = self.current();
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
    fn take_waiting(self: &Arc<Shared>, ready: &mut Vec<Ready>) {
        let (current, _) = self.current();
        let retired = self.acceptor().retired.clone();
        for server in retired.iter().chain([&current]) {
            while ready.len() < MOST_PULLED && self.receive(server.try_recv(), ready) {}
        }
        self.take_released(ready);
    }

    fn take_released(self: &Arc<Shared>, ready: &mut Vec<Ready>) {
        while ready.len() < MOST_PULLED
            && let Ok((peer, request)) = self.released.1.try_recv()
        {
            self.hand_out(peer, request, ready);
        }
    }

    fn current(&self) -> (Arc<Server>, bool) {
        let acceptor = self.acceptor();
        (Arc::clone(&acceptor.current), !acceptor.retired.is_empty())
    }

    /// Deals with what came out of a server's queue; false where that was nothing.
    fn receive(
        self: &Arc<Shared>,
        received: io::Result<Option<Inner>>,
        ready: &mut Vec<Ready>,
    ) -> bool {
        match received {
            Ok(Some(request)) => self.arrive(request, ready),
            Ok(None) => return false,
            // Without a number it is no error of the system's, but a call of `unblock`.
            Err(error) if error.raw_os_error().is_none() => return false,
            // Every microsecond in which nobody accepts, more may arrive that can only be reset.
            Err(_) if self.stopping.load(SeqCst) => self.acceptor().close(),
            Err(error) => self.tell(Note::AcceptorDied(error)),
        }
        true
    }

    /// Hands a request out if it is its connection's turn.
    fn arrive(self: &Arc<Shared>, request: Inner, ready: &mut Vec<Ready>) {
        // Every TCP connection has had a peer.
        let Some(peer) = request.remote_addr().copied().map(without_scope) else {
            return;
        };
        let socket = || {
            self.sockets
                .find(peer, None)
                .and_then(|fd| self.sockets.identity(fd, peer))
        };
        let (turn, is_news) = self.peers().arrive(peer, request, socket);
        if is_news && !self.news.swap(true, SeqCst) {
            self.tell(Note::News);
        }
        match turn {
            Turn::Now(request) => self.hand_out(peer, request, ready),
            Turn::Waits => {}
            Turn::Never(request) => {
                log::debug!(peer:% = peer; "a request behind the end of its connection was dropped");
                self.drop_unanswered(peer, request);
            }
        }
    }

    fn hand_out(self: &Arc<Shared>, peer: SocketAddr, request: Inner, ready: &mut Vec<Ready>) {
        match head::read(&request, peer, self.rules.limits) {
            Ok(head) => ready.push(Ready::Request(Box::new(TinyExchange::new(
                self, peer, request, head,
            )))),
            Err(refusal) => {
                log::debug!(peer:% = peer, reason = refusal.reason; "request refused");
                let response = Response::text(refusal.status, refusal.reason);
                let asked = Asked {
                    method: head::method(&request).unwrap_or_default(),
                    version: Version::Http11,
                };
                let last_words = answer::message(&asked, &response, true);
                self.part(Farewell::instead_of_reading(peer, request, last_words));
            }
        }
    }

    /// Ends a connection: what still comes out of it is dropped from now on.
    fn part(&self, farewell: Farewell) {
        let peer = farewell.peer;
        let behind = self.peers().end(peer);
        self.tell(Note::Farewell(Box::new(farewell)));
        behind
            .into_iter()
            .for_each(|request| self.drop_unanswered(peer, request));
    }

    /// Drops a request that came behind the end of its connection.
    fn drop_unanswered(&self, peer: SocketAddr, request: Inner) {
        if head::reads_on_drop(&request) {
            let farewell = Farewell::instead_of_reading(peer, request, Vec::new());
            self.tell(Note::Farewell(Box::new(farewell)));
        } else {
            farewell::bury(request);
        }
    }

    /// A response was written on a connection that goes on: its next request may come out.
    fn finish(&self, peer: SocketAddr) {
        let next = self.peers().finish(peer);
        match next {
            Next::Idle => {}
            Next::Request(request) => {
                // The engine holds the receiver itself.
                let _ = self.released.0.send((peer, request));
                self.wake();
            }
            Next::Close => self.part(Farewell::cut(peer, farewell::Hold::Nothing)),
        }
    }

    fn forget(&self, peer: SocketAddr) {
        let behind = self.peers().forget(peer);
        behind
            .into_iter()
            .for_each(|request| self.drop_unanswered(peer, request));
    }

    /// Makes a pull that waits for a retired server look at the new one.
    fn wake_retired(&self) {
        self.acceptor()
            .retired
            .iter()
            .for_each(|server| server.unblock());
    }

    fn close(&self) {
        self.closed.store(true, SeqCst);
        self.wake();
    }

    fn cut(&self) -> Cut {
        {
            let mut acceptor = self.acceptor();
            acceptor.interrupt();
            acceptor.close();
        }
        let connections = self.sockets.all();
        let (to_shut, cut) = self.peers().cut(&connections);
        for (peer, fd) in to_shut {
            self.sockets.shut(fd, peer, Shutdown::Both);
        }
        self.close();
        cut
    }
}
