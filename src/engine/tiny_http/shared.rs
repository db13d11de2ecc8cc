//! What the pulling thread, the workers and the watchdog have in common.

use super::{
    acceptor::Acceptor,
    duplicate::Duplicate,
    head,
    lingering::{self, Hold, LingeringClose},
    peers::{Diagnoses, Next, Peers},
    sock_diag::SockDiag,
    sockets::{Snapshot, Sockets},
    waiting::WaitingThreads,
};
use crate::{
    engine::{
        Cut, Exchange, http1::Refusal, listen::canonical_peer, occupancy::Closed,
        outgoing::Outgoing, rules::Rules,
    },
    message::head::Version,
};
use crossbeam_channel::{Receiver, SendError, Sender, unbounded};
use http::Method;
use nix::sys::socket::Shutdown;
use std::{
    io,
    net::SocketAddr,
    os::fd::RawFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};
use tiny_http::{Request as Inner, Server};

/// A connection has two descriptors at most that tiny_http could close while one is being duplicated.
const OPENING_ATTEMPTS: usize = 3;

/// How long a body may wait for the memory of others that were given up, and how often it looks.
const RELIEF: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// What the next pull is to hand out.
pub(super) enum Released {
    /// A pipelined request whose turn has come, and its client.
    Turn(SocketAddr, Inner),
    /// A request whose body is whole now.
    Whole(Box<dyn Exchange>),
}

/// What the other threads tell the watchdog.
pub(super) enum Note {
    /// A request came from a connection that was unknown.
    News,
    /// A second request came while the first is in flight.
    Pipeline,
    Close(Box<LingeringClose>),
    /// tiny_http closes a connection by itself, after its answer, and the service is stopping.
    Ended,
    /// `accept` failed.
    AcceptorDied(io::Error),
    Stop,
    /// The engine is dropped.
    End,
}

pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) sockets: Sockets,
    peers: Mutex<Peers>,
    acceptor: Mutex<Acceptor>,
    pub(super) released: (Sender<Released>, Receiver<Released>),
    pub(super) waiting: WaitingThreads,
    /// Responses that waiting threads have sent to their end.
    pub(super) sent_later: AtomicU64,
    notes: Sender<Note>,
    pub(super) rules: Rules,
    /// Set while the watchdog knows of new connections, so that it is told once.
    pub(super) news: AtomicBool,
    pub(super) stopping: AtomicBool,
    pub(super) closed: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        address: SocketAddr,
        acceptor: Acceptor,
        peers: Peers,
        notes: Sender<Note>,
        rules: Rules,
    ) -> Shared {
        Shared {
            address,
            sockets: Sockets::of(address),
            peers: Mutex::new(peers),
            acceptor: Mutex::new(acceptor),
            released: unbounded(),
            waiting: WaitingThreads::new(),
            sent_later: AtomicU64::new(0),
            notes,
            rules,
            news: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acceptor(&self) -> MutexGuard<'_, Acceptor> {
        self.acceptor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server whose queue most requests come out of, and whether there are retired ones.
    pub(super) fn current(&self) -> (Arc<Server>, bool) {
        let acceptor = self.acceptor();
        (Arc::clone(&acceptor.current), !acceptor.retired.is_empty())
    }

    pub(super) fn tell(&self, note: Note) {
        // The watchdog ends only after the engine; who is still answering then ends its connection itself.
        if let Err(SendError(Note::Close(close))) = self.notes.send(note) {
            close.cut_now(&self.sockets);
        }
    }

    pub(super) fn wake(&self) {
        self.acceptor().current.unblock();
    }

    /// Makes a pull that waits for a retired server look at the new one.
    pub(super) fn wake_retired(&self) {
        self.acceptor()
            .retired
            .iter()
            .for_each(|server| server.unblock());
    }

    /// Ends a connection: what still comes out of it is dropped from now on.
    pub(super) fn begin_close(&self, close: LingeringClose, why: Closed) {
        let peer = close.peer;
        let behind = self.peers().end(peer, why, &self.rules.closed);
        self.tell(Note::Close(Box::new(close)));
        behind
            .into_iter()
            .for_each(|request| self.drop_unanswered(peer, request));
    }

    /// Drops a request that came behind the end of its connection.
    pub(super) fn drop_unanswered(&self, peer: SocketAddr, request: Inner) {
        if head::reads_on_drop(&request) {
            // To drop it now would be to read it, before what is said last has arrived.
            let close = LingeringClose::behind_the_end(peer, request);
            self.tell(Note::Close(Box::new(close)));
        } else {
            lingering::drop_request(request);
        }
    }

    /// Tells a client why its request is not served, and ends its connection.
    pub(super) fn refuse(&self, peer: SocketAddr, request: Inner, refusal: Refusal) {
        let method = head::method(&request).unwrap_or_default();
        self.refuse_method(peer, &method, Hold::Request(request), refusal);
    }

    /// The same where there is no whole request yet, which tiny_http keeps to itself.
    pub(super) fn refuse_beginning(&self, peer: SocketAddr, refusal: Refusal) {
        self.refuse_method(peer, &Method::GET, Hold::Nothing, refusal);
    }

    fn refuse_method(&self, peer: SocketAddr, method: &Method, hold: Hold, refusal: Refusal) {
        log::debug!(peer:% = canonical_peer(peer), reason = refusal.reason; "request refused");
        let (response, now) = (self.rules.refused(refusal), Instant::now());
        let answer = Outgoing::new(
            *method == Method::HEAD,
            Version::Http11,
            response,
            true,
            now,
            None,
        );
        let deadline = now + self.rules.live.write_timeout.get();
        let why = Closed::by_refusal(refusal);
        self.begin_close(LingeringClose::refusing(peer, hold, answer, deadline), why);
    }

    /// Where a connection is among the descriptors.
    fn find(&self, peer: SocketAddr) -> Option<RawFd> {
        let hint = self.peers().descriptor(peer);
        let found = self.sockets.find(peer, hint)?;
        if hint != Some(found) {
            self.peers().was_seen_at(peer, found);
        }
        Some(found)
    }

    /// A descriptor of our own for a connection; none where it is gone, or no descriptor is left.
    pub(super) fn open(&self, peer: SocketAddr) -> Option<Duplicate> {
        // tiny_http may close the descriptor that was found, which is its reader's or its writer's, before there is a
        // duplicate; then there is the other one, unless the connection is gone.
        (0..OPENING_ATTEMPTS).find_map(|_| self.sockets.open_at(self.find(peer)?, peer))
    }

    /// Whether no socket leads to this client any more: after a reset the kernel knows of no peer.
    pub(super) fn is_gone(&self, peer: SocketAddr) -> bool {
        self.find(peer).is_none()
    }

    /// Whether a client that is only to listen has gone: also where it has said no more than that it sends nothing.
    pub(super) fn has_left(&self, peer: SocketAddr) -> bool {
        self.find(peer).is_none_or(Sockets::has_ended)
    }

    /// Whether so many bytes can be written to a client without waiting for it. They count as written then.
    pub(super) fn has_room(&self, peer: SocketAddr, bytes: usize) -> bool {
        if self.peers().take_room(peer, bytes) {
            return true;
        }
        // What was written may have been taken since.
        let diagnose = |fd| self.sockets.diagnose(&mut SockDiag::open(), fd, peer);
        let Some(diagnosis) = self.find(peer).and_then(diagnose) else {
            return false;
        };
        let mut peers = self.peers();
        peers.note_unsent(peer, diagnosis.unsent as usize);
        peers.take_room(peer, bytes)
    }

    /// Whether a client takes more at this moment.
    pub(super) fn takes_more(&self, peer: SocketAddr) -> bool {
        self.find(peer).is_some_and(Sockets::has_room)
    }

    /// Has nothing more read of a connection that sends more than may wait, or behind its end: tiny_http sees an end as
    /// soon as nothing is left to read. A client that sends on all the same is cut off, since only that stops it.
    pub(super) fn choke(&self, peer: SocketAddr) {
        let how = match self.peers().times_choked(peer) {
            0 | 1 => Shutdown::Read,
            2 => Shutdown::Both,
            _ => return,
        };
        let hint = self.peers().descriptor(peer);
        let found = hint.or_else(|| self.find(peer));
        let has_more = |fd: &RawFd| Sockets::has_unread(*fd);
        if let Some(connection) = found
            .filter(has_more)
            .and_then(|fd| self.sockets.open_at(fd, peer))
        {
            connection.shut(how);
            connection.discard();
            self.peers().note_choking(peer);
        }
    }

    /// Where the memory for bodies is used up, ends those that are slower than `MIN_BODY_RATE`, the slowest first, and
    /// waits for what they give back. False where that was of no use.
    pub(super) fn relieve(&self) -> bool {
        let is_short = || self.rules.memory.requests.is_exceeded();
        let until = Instant::now() + RELIEF;
        while is_short() && self.rules.min_body_rate > 0 && Instant::now() < until {
            let slowest = self.peers().give_up_slowest(Instant::now());
            match slowest {
                Some(slowest) => {
                    if let Some(fd) = self.find(slowest) {
                        self.sockets.shut(fd, slowest, Shutdown::Read);
                    }
                }
                None if self.peers().is_giving_up() => thread::sleep(BETWEEN_LOOKS),
                None => break,
            }
        }
        !is_short()
    }

    /// What the kernel knows of the connections of which tiny_http may know more than it tells.
    pub(super) fn diagnose(&self, connections: &Snapshot) -> Diagnoses {
        let unclear = self.peers().unclear(connections);
        let mut diag = SockDiag::open();
        let ask = |(peer, fd)| Some((peer, self.sockets.diagnose(&mut diag, fd, peer)?));
        unclear.into_iter().filter_map(ask).collect()
    }

    /// Has the next pull hand something out.
    pub(super) fn release(&self, released: Released) {
        // The engine holds the receiver itself.
        let _ = self.released.0.send(released);
        self.wake();
    }

    /// A response was written on a connection that goes on: its next request may come out.
    pub(super) fn finish(&self, peer: SocketAddr) {
        let next = self.peers().finish(peer);
        match next {
            Next::Idle => {}
            Next::Request(request) => self.release(Released::Turn(peer, request)),
            Next::Close => {
                self.begin_close(LingeringClose::cut(peer, Hold::Nothing), Closed::Answered);
            }
        }
    }

    /// tiny_http itself closes this connection now.
    pub(super) fn forget(&self, peer: SocketAddr) {
        let behind = self.peers().forget(peer, &self.rules.closed);
        behind
            .into_iter()
            .for_each(|request| self.drop_unanswered(peer, request));
        if self.stopping.load(SeqCst) {
            self.tell(Note::Ended);
        }
    }

    /// Nothing will come any more.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.wake();
    }

    pub(super) fn cut(&self) -> Cut {
        {
            let mut acceptor = self.acceptor();
            acceptor.interrupt();
            acceptor.close();
        }
        let connections = self.sockets.all();
        let diagnoses = self.diagnose(&connections);
        let (to_shut, cut) = {
            let mut peers = self.peers();
            peers.count_cut(&self.rules.closed);
            peers.cut(&connections, &diagnoses)
        };
        for (peer, fd) in to_shut {
            self.sockets.shut(fd, peer, Shutdown::Both);
        }
        self.close();
        cut
    }
}
