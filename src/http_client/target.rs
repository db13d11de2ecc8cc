//! Where a URL leads.

use super::remaining;
use crate::resolve::resolve;
use std::{net::TcpStream, time::Instant};

/// Where a URL leads: `http://` with a host and no user; TLS is not spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the `Host` field has it.
    pub(crate) authority: String,
    /// With the query.
    pub(crate) path: String,
}

impl Target {
    /// # Errors
    /// What is wrong with the URL, to be read behind "expected a URL such as ...".
    pub(crate) fn parse(url: &str) -> Result<Target, &'static str> {
        let after = |scheme: &str| {
            let (start, rest) = url.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        if after("https://").is_some() {
            return Err(": TLS is not spoken here");
        }
        let rest = after("http://").ok_or("")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(", without a user");
        }
        // A colon within brackets is an IPv6 address's.
        let colon = authority
            .rfind(':')
            .filter(|colon| !authority[*colon..].contains(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let is_host = !host.is_empty() && (is_bracketed || !host.contains(':'));
        if !is_host || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("");
        }
        let port = parse_port(port).ok_or(": a port is from 1 to 65535")?;
        // A fragment is the client's own.
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Target {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.trim_end_matches(':').to_owned(),
            path: [slash, path].concat(),
        })
    }

    /// Opens a connection to whichever address of the host takes one.
    ///
    /// # Errors
    /// Each address that was tried, with why it did not take one.
    pub(crate) fn connect(&self, deadline: Instant) -> Result<TcpStream, String> {
        connect(&self.host, self.port, deadline)
    }
}

/// The port behind a host, colon and all; that of HTTP where there is none.
fn parse_port(given: &str) -> Option<u16> {
    match given.trim_start_matches(':') {
        "" => Some(80),
        // `parse` alone would take "+80".
        port if port.starts_with('+') => None,
        port => port.parse().ok().filter(|port| *port > 0),
    }
}

/// Opens a connection to whichever address of the host takes one; each has half of the time that is left.
pub(crate) fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, String> {
    let addresses = resolve(host, port).map_err(|error| error.to_string())?;
    let mut problems = Vec::new();
    for address in addresses {
        let connected =
            remaining(deadline).and_then(|left| TcpStream::connect_timeout(&address, left / 2));
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => problems.push(format!("{address}: {error}")),
        }
    }
    match problems.is_empty() {
        true => Err(format!("{host} has no address")),
        false => Err(problems.join("; ")),
    }
}

#[cfg(test)]
mod tests;
