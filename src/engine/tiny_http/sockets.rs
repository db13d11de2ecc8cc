//! tiny_http's connections as the process's descriptors show them, since tiny_http itself hides its sockets.
//!
//! A connection is known by its client's address and has two descriptors, one that tiny_http reads from and one that
//! it writes to; shutting down either shuts down the connection. A descriptor's number is only ever used right after
//! its peer was compared, and the lower of the two is taken: that is the writer's, unless another descriptor was closed
//! between tiny_http's `accept` and its `dup`, and the writer's stays open for as long as a request or its answer is
//! held. What remains is this: where the client of an idle connection leaves in the very microsecond in which the
//! connection is shut down, and another thread gets the number in the same microsecond, the stranger is shut down.

use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit},
        socket::{self, MsgFlags, Shutdown, SockaddrStorage},
    },
};
use std::{collections::HashMap, fs, net::SocketAddr, os::fd::RawFd};

/// Lists the process's descriptors by number; on Linux `/dev/fd` would be a link to the same, if it is there.
const DESCRIPTORS: &str = if cfg!(target_os = "linux") {
    "/proc/self/fd"
} else {
    "/dev/fd"
};

/// How many numbers are tried at most where the list cannot be read.
const MOST_GUESSED: u64 = 1 << 16;

#[cfg(target_os = "linux")]
const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);
/// Rust programs ignore SIGPIPE unless told otherwise.
#[cfg(not(target_os = "linux"))]
const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// The connections at one moment: each client's address, and a descriptor that leads to it.
pub(super) type Snapshot = HashMap<SocketAddr, RawFd>;

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
        let mut found = Snapshot::new();
        for fd in descriptors() {
            if let Some(peer) = self.peer_of(fd) {
                found
                    .entry(peer)
                    .and_modify(|lowest| *lowest = fd.min(*lowest))
                    .or_insert(fd);
            }
        }
        found
    }

    /// The descriptor of one connection: `hint`, if that is still the one, or else what a search finds.
    pub(super) fn find(&self, peer: SocketAddr, hint: Option<RawFd>) -> Option<RawFd> {
        hint.filter(|&fd| self.peer_of(fd) == Some(peer))
            .or_else(|| self.all().remove(&peer))
    }

    /// Shuts a connection down, if the descriptor still leads to it.
    pub(super) fn shut(&self, fd: RawFd, peer: SocketAddr, how: Shutdown) {
        if self.peer_of(fd) == Some(peer) {
            // The client may have gone meanwhile, and then there is nothing left to do.
            let _ = socket::shutdown(fd, how);
        }
    }

    /// Sends what fits into the socket's buffer, without waiting; true where that is all of it.
    pub(super) fn send(&self, fd: RawFd, peer: SocketAddr, bytes: &[u8]) -> bool {
        self.peer_of(fd) == Some(peer) && socket::send(fd, bytes, SEND) == Ok(bytes.len())
    }

    /// Takes bytes that nobody will read out of the socket's buffer, without waiting; false at their end.
    pub(super) fn discard(&self, fd: RawFd, peer: SocketAddr, scratch: &mut [u8]) -> bool {
        if self.peer_of(fd) != Some(peer) {
            return false;
        }
        loop {
            match socket::recv(fd, scratch, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return false,
                Ok(count) if count < scratch.len() => return true,
                Ok(_) => {}
                Err(error) => return error == Errno::EAGAIN || error == Errno::EINTR,
            }
        }
    }

    /// Whether bytes have arrived that nobody has read yet.
    pub(super) fn has_unread(fd: RawFd) -> bool {
        matches!(peek(fd), Ok(1))
    }

    /// Whether the client has said that it will send no more, and all it sent has been read.
    pub(super) fn is_at_end(fd: RawFd) -> bool {
        !matches!(peek(fd), Ok(1) | Err(Errno::EAGAIN))
    }

    /// What tells a connection from another one that the same client opens from the same port later on; none where it
    /// is gone. Known on Linux only; elsewhere all have the same, and a client that comes back within seconds may be
    /// taken for the one it was.
    pub(super) fn identity(&self, fd: RawFd, peer: SocketAddr) -> Option<u64> {
        let link = fs::read_link(format!("{DESCRIPTORS}/{fd}")).ok();
        let inode = |name: &str| {
            name.strip_prefix("socket:[")?
                .strip_suffix(']')?
                .parse()
                .ok()
        };
        let identity = link.and_then(|link| inode(link.to_str()?)).unwrap_or(0);
        (self.peer_of(fd) == Some(peer)).then_some(identity)
    }

    /// Whether the descriptor of this number is the listener, or a duplicate of it.
    pub(super) fn is_listener(&self, fd: RawFd) -> bool {
        local_of(fd) == Some(self.local)
            && socket::getpeername::<SockaddrStorage>(fd) == Err(Errno::ENOTCONN)
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

fn peek(fd: RawFd) -> nix::Result<usize> {
    socket::recv(fd, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT)
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
