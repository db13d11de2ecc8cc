//! tiny_http's acceptor: its start, how its death is noticed, and its successor.
//!
//! tiny_http accepts on a thread that ends with the first error: with a message where `accept` fails, silently where
//! it panics for want of a second descriptor or of a thread. Either way it closes its listener, so the descriptor's
//! number tells. A duplicate is kept here, from which the next acceptor gets its own.

use super::sockets::Sockets;
use crate::{
    engine::{http1::Refusal, listen, outgoing::Outgoing, rules::Rules},
    message::{head::Version, response::Response},
    observe::panics,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::{
    io::{self, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd, RawFd},
    sync::Arc,
    time::{Duration, Instant},
};
use tiny_http::Server;

/// How many connections are turned away in one go; the backlog's length.
const MOST_SHED: usize = 4096;

const NO_ROOM: Refusal = Refusal::unavailable("no descriptor or no thread is left");

/// How long a connection to our own port may take.
const NUDGE_TIMEOUT: Duration = Duration::from_millis(200);

/// The acceptor at work, those before it, and the listener.
pub(super) struct Acceptor {
    /// Whose queue most requests come out of.
    pub(super) current: Arc<Server>,
    /// Servers whose acceptor died and whose connections may still have something to say.
    pub(super) retired: Vec<Arc<Server>>,
    /// The number of the listener that `current` accepts from.
    descriptor: RawFd,
    /// Our own duplicate of the listener; none once that is closed.
    duplicate: Option<TcpListener>,
}

impl Acceptor {
    /// Starts to accept.
    pub(super) fn start(duplicate: TcpListener) -> io::Result<Acceptor> {
        let (current, descriptor) = serve(&duplicate)?;
        Ok(Acceptor {
            current,
            retired: Vec::new(),
            descriptor,
            duplicate: Some(duplicate),
        })
    }

    /// Whether tiny_http still has its listener.
    pub(super) fn is_alive(&self, sockets: &Sockets) -> bool {
        let duplicate = self.duplicate.as_ref().map(AsRawFd::as_raw_fd);
        duplicate.is_some_and(|duplicate| sockets.is_listener(self.descriptor, duplicate))
    }

    /// Starts anew after the acceptor's death.
    ///
    /// # Errors
    /// Where there are still too few descriptors or threads.
    pub(super) fn replace(&mut self) -> io::Result<()> {
        let Some(duplicate) = &self.duplicate else {
            return Ok(());
        };
        // Each connection takes two: there is no sense in dying again of the very first.
        let _room = (duplicate.try_clone()?, duplicate.try_clone()?);
        let (next, descriptor) = serve(duplicate)?;
        self.retired
            .push(std::mem::replace(&mut self.current, next));
        self.descriptor = descriptor;
        Ok(())
    }

    /// Tells everyone in the backlog to come again, while nobody else accepts: better than silence, and whoever has left
    /// meanwhile is out of the next acceptor's way. Returns how many they were.
    pub(super) fn shed(&self, rules: &Rules) -> usize {
        let Some(duplicate) = &self.duplicate else {
            return 0;
        };
        if duplicate.set_nonblocking(true).is_err() {
            return 0;
        }
        let waiting = std::iter::from_fn(|| duplicate.accept().ok());
        let count = waiting
            .take(MOST_SHED)
            .map(|(client, _)| turn_away(client, rules.refused(NO_ROOM)))
            .count();
        // The next acceptor shares this flag.
        let _ = duplicate.set_nonblocking(false);
        count
    }

    /// Gives up the servers whose connections have ended.
    pub(super) fn forget_retired(&mut self) {
        // Dropping one would make it connect to our port, to wake the acceptor that it no longer has.
        self.retired.drain(..).for_each(std::mem::forget);
    }

    /// Has tiny_http accept what has arrived, and end where `accept` would have to wait.
    ///
    /// Not so outside Linux: there accepted sockets would not block either, which tiny_http cannot handle, so those
    /// connections are closed unserved.
    pub(super) fn finish(&self, local: SocketAddr) {
        if let Some(duplicate) = &self.duplicate {
            let stops_blocking = duplicate.set_nonblocking(true);
            // The thread may be waiting inside `accept`, where it does not notice.
            if stops_blocking.is_err() || (nudge(local).is_err() && !self.has_backlog()) {
                self.interrupt();
            }
        }
    }

    /// Whether somebody waits to be accepted: then nobody can be waiting inside `accept`.
    pub(super) fn has_backlog(&self) -> bool {
        self.duplicate.as_ref().is_some_and(|duplicate| {
            let mut listener = [PollFd::new(duplicate.as_fd(), PollFlags::POLLIN)];
            poll(&mut listener, PollTimeout::ZERO) == Ok(1)
        })
    }

    /// Ends an acceptor that waits, whatever is in the backlog.
    pub(super) fn interrupt(&self) {
        self.duplicate.iter().for_each(listen::stop);
    }

    /// Closes the listener for good; connections that came since the acceptor ended are refused.
    pub(super) fn close(&mut self) {
        self.interrupt();
        self.duplicate = None;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.duplicate.is_none()
    }
}

/// Connects to our own port and leaves: to wake the acceptor, or to make tiny_http start a thread.
pub(super) fn nudge(local: SocketAddr) -> io::Result<()> {
    let host = match local.ip() {
        IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    TcpStream::connect_timeout(&SocketAddr::new(host, local.port()), NUDGE_TIMEOUT).map(drop)
}

/// Answers 503 without having read a request. What has arrived is taken out first: a close with unread bytes would be a
/// reset, which would destroy the answer.
fn turn_away(mut client: TcpStream, refused: Response) {
    let mut answer = Outgoing::new(false, Version::Http11, refused, true, Instant::now(), None);
    // Whoever does not take a few hundred bytes at once has gone.
    let _ = client.set_nonblocking(true);
    let _ = client.read(&mut [0; 16 * 1024]);
    let _ = answer.send(&mut client, usize::MAX);
    let _ = client.shutdown(Shutdown::Write);
}

fn serve(duplicate: &TcpListener) -> io::Result<(Arc<Server>, RawFd)> {
    let listener = duplicate.try_clone()?;
    let descriptor = listener.as_raw_fd();
    // It starts a thread without asking whether there is one to be had.
    let started = panics::catch(|| tiny_http::Server::from_listener(listener, None));
    let server = started.map_err(io_error)?.map_err(io::Error::other)?;
    Ok((Arc::new(server), descriptor))
}

fn io_error(panicked: panics::Panicked) -> io::Error {
    io::Error::other(panicked.to_string())
}
