//! Real sockets: a connection's stream over one, and what the kernel knows of it.

use super::connection::Stream;
use mio::net::TcpStream;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use std::{net::Shutdown, os::fd::AsFd, time::Duration};

impl Stream for TcpStream {
    fn close_sending(&self) {
        // The other side may be gone already, which is as good.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn abort_on_close(&self, abort: bool) {
        let _ = SockRef::from(self).set_linger(abort.then_some(Duration::ZERO));
    }

    fn has_room(&self) -> bool {
        is_ready(self, PollFlags::POLLOUT)
    }
}

/// Whether this has happened to a socket, or an error has, told of or not.
pub(super) fn is_ready(socket: &impl AsFd, what: PollFlags) -> bool {
    let mut asked = [PollFd::new(socket.as_fd(), what)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Whether the client has closed the connection, be it only for its side, behind all that has been read.
pub(super) fn has_left(socket: &TcpStream) -> bool {
    matches!(socket.peek(&mut [0]), Ok(0)) || is_reset(socket)
}

/// Whether the connection is over for both sides, as after a reset. Such news needs no asking for (poll(2)); an end that
/// only the client has declared is none.
pub(super) fn is_reset(socket: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|news| news > 0)
}
