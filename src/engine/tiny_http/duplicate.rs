//! Descriptors of our own for sockets of tiny_http's.
//!
//! tiny_http closes its descriptors when it likes, and their numbers are given out again at once: what is done by such a
//! number may be done to a stranger. A duplicate leads to the same socket for as long as it is held. It is got as
//! another process would get it, in a message over a pair of sockets (`SCM_RIGHTS`, unix(7)), since that takes numbers.

use nix::{
    errno::Errno,
    sys::socket::{self, ControlMessage, ControlMessageOwned, MsgFlags, Shutdown},
    unistd,
};
use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixDatagram,
    },
};

#[cfg(target_os = "linux")]
const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);
/// Rust programs ignore SIGPIPE unless told otherwise.
#[cfg(not(target_os = "linux"))]
const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT;

#[cfg(target_os = "linux")]
const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_CMSG_CLOEXEC);
#[cfg(not(target_os = "linux"))]
const RECEIVE: MsgFlags = MsgFlags::MSG_DONTWAIT;

/// As much as is thrown away in one go: who sends faster than this is read is not waited for.
const DISCARDED_AT_ONCE: usize = 8 << 20;

/// A duplicate of whatever has this number now; none where nothing has, and where no other numbers are left.
pub(super) fn duplicate(number: RawFd) -> Option<Duplicate> {
    let (outbox, inbox) = UnixDatagram::pair().ok()?;
    let number = [number];
    let contents = [ControlMessage::ScmRights(&number)];
    let payload = [IoSlice::new(&[0])];
    socket::sendmsg::<()>(outbox.as_raw_fd(), &payload, &contents, SEND, None).ok()?;
    let (mut payload, mut control) = ([0], nix::cmsg_space!(RawFd));
    let mut payload = [IoSliceMut::new(&mut payload)];
    let inbox = inbox.as_raw_fd();
    let message = socket::recvmsg::<()>(inbox, &mut payload, Some(&mut control), RECEIVE);
    let message = message.ok()?;
    message.cmsgs().ok()?.find_map(|content| match content {
        ControlMessageOwned::ScmRights(numbers) => numbers.first().copied().map(Duplicate),
        _ => None,
    })
}

/// A descriptor of our own. Nothing that is done with it waits.
pub(super) struct Duplicate(RawFd);

/// What was found to be thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Something,
    Nothing,
    /// Nothing more will be read.
    ToTheEnd,
}

impl Duplicate {
    pub(super) fn number(&self) -> RawFd {
        self.0
    }

    pub(super) fn shut(&self, how: Shutdown) {
        // The client may have gone meanwhile, and then there is nothing left to do.
        let _ = socket::shutdown(self.0, how);
    }

    /// Takes bytes that nobody will read out of the socket's buffer.
    pub(super) fn discard(&self) -> Found {
        let mut scratch = [0; 16 * 1024];
        let mut count = 0;
        while count < DISCARDED_AT_ONCE {
            match socket::recv(self.0, &mut scratch, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Found::ToTheEnd,
                Ok(more) => count += more,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if count == 0 => return Found::Nothing,
                Err(Errno::EAGAIN) => break,
                Err(_) => return Found::ToTheEnd,
            }
        }
        Found::Something
    }

    /// Whether nothing more will be read: the client has said that it will send no more, or somebody on this side that
    /// it will read no more, and all that came before has been read.
    pub(super) fn is_at_end(&self) -> bool {
        !matches!(peek(self.0), Ok(1) | Err(Errno::EAGAIN))
    }
}

impl Write for Duplicate {
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) where the client takes no more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(socket::send(self.0, bytes, SEND)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Duplicate {
    fn drop(&mut self) {
        // It is closed whatever is said of it.
        let _ = unistd::close(self.0);
    }
}

/// Looks at the next byte, and leaves it there.
pub(super) fn peek(number: RawFd) -> nix::Result<usize> {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    socket::recv(number, &mut [0], flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Read,
        net::{TcpListener, TcpStream},
    };

    fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    #[test]
    fn a_duplicate_outlives_the_number_it_was_made_from_and_leads_to_the_same_client() {
        let (mut client, server) = connected();
        let number = server.as_raw_fd();
        let mut ours = duplicate(number).unwrap();
        drop(server);
        // The number is free, and whoever comes next may have it.
        let _stranger = connected();
        ours.write_all(b"hello").unwrap();
        client.write_all(b"12345").unwrap();
        while ours.discard() != Found::Something {}
        assert_eq!(ours.discard(), Found::Nothing);
        ours.shut(Shutdown::Write);
        let mut read = String::new();
        client.read_to_string(&mut read).unwrap();
        assert_eq!(read, "hello");
        drop(client);
        while ours.discard() != Found::ToTheEnd {}
    }

    #[test]
    fn what_is_not_there_has_no_duplicate() {
        assert!(duplicate(1_000_000).is_none());
        let (_client, server) = connected();
        assert!(duplicate(server.as_raw_fd()).is_some());
    }
}
