//! Checks of what answers elsewhere: a TCP address, an HTTP URL.

use crate::{
    health::{
        check::{Check, Verdict},
        http_client,
    },
    resolve::resolve,
};
use http::Uri;
use std::{io, net::TcpStream, time::Instant};

impl<S: 'static> Check<S> {
    /// A check that passes where a TCP connection to `host`, a name or an IP address without brackets, and `port` can be
    /// opened; it is closed at once.
    ///
    /// Each family is asked for by itself, as [`resolve`](crate::resolve) does it, and every address is tried until one
    /// takes the connection, each for half of the time that is left of the [`timeout`](Check::timeout). While it fails
    /// the service is [`degraded`](Check::degraded), unless the check is made [`unready`](Check::unready).
    ///
    /// ```
    /// # use seaworthy::{Check, Service};
    /// let service = Service::new("shop")
    ///     .check(Check::tcp("cache", "redis", 6379))                  // slower without it
    ///     .check(Check::tcp("database", "postgres", 5432).unready()); // useless without it
    /// # let _ = service;
    /// ```
    #[must_use]
    pub fn tcp(name: &'static str, host: impl Into<String>, port: u16) -> Check<S> {
        let host = host.into();
        Check::blocking(name, move |_, deadline| {
            connect(&host, port, deadline).map(drop)
        })
    }

    /// A check that passes where a GET of `url`, such as `http://orders:8080/livez`, is answered with a status from 200
    /// to 399, as the kubelet judges it. A redirect is not followed.
    ///
    /// Connects as [`tcp`](Check::tcp) does. While it fails the service is [`degraded`](Check::degraded), unless the
    /// check is made [`unready`](Check::unready): two services that are unready without each other never start.
    ///
    /// ```
    /// # use seaworthy::{Check, Service};
    /// let orders = Check::http("orders", "http://orders:8080/livez").expect("this is a URL");
    /// let service = Service::new("shop").check(orders.every("5s"));
    /// # let _ = service;
    /// ```
    ///
    /// # Errors
    /// What is wrong with the URL: it has to be `http://` with a host and no user; TLS is not spoken.
    pub fn http(name: &'static str, url: &str) -> Result<Check<S>, String> {
        let target = Target::parse(url)?;
        Ok(Check::blocking(name, move |_, deadline| {
            target.ask(deadline)
        }))
    }
}

/// Opens a connection to whichever address of the host takes one.
fn connect(host: &str, port: u16, deadline: Instant) -> Result<TcpStream, String> {
    let addresses = resolve(host, port).map_err(|error| error.to_string())?;
    let mut problems = Vec::new();
    for address in addresses {
        let connected = http_client::remaining(deadline)
            .and_then(|left| TcpStream::connect_timeout(&address, left / 2));
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

/// Where a URL leads.
struct Target {
    /// Without brackets.
    host: String,
    port: u16,
    /// As the `Host` field has it.
    authority: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Target, String> {
        let expected = "expected a URL such as http://orders:8080/livez";
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("{expected}: {error}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(format!("{expected}: TLS is not spoken here")),
            _ => return Err(expected.to_owned()),
        }
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
            .ok_or(expected)?;
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

    fn ask(&self, deadline: Instant) -> Verdict {
        let stream = connect(&self.host, self.port, deadline)?;
        let answer = http_client::get(stream, &self.authority, &self.path, deadline);
        match answer {
            Ok(answer) if answer.passes() => Ok(()),
            Ok(answer) => Err(format!("it answers {}", answer.status())),
            Err(error) if http_client::is_timeout(&error) => Err("it does not answer".to_owned()),
            Err(error) => Err(io::Error::to_string(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
