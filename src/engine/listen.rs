//! Listening sockets, with every option that accepted connections are to have.
//!
//! On Linux an accepted socket inherits its listener's options, so what is set here once holds for every connection,
//! whoever accepts it. Elsewhere the engine that accepts has to set what it needs again.

use crate::config::table::Config;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener},
    os::fd::AsFd,
    time::Duration,
};

/// How many connections may wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
pub(crate) const BACKLOG: i32 = 4096;

/// When a peer that has vanished without a word counts as gone, in whole seconds, as the kernel takes them.
///
/// Nothing else ends a connection whose handler waits, or whose stream has nothing to say. All others are ended by the
/// timeouts that are configured, and no peer may count as gone in the time that one of these gives it: that end is a
/// reset, of which the log knows nothing.
///
/// On Linux, `TCP_USER_TIMEOUT` is one time for three things (tcp(7), RFC 5482): sent data that is not acknowledged; a
/// closed window, even where each of its probes is answered; and keep-alive probes, whose number it overrides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerTimeout {
    user_timeout: u64,
    /// A peer of which no segment has come for so long is asked whether it is still there.
    keepalive_time: u64,
    /// Between two such questions.
    keepalive_interval: u64,
}

impl PeerTimeout {
    /// However short the configured timeouts are: any link may be down for a while.
    const LEAST: u64 = 30;
    /// In milliseconds, it has to fit into an `int`.
    const MOST: u64 = i32::MAX as u64 / 1000;
    /// Routers and balancers on the way forget a connection that says nothing for minutes.
    const LONGEST_SILENCE: u64 = 60;
    /// How many questions stay without an answer before the peer counts as gone.
    const RETRIES: u32 = 3;
    /// Linux takes no longer one.
    const LONGEST_INTERVAL: u64 = i16::MAX as u64;

    /// A fifth longer than the longest of the configured timeouts, so that this ends the connection first.
    pub(crate) fn of(config: &Config) -> PeerTimeout {
        let timeouts = [
            config.head_timeout,
            config.body_timeout,
            config.write_timeout,
            config.keep_alive_timeout,
        ];
        let longest = timeouts.into_iter().max().unwrap_or_default();
        let enough = longest.as_secs_f64() * 1.2;
        let user_timeout = (enough.ceil() as u64).clamp(PeerTimeout::LEAST, PeerTimeout::MOST);
        let keepalive_time = (user_timeout * 2 / 3).min(PeerTimeout::LONGEST_SILENCE);
        let interval = (user_timeout - keepalive_time) / u64::from(PeerTimeout::RETRIES);
        PeerTimeout {
            user_timeout,
            keepalive_time,
            keepalive_interval: interval.min(PeerTimeout::LONGEST_INTERVAL),
        }
    }

    fn set_on(self, socket: &Socket) -> io::Result<()> {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(self.keepalive_time))
            .with_interval(Duration::from_secs(self.keepalive_interval))
            .with_retries(PeerTimeout::RETRIES);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket.set_tcp_user_timeout(Some(Duration::from_secs(self.user_timeout)))?;
        Ok(())
    }
}

/// Listens on `host` and `port`. Without a host that is `::` for IPv6 and IPv4, or `0.0.0.0` where IPv6 is off.
///
/// # Errors
/// Where the address cannot be bound; the error names it.
pub(crate) fn bind(
    host: Option<IpAddr>,
    port: u16,
    peer_timeout: PeerTimeout,
) -> io::Result<TcpListener> {
    let try_on = |host: IpAddr| listen(SocketAddr::new(host, port), peer_timeout);
    match host {
        Some(host) => try_on(host),
        None => match try_on(Ipv6Addr::UNSPECIFIED.into()) {
            Err(error) if lacks_ipv6(&error) => try_on(Ipv4Addr::UNSPECIFIED.into()),
            bound => bound,
        },
    }
    .map_err(|error| name_address(&error, host, port))
}

fn listen(address: SocketAddr, peer_timeout: PeerTimeout) -> io::Result<TcpListener> {
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
    peer_timeout.set_on(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Ends listening, whoever else has the listener. A child process has it from its `fork` to its `exec`, and a client
/// that connects meanwhile would be answered by nobody.
pub(crate) fn stop(listener: &impl AsFd) {
    // Fails where it was done before.
    let _ = SockRef::from(listener).shutdown(Shutdown::Both);
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

    const LOCALHOST: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));

    #[test]
    fn without_a_host_clients_of_both_families_are_served() {
        let listener = bind(None, 0, PeerTimeout::of(&Config::default())).unwrap();
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
        let peer_timeout = PeerTimeout::of(&Config::default());
        let taken = bind(LOCALHOST, 0, peer_timeout).unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(LOCALHOST, address.port(), peer_timeout).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }

    /// What the kernel says of a connection that a listener has accepted.
    #[cfg(target_os = "linux")]
    fn accepted_with(config: &Config) -> Socket {
        let listener = bind(LOCALHOST, 0, PeerTimeout::of(config)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap().0.into()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_accepted_connection_sends_at_once_and_notices_a_dead_peer() {
        let accepted = accepted_with(&Config::default());
        assert!(accepted.tcp_nodelay().unwrap() && accepted.keepalive().unwrap());
        let seconds = Duration::from_secs;
        // Longer than KEEP_ALIVE_TIMEOUT, the longest default.
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(seconds(90)));
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), seconds(60));
        assert_eq!(accepted.tcp_keepalive_interval().unwrap(), seconds(10));
        assert_eq!(accepted.tcp_keepalive_retries().unwrap(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn no_peer_counts_as_gone_in_the_time_that_a_setting_gives_it() {
        let settings = [
            "HEAD_TIMEOUT",
            "BODY_TIMEOUT",
            "WRITE_TIMEOUT",
            "KEEP_ALIVE_TIMEOUT",
        ];
        for value in ["1ms", "36s", "75500ms", "10m", "24h"] {
            for name in settings {
                let config = Config::from_pairs(
                    settings.map(|other| (other, if other == name { value } else { "1s" })),
                )
                .unwrap();
                let given = [
                    config.head_timeout,
                    config.body_timeout,
                    config.write_timeout,
                    config.keep_alive_timeout,
                ];
                let given = given.into_iter().max().unwrap();
                let accepted = accepted_with(&config);
                let user_timeout = accepted.tcp_user_timeout().unwrap().unwrap();
                let probes = accepted.tcp_keepalive_time().unwrap()
                    + accepted.tcp_keepalive_interval().unwrap()
                        * accepted.tcp_keepalive_retries().unwrap();
                assert!(user_timeout > given, "{name}={value}: {user_timeout:?}");
                assert!(probes > given, "{name}={value}: {probes:?}");
                assert!(
                    user_timeout >= probes,
                    "{name}={value}: {user_timeout:?} cuts the probes' {probes:?} short"
                );
                assert!(
                    user_timeout
                        <= (given * 6 / 5).max(Duration::from_secs(30)) + Duration::from_secs(1),
                    "{name}={value}: dead peers are held for {user_timeout:?}"
                );
            }
        }
    }
}
