//! What the pulling thread, the workers and the watchdog have in common.

use super::{
    acceptor::Acceptor,
    head,
    lingering::{self, Hold, LingeringClose},
    peers::{Next, Peers},
    sockets::Sockets,
};
use crate::engine::{Cut, rules::Rules};
use crossbeam_channel::{Receiver, SendError, Sender, unbounded};
use nix::sys::socket::Shutdown;
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tiny_http::{Request as Inner, Server};

/// A request whose turn has come, and its client.
pub(super) type Released = (SocketAddr, Inner);

/// What the other threads tell the watchdog.
pub(super) enum Note {
    /// A request came from a connection that was unknown.
    News,
    Close(Box<LingeringClose>),
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
    /// Pipelined requests whose turn has come, for the next pull.
    pub(super) released: (Sender<Released>, Receiver<Released>),
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
        notes: Sender<Note>,
        rules: Rules,
    ) -> Shared {
        Shared {
            address,
            sockets: Sockets::of(address),
            peers: Mutex::default(),
            acceptor: Mutex::new(acceptor),
            released: unbounded(),
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
    pub(super) fn begin_close(&self, close: LingeringClose) {
        let peer = close.peer;
        let behind = self.peers().end(peer);
        self.tell(Note::Close(Box::new(close)));
        behind
            .into_iter()
            .for_each(|request| self.drop_unanswered(peer, request));
    }

    /// Drops a request that came behind the end of its connection.
    pub(super) fn drop_unanswered(&self, peer: SocketAddr, request: Inner) {
        if head::reads_on_drop(&request) {
            let close = LingeringClose::instead_of_reading(peer, request, Vec::new());
            self.tell(Note::Close(Box::new(close)));
        } else {
            lingering::drop_request(request);
        }
    }

    /// A response was written on a connection that goes on: its next request may come out.
    pub(super) fn finish(&self, peer: SocketAddr) {
        let next = self.peers().finish(peer);
        match next {
            Next::Idle => {}
            Next::Request(request) => {
                // The engine holds the receiver itself.
                let _ = self.released.0.send((peer, request));
                self.wake();
            }
            Next::Close => self.begin_close(LingeringClose::cut(peer, Hold::Nothing)),
        }
    }

    /// tiny_http itself closes this connection now.
    pub(super) fn forget(&self, peer: SocketAddr) {
        let behind = self.peers().forget(peer);
        behind
            .into_iter()
            .for_each(|request| self.drop_unanswered(peer, request));
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
        let (to_shut, cut) = self.peers().cut(&connections);
        for (peer, fd) in to_shut {
            self.sockets.shut(fd, peer, Shutdown::Both);
        }
        self.close();
        cut
    }
}
