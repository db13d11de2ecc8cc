//! Where a URL leads.

use super::remaining;
use crate::resolve::resolve;
use http::Uri;
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
    /// What is wrong with the URL; it names the `example` as one that is right.
    pub(crate) fn parse(url: &str, example: &str) -> Result<Target, String> {
        let expected = format!("expected a URL such as {example}");
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("{expected}: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(format!("{expected}: TLS is not spoken here")),
            _ => return Err(expected),
        }
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
            .ok_or_else(|| expected.clone())?;
        if authority.as_str().contains('@') {
            return Err(format!("{expected}, without a user"));
        }
        let host = authority.host();
        let port = match authority.as_str()[host.len()..].strip_prefix(':') {
            None | Some("") => 80,
            Some(_) => authority
                .port_u16()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("{expected}: a port is from 1 to 65535"))?,
        };
        Ok(Target {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.as_str().trim_end_matches(':').to_owned(),
            path: match uri.path_and_query().map_or("/", |path| path.as_str()) {
                // A query right behind the host.
                query if query.starts_with('?') => format!("/{query}"),
                path => path.to_owned(),
            },
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
