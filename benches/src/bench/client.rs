//! The little HTTP that no load generator does: ask once, and hold connections that idle.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use benches::GREETING;

const PATIENCE: Duration = Duration::from_secs(2);

pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// One request on a connection of its own: the status and the body.
pub fn ask(port: u16, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let mut socket = TcpStream::connect(address(port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    socket.write_all(&request)?;
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    // The limit does not see that the connection should be closed.
    while !is_whole(&answer) {
        match socket.read(&mut part)? {
            0 => break,
            length => answer.extend_from_slice(&part[..length]),
        }
    }
    parse(&answer).ok_or_else(|| io::Error::other("not an HTTP answer"))
}

pub fn is_ready(port: u16) -> bool {
    matches!(ask(port, "GET", "/readyz", b""), Ok((200, _)))
}

/// A connection that has had one answer and asks for nothing more.
pub fn idle_connection(port: u16) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address(port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = [0; 1024];
    let mut length = 0;
    while !answer[..length].trim_ascii_end().ends_with(GREETING.as_bytes()) {
        match socket.read(&mut answer[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => length += count,
        }
    }
    Ok(socket)
}

/// Whether a connection that idles is still open: there is nothing to read and no end either.
pub fn is_open(socket: &TcpStream) -> bool {
    let waiting = socket.set_nonblocking(true).and_then(|()| socket.peek(&mut [0]));
    matches!(waiting, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// As far as its head tells: a chunked answer lasts as long as the connection.
fn is_whole(answer: &[u8]) -> bool {
    let whole = split(answer).and_then(|(head, body)| {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
        Some(body.len() >= length.trim().parse().ok()?)
    });
    whole.unwrap_or(false)
}

/// The head in small letters, and what has come of the body.
fn split(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    Some((head, &answer[end + 4..]))
}

fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (head, body) = split(answer)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    if head.contains("\r\ntransfer-encoding: chunked") {
        return Some((status, unchunk(body)?));
    }
    Some((status, body.to_vec()))
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = rest.get(line + 2..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_answer() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(parse(answer), Some((200, b"ok".to_vec())));
    }

    #[test]
    fn a_chunked_answer() {
        let answer = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(parse(answer), Some((503, b"ok0123456789".to_vec())));
    }

    #[test]
    fn an_answer_is_whole_by_its_length() {
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    }

    #[test]
    fn a_cut_answer() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nok"), None);
    }
}
