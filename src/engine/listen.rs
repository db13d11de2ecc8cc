//! Listening sockets, with every option that accepted connections are to have.
//!
//! On Linux an accepted socket inherits its listener's options, so what is set here once holds for every connection,
//! whoever accepts it. Elsewhere the engine that accepts has to set what it needs again.

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

/// How many connections may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// After so long without an acknowledgement a peer counts as gone, whatever the kernel's own retries would say.
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// A peer that has been silent for so long is asked whether it is still there, so that half-open connections end.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Listens on `host` and `port`. Without a host that is `::` for IPv6 and IPv4, or `0.0.0.0` where IPv6 is off.
///
/// # Errors
/// Where the address cannot be bound; the error names it.
pub(crate) fn bind(host: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    let try_on = |host: IpAddr| listen(SocketAddr::new(host, port));
    match host {
        Some(host) => try_on(host),
        None => match try_on(Ipv6Addr::UNSPECIFIED.into()) {
            Err(error) if lacks_ipv6(&error) => try_on(Ipv4Addr::UNSPECIFIED.into()),
            bound => bound,
        },
    }
    .map_err(|error| name_address(&error, host, port))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restarted service must not wait for the connections of its predecessor to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The address of a client as it would have it itself: on a listener for both families the kernel says
/// `::ffff:192.0.2.1` of one that has 192.0.2.1 (RFC 4291, section 2.5.5.2).
pub(crate) fn canonical_peer(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, peer.port()),
        // As it is, for a link-local address has a scope.
        IpAddr::V6(_) => peer,
    }
}

/// Whether this is how a system without IPv6 answers: no such family, or no such address.
fn lacks_ipv6(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL | Errno::EPROTONOSUPPORT)
    )
}

fn name_address(error: &io::Error, host: Option<IpAddr>, port: u16) -> io::Error {
    let address = SocketAddr::new(host.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn without_a_host_clients_of_both_families_are_served() {
        let listener = bind(None, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn an_ipv4_client_has_an_ipv4_address_and_others_have_their_own() {
        for (peer, shown) in [
            ("[::ffff:192.0.2.1]:80", "192.0.2.1:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::192.0.2.1]:80", "[::c000:201]:80"),
            ("[fe80::1%2]:80", "[fe80::1%2]:80"),
        ] {
            let peer: SocketAddr = peer.parse().unwrap();
            assert_eq!(canonical_peer(peer).to_string(), shown);
        }
    }

    #[test]
    fn a_port_in_use_is_named_in_the_error() {
        let host = Some(Ipv4Addr::LOCALHOST.into());
        let taken = bind(host, 0).unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(host, address.port()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_connection_sends_at_once_and_notices_a_dead_peer() {
        let listener = bind(Some(Ipv4Addr::LOCALHOST.into()), 0).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let options = socket2::SockRef::from(&accepted);
        assert!(options.tcp_nodelay().unwrap() && options.keepalive().unwrap());
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        assert_eq!(
            options.tcp_keepalive_time().unwrap(),
            Duration::from_secs(60)
        );
    }
}
