//! Ending a connection around tiny_http, without a byte that comes behind being taken for a request, and without the
//! close destroying what was said last.

use super::{
    head,
    sockets::{Snapshot, Sockets},
};
use crate::observe::panics;
use nix::sys::socket::Shutdown;
use std::{
    io::Write,
    mem,
    net::SocketAddr,
    os::fd::RawFd,
    time::{Duration, Instant},
};
use tiny_http::Request as Inner;

/// How long a client may go on sending what nobody reads: a close with unread bytes is a reset, which would destroy
/// the answer on its way (RFC 9112, section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// The same for a client that has sent its request wholly, and so can send only another one.
const LINGER_AFTER_ANSWER: Duration = Duration::from_secs(1);

/// What keeps tiny_http from going on with a connection.
pub(super) enum Hold {
    /// A request whose body was not read, so that tiny_http does not have the connection's reading end. Its writer
    /// cannot be had without reading the body first, which is why the last bytes go past it.
    Request(Inner),
    /// The writer that the answer went through. The next one, be it that of tiny_http's own 400, has to wait for it.
    Writer(#[expect(dead_code, reason = "held, not used")] Box<dyn Write + Send>),
    Nothing,
}

/// A connection that is to end.
pub(super) struct LingeringClose {
    pub(super) peer: SocketAddr,
    /// What is still to be sent, where the answer could not go through the writer.
    last_bytes: Vec<u8>,
    hold: Hold,
    /// Which socket it is, once it was looked at.
    socket: Option<u64>,
    linger: Duration,
    /// Until when to linger, once everything has been said.
    until: Option<Instant>,
}

impl LingeringClose {
    /// Ends a connection whose last answer was written.
    pub(super) fn after_answer(peer: SocketAddr, writer: Box<dyn Write + Send>) -> LingeringClose {
        LingeringClose::new(peer, Vec::new(), Hold::Writer(writer), LINGER_AFTER_ANSWER)
    }

    /// Answers a request whose body will not be read, and ends its connection.
    pub(super) fn instead_of_reading(
        peer: SocketAddr,
        request: Inner,
        last_bytes: Vec<u8>,
    ) -> LingeringClose {
        LingeringClose::new(peer, last_bytes, Hold::Request(request), LINGER)
    }

    /// Ends a connection at once, so that its client sees that what it got is not the whole.
    pub(super) fn cut(peer: SocketAddr, hold: Hold) -> LingeringClose {
        LingeringClose::new(peer, Vec::new(), hold, Duration::ZERO)
    }

    fn new(peer: SocketAddr, last_bytes: Vec<u8>, hold: Hold, linger: Duration) -> LingeringClose {
        LingeringClose {
            peer,
            last_bytes,
            hold,
            socket: None,
            linger,
            until: None,
        }
    }

    /// Goes one step on; false where it is over.
    pub(super) fn proceed(
        &mut self,
        sockets: &Sockets,
        connections: &Snapshot,
        now: Instant,
    ) -> bool {
        let found = connections.get(&self.peer).copied();
        let Some(fd) = found.filter(|&fd| self.is_still(sockets, fd)) else {
            self.release();
            return false;
        };
        let goes_on =
            self.send_last(sockets, fd, now) && self.until > Some(now) && self.lingers(sockets, fd);
        if !goes_on {
            sockets.shut(fd, self.peer, Shutdown::Both);
            self.release();
        }
        goes_on
    }

    /// Whether this is still the same connection, and not the next one of the same client's.
    fn is_still(&mut self, sockets: &Sockets, fd: RawFd) -> bool {
        let socket = sockets.identity(fd, self.peer);
        self.socket = self.socket.or(socket);
        socket.is_some() && self.socket == socket
    }

    /// Gives the client no more time, once everything has been said.
    pub(super) fn hasten(&mut self) {
        self.until = self.until.map(|_| Instant::now());
    }

    /// Says the last bytes and that nothing more will be said.
    fn send_last(&mut self, sockets: &Sockets, fd: RawFd, now: Instant) -> bool {
        if self.until.is_some() {
            return true;
        }
        self.until = Some(now + self.linger);
        let all_was_taken =
            self.last_bytes.is_empty() || sockets.send(fd, self.peer, &self.last_bytes);
        if all_was_taken {
            sockets.shut(fd, self.peer, Shutdown::Write);
            // What tiny_http may write behind this goes nowhere, so it may go on to read until the end.
            if matches!(self.hold, Hold::Writer(_)) {
                self.hold = Hold::Nothing;
            }
        }
        all_was_taken
    }

    /// Reads what the client still sends, where tiny_http does not do it; false once it has ended.
    fn lingers(&mut self, sockets: &Sockets, fd: RawFd) -> bool {
        match self.hold {
            Hold::Request(_) => sockets.discard(fd, self.peer, &mut [0; 16 * 1024]),
            Hold::Writer(_) | Hold::Nothing => true,
        }
    }

    /// Ends it without waiting for anything: nobody will look after it any more.
    pub(super) fn cut_now(mut self, sockets: &Sockets) {
        if let Some(fd) = sockets.find(self.peer, None) {
            self.send_last(sockets, fd, Instant::now());
            sockets.shut(fd, self.peer, Shutdown::Both);
        }
        self.release();
    }

    fn release(&mut self) {
        if let Hold::Request(request) = mem::replace(&mut self.hold, Hold::Nothing) {
            drop_request(request);
        }
    }
}

/// Drops a request whose connection was shut down, and with it what tiny_http left to be done on drop: to send a 500,
/// and to read the rest of the body into a buffer of the *declared* length.
///
/// Where memory of that size cannot even be reserved, that would abort the process. Such a request is kept for ever
/// instead: it costs a thread that waits for it and two descriptors, and the log says so.
pub(super) fn drop_request(request: Inner) {
    let length = if head::reads_on_drop(&request) {
        request.body_length().unwrap_or(0)
    } else {
        0
    };
    if isize::try_from(length).is_ok() && Vec::<u8>::new().try_reserve_exact(length).is_err() {
        log::error!(
            content_length = length;
            "a request declared a body that no memory can be reserved for: tiny_http keeps its thread for good"
        );
        mem::forget(request);
        return;
    }
    // A length that no allocation may have at all is a panic in there, and no abort.
    if panics::catch(|| drop(request.into_writer())).is_err() {
        log::warn!(content_length = length; "a request declared a body larger than the address space");
    }
}
