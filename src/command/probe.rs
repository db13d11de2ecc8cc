//! The `probe` command's client: one request to a local probe endpoint, bounded in time and bytes.
//!
//! It makes an exec probe and a `HEALTHCHECK` possible in an image that has no shell and no curl.

use crate::http_client::{self, remaining};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How long the command waits for the whole answer: what Kubernetes allows a probe by default.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// Which probe to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    Live,
    Ready,
    Startup,
}

impl Probe {
    /// The probe that goes by `word` on the command line.
    pub(crate) fn named(word: &str) -> Option<Probe> {
        match word {
            "live" => Some(Probe::Live),
            "ready" => Some(Probe::Ready),
            "startup" => Some(Probe::Startup),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Probe::Live => "/livez",
            Probe::Ready => "/readyz",
            Probe::Startup => "/startupz",
        }
    }
}

/// Asks the server at `host` and `port`, over loopback where it listens on every address (a wildcard or `None`).
/// Passes on a status from 200 to 399, as the kubelet does; else says on one line what was asked and what came back.
/// Everything together takes at most `timeout`.
pub(crate) fn ask(
    host: Option<IpAddr>,
    port: u16,
    what: Probe,
    timeout: Duration,
) -> Result<(), String> {
    if port == 0 {
        return Err(
            "PORT is 0, so the port that the server picked cannot be known here".to_owned(),
        );
    }
    let deadline = Instant::now() + timeout;
    let (address, stream) = connect(host, port, deadline)?;
    let failed = |problem: String| format!("http://{address}{}: {problem}", what.path());
    let answer = http_client::get(stream, &address.to_string(), what.path(), deadline)
        .map_err(|error| failed(explain(&error, timeout)))?;
    match answer.passes() {
        true => Ok(()),
        false => Err(failed(
            format!("{} {}", answer.status(), answer.telling_line())
                .trim_end()
                .to_owned(),
        )),
    }
}

pub(super) fn connect(
    host: Option<IpAddr>,
    port: u16,
    deadline: Instant,
) -> Result<(SocketAddr, TcpStream), String> {
    let mut problems = Vec::new();
    for ip in reachable_at(host) {
        let address = SocketAddr::new(ip, port);
        match remaining(deadline).and_then(|left| TcpStream::connect_timeout(&address, left)) {
            Ok(stream) => return Ok((address, stream)),
            Err(error) => problems.push(format!("{address}: cannot connect: {error}")),
        }
    }
    Err(problems.join("; "))
}

/// The addresses at which a server bound to `host` answers, the likelier first.
fn reachable_at(host: Option<IpAddr>) -> Vec<IpAddr> {
    match host {
        Some(IpAddr::V4(ip)) if ip.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
        Some(ip) if !ip.is_unspecified() => vec![ip],
        _ => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    }
}

fn explain(error: &io::Error, timeout: Duration) -> String {
    match http_client::is_timeout(error) {
        true => format!("no answer within {} ms", timeout.as_millis()),
        false => error.to_string(),
    }
}
