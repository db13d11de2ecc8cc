//! One GET over a connection that is open already, bounded in time and bytes: for the `probe` command, and for checks
//! that ask another service.

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
pub(crate) fn get(
    mut stream: TcpStream,
    authority: &str,
    path: &str,
    deadline: Instant,
) -> io::Result<Answer> {
    stream.set_write_timeout(Some(remaining(deadline)?))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
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

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether it is one of the statuses that pass a probe of the kubelet's.
    pub(crate) fn passes(&self) -> bool {
        (200..400).contains(&self.status)
    }

    /// Whether there is nothing to wait for: a probe that passed needs no body.
    fn is_whole(&self) -> bool {
        self.passes() || self.length.is_some_and(|length| self.body.len() >= length)
    }

    /// The line of the body that says most: the first check that failed, else the first line.
    pub(crate) fn telling_line(&self) -> String {
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
