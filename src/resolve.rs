//! The addresses of a host, one family at a time.

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

#[cfg(test)]
mod tests;

/// The addresses of `host`, a name or an IP address without brackets, each with `port`.
///
/// It finds what [`ToSocketAddrs`](std::net::ToSocketAddrs) finds, and more where a name server answers for one family
/// only. The standard library asks for both at once, and musl's resolver, which is the one of a static binary, fails the
/// name where either question is answered with an error, whatever the other has brought; some name servers answer every
/// question for IPv6 addresses so. Here each family is asked for by itself.
///
/// IPv4 comes first, unless this machine has a route for IPv6 alone. The second family is asked for when the addresses
/// of the first are used up: whoever connects to one of those does not wait for an error, which takes musl 5 s.
///
/// ```no_run
/// # use std::{io, net::TcpStream, time::Duration};
/// fn connect() -> io::Result<TcpStream> {
///     let mut addresses = seaworthy::resolve("database", 5432)?;
///     let connected = addresses.find_map(|address| TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok());
///     connected.ok_or_else(|| io::Error::other("no address of database:5432 can be reached"))
/// }
/// ```
///
/// Blocks the calling thread while a name server is asked, here and, for the second family, in the iterator's `next`:
/// each time at most as long as `/etc/resolv.conf` says, 5 s in musl where it says nothing. Nothing is cached.
///
/// # Errors
/// Where neither family has an address: names the host, and why for each family.
pub fn resolve(
    host: &str,
    port: u16,
) -> io::Result<impl Iterator<Item = SocketAddr> + Send + use<>> {
    let families = in_order(
        has_route_to(Ipv4Addr::new(192, 0, 2, 1).into()),
        has_route_to(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    );
    one_by_one(families, host.to_owned(), move |family, host| {
        look_up(family, host, port)
    })
}

/// The order in which to ask, where there is a route for IPv4, and for IPv6.
fn in_order(ipv4: bool, ipv6: bool) -> [AddrFamily; 2] {
    match !ipv4 && ipv6 {
        true => [AddrFamily::Inet6, AddrFamily::Inet],
        false => [AddrFamily::Inet, AddrFamily::Inet6],
    }
}

/// Whether packets to this address, one of those for documentation, would be sent anywhere; none is.
fn has_route_to(address: IpAddr) -> bool {
    let unspecified: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0));
    socket.is_ok_and(|socket| socket.connect((address, 9)).is_ok())
}

/// The addresses of the first family that has some, and then those of the families behind it, which are asked for only
/// when they are wanted.
fn one_by_one<Ask>(
    families: [AddrFamily; 2],
    host: String,
    ask: Ask,
) -> io::Result<impl Iterator<Item = SocketAddr> + use<Ask>>
where
    Ask: Fn(AddrFamily, &str) -> io::Result<Vec<SocketAddr>>,
{
    let mut families = families.into_iter();
    let mut problems = Vec::new();
    let found = families.find_map(|family| {
        let answer = ask(family, &host);
        answer
            .map_err(|problem| problems.push((family, problem)))
            .ok()
    });
    let found = found.ok_or_else(|| no_address(&host, &problems))?;
    let others = families.flat_map(move |family| ask(family, &host).unwrap_or_default());
    Ok(found.into_iter().chain(others))
}

fn look_up(family: AddrFamily, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let hints = AddrInfoHints {
        address: family.into(),
        // Without it every address comes once for each type.
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let with_port = |mut address: SocketAddr| {
        address.set_port(port);
        address
    };
    getaddrinfo(Some(host), None, Some(hints))?
        .map(|found| found.map(|found| with_port(found.sockaddr)))
        .collect()
}

fn no_address(host: &str, problems: &[(AddrFamily, io::Error)]) -> io::Error {
    let reasons = problems.iter().map(|(family, problem)| match family {
        AddrFamily::Inet6 => format!("IPv6: {problem}"),
        _ => format!("IPv4: {problem}"),
    });
    let reasons: Vec<String> = reasons.collect();
    io::Error::other(format!("{host} has no address: {}", reasons.join("; ")))
}
