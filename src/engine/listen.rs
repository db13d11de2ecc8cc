//! Listeners (placeholder until the shared one is in place).
use std::{io, net::{IpAddr, TcpListener, SocketAddr, Ipv6Addr}};
pub(crate) fn bind(host: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::new(host.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port))
}
