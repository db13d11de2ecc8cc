//! The `probe` command's client: one request to a local probe endpoint, bounded in time and bytes.
//!
//! It makes an exec probe and a `HEALTHCHECK` possible in an image that has no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How long the command waits for the whole answer: what Kubernetes allows a probe by default.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A probe's answer is a few lines; more is not read.
const LONGEST_ANSWER: usize = 16 * 1024;

/// The report is one line, of which this much of the answer's body at most.
const LONGEST_EXCERPT: usize = 200;

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
    let answer = exchange(stream, address, what, deadline)
        .map_err(|error| failed(explain(&error, timeout)))?;
    match answer.status {
        200..=399 => Ok(()),
        status => Err(failed(
            format!("{status} {}", answer.telling_line())
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

fn exchange(
    mut stream: TcpStream,
    address: SocketAddr,
    what: Probe,
    deadline: Instant,
) -> io::Result<Answer> {
    stream.set_write_timeout(Some(remaining(deadline)?))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
        what.path()
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let ended = match read_before(deadline, &mut stream, &mut chunk) {
            Ok(length) => {
                bytes.extend_from_slice(&chunk[..length]);
                length == 0 || bytes.len() >= LONGEST_ANSWER
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            // Once there is a status, the rest is only for the message.
            Err(error) => Answer::parse(&bytes).map_or(Err(error), |_| Ok(true))?,
        };
        match Answer::parse(&bytes) {
            Some(answer) if ended || answer.is_whole() => return Ok(answer),
            None if ended => return Err(io::Error::other("the answer is not HTTP")),
            _ => {}
        }
    }
}

fn read_before(deadline: Instant, stream: &mut TcpStream, chunk: &mut [u8]) -> io::Result<usize> {
    stream.set_read_timeout(Some(remaining(deadline)?))?;
    stream.read(chunk)
}

/// The time left, never zero since sockets take that for "no limit".
fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

fn explain(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("no answer within {} ms", timeout.as_millis())
        }
        _ => error.to_string(),
    }
}

/// What has come of a response, its head complete.
struct Answer {
    status: u16,
    length: Option<usize>,
    body: String,
}

impl Answer {
    /// Reads a response as far as it has come; `None` until the head is there.
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines
            .next()?
            .strip_prefix("HTTP/1.")?
            .get(1..5)?
            .strip_prefix(' ')?;
        // `parse` alone would take "+20" for a status.
        let status = status
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then_some(status)?;
        let fields = lines.filter_map(|line| line.split_once(':'));
        let length = fields
            .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .last();
        Some(Answer {
            status: status.parse().ok()?,
            length: length.and_then(|(_, value)| value.trim().parse().ok()),
            body: String::from_utf8_lossy(&bytes[end + 4..]).into_owned(),
        })
    }

    /// Whether there is nothing to wait for: a probe that passed needs no body.
    fn is_whole(&self) -> bool {
        (200..400).contains(&self.status)
            || self.length.is_some_and(|length| self.body.len() >= length)
    }

    /// The line of the body that says most: the first check that failed, else the first line.
    fn telling_line(&self) -> String {
        let line = self
            .body
            .lines()
            .find(|line| line.starts_with("[-]"))
            .or(self.body.lines().next())
            .unwrap_or("");
        line.chars()
            .take(LONGEST_EXCERPT)
            .map(|c| if c.is_control() { '?' } else { c })
            .collect()
    }
}
