//! One request over a connection that is open already, bounded in time and bytes: for the `probe` command, for checks
//! that ask another service, and for the export of traces.

pub(crate) mod target;

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// A probe's answer is a few lines; more is not read.
const LONGEST_ANSWER: usize = 16 * 1024;

/// The report is one line, of which this much of the answer's body at most.
const LONGEST_EXCERPT: usize = 200;

/// Asks for `path`, and waits until the deadline for as much of the answer as tells whether it passes.
///
/// # Errors
/// Where it does not come in time, or is not HTTP.
pub(crate) fn get(
    mut stream: TcpStream,
    authority: &str,
    path: &str,
    deadline: Instant,
) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    // A probe that passed needs no body.
    let is_enough = |answer: &Answer| answer.passes() || answer.is_whole();
    exchange(&mut stream, request.as_bytes(), deadline, is_enough)
}

/// Sends a request, and waits until the deadline for as much of its answer as is enough.
///
/// # Errors
/// Where it does not come in time, or is not HTTP.
pub(crate) fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    deadline: Instant,
    is_enough: impl Fn(&Answer) -> bool,
) -> io::Result<Answer> {
    write_before(deadline, stream, request)?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let ended = match read_before(deadline, stream, &mut chunk) {
            Ok(length) => {
                bytes.extend_from_slice(&chunk[..length]);
                length == 0 || bytes.len() >= LONGEST_ANSWER
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => false,
            // Once there is a status, the rest is only for the message.
            Err(error) => Answer::parse(&bytes).map_or(Err(error), |_| Ok(true))?,
        };
        match Answer::parse(&bytes) {
            Some(answer) if ended || is_enough(&answer) => return Ok(answer),
            None if ended => return Err(io::Error::other("the answer is not HTTP")),
            _ => {}
        }
    }
}

fn write_before(deadline: Instant, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(remaining(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_before(deadline: Instant, stream: &mut TcpStream, chunk: &mut [u8]) -> io::Result<usize> {
    stream.set_read_timeout(Some(remaining(deadline)?))?;
    stream.read(chunk)
}

/// The time left, never zero since sockets take that for "no limit".
pub(crate) fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

/// Whether the time was up.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
    )
}

/// What has come of a response, its head complete.
pub(crate) struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Reads a response as far as it has come; `None` until the head is there.
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.strip_prefix("HTTP/1.")?.get(1..5)?.strip_prefix(' ')?;
        // `parse` alone would take "+20" for a status.
        let status = status
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then_some(status)?;
        Some(Answer {
            status: status.parse().ok()?,
            head,
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// The value of a header field, the last one where there are several.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.split("\r\n").skip(1);
        let fields = fields.filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.last().map(|(_, value)| value.trim())
    }

    fn length(&self) -> Option<usize> {
        self.field("content-length")?.parse().ok()
    }

    /// As much of the body as has come.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether it is one of the statuses that pass a probe of the kubelet's.
    pub(crate) fn passes(&self) -> bool {
        (200..400).contains(&self.status)
    }

    /// Whether the length that it tells has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.length()
            .is_some_and(|length| self.body.len() >= length)
    }

    pub(crate) fn has_length(&self) -> bool {
        self.length().is_some()
    }

    /// Whether another request may follow on its connection: RFC 9112 section 9.3. One whose end is told by other means
    /// than its length counts as the last.
    pub(crate) fn keeps_alive(&self) -> bool {
        let closes = self
            .field("connection")
            .is_some_and(|value| value.to_ascii_lowercase().contains("close"));
        self.head.starts_with("HTTP/1.1")
            && !closes
            && self.field("transfer-encoding").is_none()
            && self.length() == Some(self.body.len())
    }

    /// The line of the body that says most: the first check that failed, else the first line.
    pub(crate) fn telling_line(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let line = body
            .lines()
            .find(|line| line.starts_with("[-]"))
            .or(body.lines().next())
            .unwrap_or("");
        line.chars()
            .take(LONGEST_EXCERPT)
            .map(|c| if c.is_control() { '?' } else { c })
            .collect()
    }
}
