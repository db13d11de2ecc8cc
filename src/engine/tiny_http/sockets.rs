//! tiny_http's connections as the process's descriptors show them, since tiny_http itself hides its sockets.
//!
//! A connection is known by its client's address. A descriptor's number is good for a look, but may be a stranger's in
//! the next microsecond; what is done to a connection is done through a [`Duplicate`], whose client was compared.

use super::{
    duplicate::{Duplicate, duplicate, peek},
    sock_diag::{Diagnosis, SockDiag},
};
use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit},
        socket::{self, Shutdown, SockaddrStorage},
    },
};
use std::{
    collections::HashMap,
    fs, io,
    net::SocketAddr,
    os::fd::RawFd,
    path::PathBuf,
    time::{Duration, Instant},
};

/// Lists the process's descriptors by number; on Linux `/dev/fd` would be a link to the same, if it is there.
const DESCRIPTORS: &str = if cfg!(target_os = "linux") {
    "/proc/self/fd"
} else {
    "/dev/fd"
};

/// How many numbers are tried at most where the list cannot be read.
const MOST_GUESSED: u64 = 1 << 16;

/// The connections at one moment: each client's address, and a descriptor that leads to it.
pub(super) type Snapshot = HashMap<SocketAddr, RawFd>;

/// A look at all connections at once.
pub(super) struct Look<'a> {
    /// When it began, before the descriptors were listed.
    pub(super) now: Instant,
    /// `MAX_CONNECTIONS` as it was before that: whoever came under another bound is no newcomer under this one.
    pub(super) most: usize,
    pub(super) connections: &'a Snapshot,
    /// When the listener was closed, if it is.
    pub(super) stopped: Option<Instant>,
}

/// Finds the connections of one listener.
pub(super) struct Sockets {
    local: SocketAddr,
}

impl Sockets {
    /// For the listener that is bound to this address.
    pub(super) fn of(local: SocketAddr) -> Sockets {
        Sockets {
            local: without_scope(local),
        }
    }

    /// Every connection of the listener that is not yet wholly gone.
    pub(super) fn all(&self) -> Snapshot {
        let connected = |fd| Some((self.peer_of(fd)?, fd));
        descriptors().into_iter().filter_map(connected).collect()
    }

    /// The descriptor of one connection: `hint`, if that is still the one, or else what a search finds.
    pub(super) fn find(&self, peer: SocketAddr, hint: Option<RawFd>) -> Option<RawFd> {
        hint.filter(|&fd| self.peer_of(fd) == Some(peer))
            .or_else(|| self.all().remove(&peer))
    }

    /// A duplicate of this descriptor, if it leads to this client; none where the connection is gone, or no descriptor is
    /// left.
    pub(super) fn open_at(&self, fd: RawFd, peer: SocketAddr) -> Option<Duplicate> {
        let leads_there = |duplicate: &Duplicate| self.peer_of(duplicate.number()) == Some(peer);
        duplicate(fd).filter(leads_there)
    }

    /// Shuts a connection down, if that descriptor still leads to it.
    pub(super) fn shut(&self, fd: RawFd, peer: SocketAddr, how: Shutdown) {
        match self.open_at(fd, peer) {
            Some(connection) => connection.shut(how),
            // There may be no descriptor left for a duplicate, and then it matters most that this one goes.
            None if self.peer_of(fd) == Some(peer) => drop(socket::shutdown(fd, how)),
            None => {}
        }
    }

    /// Shuts a connection down and throws away what nobody has read of it.
    pub(super) fn cut_off(&self, fd: RawFd, peer: SocketAddr) {
        if let Some(connection) = self.open_at(fd, peer) {
            connection.shut(Shutdown::Both);
            connection.discard();
        }
    }

    /// Whether the client will send no more. Where the kernel does not tell, an end is taken to be the client's.
    pub(super) fn client_has_ended(&self, connection: &Duplicate, peer: SocketAddr) -> bool {
        connection.is_at_end() && {
            let diagnosis = self.diagnose(&mut SockDiag::open(), connection.number(), peer);
            diagnosis.is_none_or(|diagnosis| diagnosis.client_has_ended)
        }
    }

    /// What the kernel knows of a connection.
    pub(super) fn diagnose(
        &self,
        diag: &mut SockDiag,
        fd: RawFd,
        peer: SocketAddr,
    ) -> Option<Diagnosis> {
        let local = local_of(fd).filter(|_| self.peer_of(fd) == Some(peer))?;
        diag.ask(local, peer)
    }

    /// Whether bytes have arrived that nobody has read yet.
    pub(super) fn has_unread(fd: RawFd) -> bool {
        matches!(peek(fd), Ok(1))
    }

    /// Whether the client has said that it sends no more, and all that it had sent is read.
    pub(super) fn has_ended(fd: RawFd) -> bool {
        matches!(peek(fd), Ok(0))
    }

    /// Whether the client takes more at this moment, or has gone.
    pub(super) fn has_room(fd: RawFd) -> bool {
        let ask = || {
            let mut poll = Poll::new()?;
            let (socket, mut events) = (&mut SourceFd(&fd), Events::with_capacity(1));
            poll.registry()
                .register(socket, Token(0), Interest::WRITABLE)?;
            poll.poll(&mut events, Some(Duration::ZERO))?;
            io::Result::Ok(!events.is_empty())
        };
        ask().unwrap_or(false)
    }

    /// What tells a connection from another one that the same client opens from the same port later on; none where it
    /// is gone. Known on Linux only; elsewhere all have the same, and a client that comes back within seconds may be
    /// taken for the one it was.
    pub(super) fn identity(&self, fd: RawFd, peer: SocketAddr) -> Option<u64> {
        let link = link_of(fd);
        let inode = |name: &str| {
            name.strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        };
        let identity = link.and_then(|link| inode(link.to_str()?)).unwrap_or(0);
        (self.peer_of(fd) == Some(peer)).then_some(identity)
    }

    /// Whether the descriptor of this number is the listener's `duplicate`, or another one of it.
    pub(super) fn is_listener(&self, fd: RawFd, duplicate: RawFd) -> bool {
        // A connection that was reset has no peer either, but it is another socket.
        local_of(fd) == Some(self.local)
            && socket::getpeername::<SockaddrStorage>(fd) == Err(Errno::ENOTCONN)
            && link_of(fd) == link_of(duplicate)
    }

    fn peer_of(&self, fd: RawFd) -> Option<SocketAddr> {
        let peer = socket::getpeername::<SockaddrStorage>(fd)
            .ok()
            .as_ref()
            .and_then(to_std)?;
        let local = local_of(fd)?;
        let is_ours = local.port() == self.local.port()
            && (self.local.ip().is_unspecified() || local.ip() == self.local.ip());
        is_ours.then_some(peer)
    }
}

/// A client's address as connections are known by it: flow and scope are not part of who it is.
pub(super) fn without_scope(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

/// Which socket a descriptor leads to, where the system tells.
fn link_of(fd: RawFd) -> Option<PathBuf> {
    fs::read_link(format!("{DESCRIPTORS}/{fd}")).ok()
}

fn local_of(fd: RawFd) -> Option<SocketAddr> {
    socket::getsockname::<SockaddrStorage>(fd)
        .ok()
        .as_ref()
        .and_then(to_std)
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = || {
        address
            .as_sockaddr_in()
            .map(|v4| SocketAddr::new(v4.ip().into(), v4.port()))
    };
    let v6 = || {
        address
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::new(v6.ip().into(), v6.port()))
    };
    v4().or_else(v6)
}

/// How many descriptors the process may still open.
pub(super) fn descriptors_left() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST_GUESSED, |(soft, _)| soft);
    usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_sub(descriptors().len())
}

/// The numbers of the process's descriptors; where no descriptor is left to read the list with, all that may be.
fn descriptors() -> Vec<RawFd> {
    let Ok(entries) = fs::read_dir(DESCRIPTORS) else {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(MOST_GUESSED, |(soft, _)| soft);
        return (0..limit.min(MOST_GUESSED) as RawFd).collect();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}
