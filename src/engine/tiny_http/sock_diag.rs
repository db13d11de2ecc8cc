//! What the kernel knows of a connection whose descriptor belongs to somebody else (sock_diag(7)).
//!
//! tiny_http reads on its own, and nothing of it shows before a request is whole. The kernel knows more: how much has
//! arrived and when, and who has ended what.

use nix::sys::socket::{self, AddressFamily, MsgFlags};
use std::{
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

// From linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h, which do not change.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_NOCOOKIE: [u8; 8] = [u8::MAX; 8];
const ALL_STATES: [u8; 4] = [u8::MAX; 4];
/// From here on the client has ended the connection, but for `TCP_LISTEN`, which none has.
const TCP_TIME_WAIT: u8 = 6;
const TCP_LISTEN: u8 = 10;
/// The length of `nlmsghdr`, and where the parts of an answer are that come behind it.
const HEADER: usize = 16;
const STATE: usize = HEADER + 1;
const UNREAD: usize = HEADER + 56;
const UNSENT: usize = HEADER + 60;
const ATTRIBUTES: usize = HEADER + 72;
/// The same within `tcp_info`.
const LAST_DATA_RECEIVED: usize = 52;
const BYTES_RECEIVED: usize = 128;

/// The kernel keeps time in ticks of 1 to 10 ms, and an age is the difference of two.
pub(super) const TICKS: Duration = Duration::from_millis(20);

/// What is known of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Diagnosis {
    /// Whether the client has said that it will send no more. That this side will read no more is something else.
    pub(super) client_has_ended: bool,
    /// Bytes that have arrived since the connection was made.
    pub(super) received: u64,
    /// Those of them that nobody has read yet.
    pub(super) unread: u64,
    /// Bytes that were written and that the client's side has not acknowledged yet.
    pub(super) unsent: u64,
    /// How long ago the last byte arrived, give or take [`TICKS`].
    pub(super) last_received: Duration,
}

/// Answers questions about the connections of this network namespace, one at a time, where the kernel does.
pub(super) struct SockDiag(Option<OwnedFd>);

impl SockDiag {
    #[cfg(target_os = "linux")]
    pub(super) fn open() -> SockDiag {
        let kind = (socket::SockType::Datagram, socket::SockFlag::SOCK_CLOEXEC);
        let protocol = socket::SockProtocol::NetlinkSockDiag;
        let socket = socket::socket(AddressFamily::Netlink, kind.0, kind.1, protocol);
        SockDiag(socket.ok())
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn open() -> SockDiag {
        SockDiag(None)
    }

    /// What is known of the connection between these two; none where there is none, or nobody to ask.
    pub(super) fn ask(&mut self, local: SocketAddr, peer: SocketAddr) -> Option<Diagnosis> {
        let number = self.0.as_ref()?.as_raw_fd();
        socket::send(number, &question(local, peer), MsgFlags::empty()).ok()?;
        let mut answer = [0; 2048];
        // It was answered before `send` returned.
        let count = socket::recv(number, &mut answer, MsgFlags::MSG_DONTWAIT);
        read(&answer[..count.ok()?])
    }
}

fn question(local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let family = match local {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let mut question = Vec::with_capacity(72);
    question.extend([0; 4]);
    question.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    question.extend(NLM_F_REQUEST.to_ne_bytes());
    // Neither a sequence number nor a sender: there is one question at a time.
    question.extend([0; 8]);
    question.extend([family as u8, IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0]);
    question.extend(ALL_STATES);
    question.extend(local.port().to_be_bytes());
    question.extend(peer.port().to_be_bytes());
    question.extend(padded(local.ip()));
    question.extend(padded(peer.ip()));
    // On any interface.
    question.extend([0; 4]);
    question.extend(INET_DIAG_NOCOOKIE);
    let length = question.len() as u32;
    question[..4].copy_from_slice(&length.to_ne_bytes());
    question
}

fn padded(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
    }
}

fn read(answer: &[u8]) -> Option<Diagnosis> {
    let state = *answer.get(STATE)?;
    // Where there is no such connection, the kernel tells of the listener.
    if u16_at(answer, 4)? != SOCK_DIAG_BY_FAMILY || state == TCP_LISTEN {
        return None;
    }
    let info = attribute(answer.get(ATTRIBUTES..)?, INET_DIAG_INFO)?;
    let client_has_ended = state >= TCP_TIME_WAIT;
    // To the kernel the end is one byte more that has arrived, and that is unread until somebody has come to it.
    let end = u64::from(client_has_ended);
    Some(Diagnosis {
        client_has_ended,
        received: u64::from_ne_bytes(at(info, BYTES_RECEIVED)?).saturating_sub(end),
        unread: u64::from(u32_at(answer, UNREAD)?).saturating_sub(end),
        unsent: u32_at(answer, UNSENT)?.into(),
        last_received: Duration::from_millis(u32_at(info, LAST_DATA_RECEIVED)?.into()),
    })
}

fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (length, kind) = (usize::from(u16_at(attributes, 0)?), u16_at(attributes, 2)?);
        if kind == wanted {
            return attributes.get(4..length);
        }
        // Each begins at a multiple of four.
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], index: usize) -> Option<u16> {
    at(bytes, index).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], index: usize) -> Option<u32> {
    at(bytes, index).map(u32::from_ne_bytes)
}

fn at<const N: usize>(bytes: &[u8], index: usize) -> Option<[u8; N]> {
    bytes.get(index..index + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream},
        thread,
    };

    fn connected(listen_on: IpAddr, connect_to: IpAddr) -> Option<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind((listen_on, 0)).ok()?;
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect((connect_to, port)).unwrap();
        Some((client, listener.accept().unwrap().0))
    }

    /// Says so where it does not.
    fn kernel_answers() -> bool {
        let localhost = Ipv4Addr::LOCALHOST.into();
        let (_client, server) = connected(localhost, localhost).unwrap();
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        let answers = SockDiag::open().ask(local, peer).is_some();
        if !answers {
            let _ = writeln!(
                std::io::stderr(),
                "note: skipped: this kernel has no sock_diag"
            );
        }
        answers
    }

    fn ask(diag: &mut SockDiag, server: &TcpStream) -> Diagnosis {
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        diag.ask(local, peer).expect("the kernel knows")
    }

    #[test]
    fn the_kernel_tells_what_has_arrived_and_what_was_read_of_it() {
        if !kernel_answers() {
            return;
        }
        let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
        let any = IpAddr::from(Ipv6Addr::UNSPECIFIED);
        for (listen_on, connect_to) in [(v4, v4), (any, v4), (any, Ipv6Addr::LOCALHOST.into())] {
            let Some((mut client, mut server)) = connected(listen_on, connect_to) else {
                continue;
            };
            let mut diag = SockDiag::open();
            assert_eq!(ask(&mut diag, &server).received, 0);
            client.write_all(b"hello").unwrap();
            server.read_exact(&mut [0; 2]).unwrap();
            let now = ask(&mut diag, &server);
            assert_eq!((now.received, now.unread), (5, 3), "{listen_on}");
            assert_eq!(now.unsent, 0);
            assert!(!now.client_has_ended && now.last_received < Duration::from_secs(10));
            thread::sleep(Duration::from_millis(100));
            assert!(ask(&mut diag, &server).last_received > Duration::from_millis(60));
        }
    }

    #[test]
    fn a_client_that_has_ended_is_told_from_a_server_that_reads_no_more() {
        if !kernel_answers() {
            return;
        }
        let localhost = Ipv4Addr::LOCALHOST.into();
        let (client, server) = connected(localhost, localhost).unwrap();
        let mut diag = SockDiag::open();
        server.shutdown(Shutdown::Read).unwrap();
        assert!(!ask(&mut diag, &server).client_has_ended);
        client.shutdown(Shutdown::Write).unwrap();
        assert!(ask(&mut diag, &server).client_has_ended);
    }

    #[test]
    fn the_end_is_no_byte_of_a_request() {
        if !kernel_answers() {
            return;
        }
        let localhost = Ipv4Addr::LOCALHOST.into();
        let (mut client, mut server) = connected(localhost, localhost).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut diag = SockDiag::open();
        for (to_read, unread) in [(0, 5), (5, 0), (1, 0)] {
            let _ = server.read(&mut [0; 5][..to_read]).unwrap();
            let now = ask(&mut diag, &server);
            assert!(now.client_has_ended);
            assert_eq!((now.received, now.unread), (5, unread), "{to_read}");
        }
    }

    #[test]
    fn what_the_client_does_not_take_is_unsent() {
        if !kernel_answers() {
            return;
        }
        let localhost = Ipv4Addr::LOCALHOST.into();
        let (_client, mut server) = connected(localhost, localhost).unwrap();
        server.set_nonblocking(true).unwrap();
        let piece = [b'x'; 64 * 1024];
        while server.write(&piece).is_ok() {}
        assert!(ask(&mut SockDiag::open(), &server).unsent > piece.len() as u64);
    }

    #[test]
    fn of_what_is_no_connection_nothing_is_known() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut diag = SockDiag::open();
        assert_eq!(diag.ask(listener.local_addr().unwrap(), nobody), None);
    }
}
