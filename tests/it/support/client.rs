//! A client that believes nothing: it parses answers strictly and tells apart the ways in which one can be broken.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::response::{Framing, Response, parse_head, text};

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    patience: Duration,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection ended or was reset before the first byte.
    Closed,
    /// It ended in the middle.
    Cut(#[expect(dead_code, reason = "for the message")] String),
    /// Nothing more came for as long as the client waits.
    Silent(#[expect(dead_code, reason = "for the message")] String),
    /// What came is not HTTP.
    Malformed(String),
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Client> {
        Client::over(TcpStream::connect_timeout(&address, PATIENCE)?)
    }

    /// A client whose kernel takes in little before it is read, as behind a slow network.
    pub(crate) fn connect_narrow(address: SocketAddr) -> Client {
        Client::connect_with(address, |_| Ok(()))
    }

    /// The same in segments as a real network has them: so the server's kernel takes in little before it is sent, too.
    pub(crate) fn connect_far(address: SocketAddr) -> Client {
        Client::connect_with(address, |socket| socket.set_tcp_mss(1460))
    }

    fn connect_with(
        address: SocketAddr,
        set: impl FnOnce(&socket2::Socket) -> io::Result<()>,
    ) -> Client {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            None,
        )
        .expect("a socket can be made");
        socket
            .set_recv_buffer_size(4096)
            .and_then(|()| set(&socket))
            .expect("the options can be set");
        socket
            .connect(&address.into())
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Client::over(socket.into()).expect("a fresh connection takes options")
    }

    fn over(stream: TcpStream) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client {
            stream,
            unread: Vec::new(),
            patience: PATIENCE,
        })
    }

    /// Bounds every wait for bytes from now on.
    pub(crate) fn patience(mut self, patience: Duration) -> Client {
        self.patience = patience;
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a timeout can be set");
        self
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes)
            .unwrap_or_else(|error| panic!("the server took no bytes: {error}"));
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// No more bytes will be sent; answers can still be read.
    pub(crate) fn finish_sending(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("a connection can be half-closed");
    }

    /// Ends the connection with a reset, as a killed client's kernel does.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket
            .set_linger(Some(Duration::ZERO))
            .expect("linger can be set");
    }

    /// Sends a GET on this connection and reads its answer.
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.response()
    }

    /// Reads one answer to anything but HEAD.
    pub(crate) fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    pub(crate) fn response_to(&mut self, method: &str) -> Response {
        self.try_response_to(method)
            .unwrap_or_else(|broken| panic!("no whole answer: {broken:?}"))
    }

    pub(crate) fn try_response(&mut self) -> Result<Response, Broken> {
        self.try_response_to("GET")
    }

    pub(crate) fn try_response_to(&mut self, method: &str) -> Result<Response, Broken> {
        let head_end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.unread.drain(..head_end).collect();
        let mut response = parse_head(&head, method).map_err(Broken::Malformed)?;
        response.body = match response.framing {
            Framing::None => Vec::new(),
            Framing::Length(length) => self.exactly(length)?,
            Framing::Chunked => self.chunks()?,
            Framing::Close => self.rest()?,
        };
        Ok(response)
    }

    /// Reads exactly so many of the bytes that come next.
    pub(crate) fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        while self.unread.len() < length {
            self.more().map_err(|broken| broken.midway(&self.unread))?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    /// Undoes [`Client::exactly`].
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.unread.splice(..0, bytes.iter().copied());
    }

    /// Reads until the connection ends, in either way, and tells how many bytes came.
    pub(crate) fn count_to_end(&mut self) -> usize {
        let mut count = 0;
        loop {
            count += std::mem::take(&mut self.unread).len();
            match self.more() {
                Ok(()) => {}
                Err(Broken::Closed) => return count,
                Err(broken) => panic!("neither bytes nor an end after {count}: {broken:?}"),
            }
        }
    }

    /// Asserts that the connection ends, by either kind of close, and that not one more byte comes first.
    pub(crate) fn expect_close(&mut self) {
        match self.more() {
            Err(Broken::Closed) => {}
            Err(broken) => panic!("the connection should have been closed: {broken:?}"),
            Ok(()) => panic!("instead of a close came {:?}", text(&self.unread)),
        }
    }

    /// Whether bytes or an end can be read at this moment.
    pub(crate) fn has_news(&self) -> bool {
        self.stream
            .set_nonblocking(true)
            .expect("a socket can be made non-blocking");
        let seen = self.stream.peek(&mut [0]);
        self.stream
            .set_nonblocking(false)
            .expect("a socket can be made blocking");
        !matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return String::from_utf8(line[..at].to_vec())
                    .map_err(|error| Broken::Malformed(error.to_string()));
            }
            self.more().map_err(|broken| broken.midway(&self.unread))?;
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Broken> {
        let mut body = Vec::new();
        loop {
            match self.chunk()? {
                last if last.is_empty() => return Ok(body),
                chunk => body.extend(chunk),
            }
        }
    }

    /// Reads a chunk; the last one is empty.
    pub(crate) fn chunk(&mut self) -> Result<Vec<u8>, Broken> {
        let line = self.line()?;
        let size = usize::from_str_radix(&line, 16)
            .map_err(|_| Broken::Malformed(format!("a chunk's size is {line:?}")))?;
        let chunk = self.exactly(size)?;
        let end = self.line()?;
        match end.is_empty() {
            true => Ok(chunk),
            false if size == 0 => Err(Broken::Malformed(format!("a trailer {end:?}"))),
            false => Err(Broken::Malformed("a chunk without its line end".into())),
        }
    }

    fn rest(&mut self) -> Result<Vec<u8>, Broken> {
        loop {
            match self.read_some() {
                Ok(0) => return Ok(std::mem::take(&mut self.unread)),
                Ok(_) => {}
                Err(error) => return Err(broken(&error, &self.unread)),
            }
        }
    }

    /// Waits for at least one more byte.
    fn more(&mut self) -> Result<(), Broken> {
        match self.read_some() {
            Ok(0) if self.unread.is_empty() => Err(Broken::Closed),
            Ok(0) => Err(Broken::Cut(text(&self.unread))),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(&error, &self.unread)),
        }
    }

    fn read_some(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 65536];
        let started = Instant::now();
        loop {
            match self.stream.read(&mut buffer) {
                Err(error)
                    if error.kind() == io::ErrorKind::Interrupted
                        && started.elapsed() < self.patience => {}
                Err(error) => return Err(error),
                Ok(count) => {
                    self.unread.extend_from_slice(&buffer[..count]);
                    return Ok(count);
                }
            }
        }
    }
}

impl Broken {
    /// An end inside an answer is a cut one, wherever the buffer happened to be empty.
    fn midway(self, got: &[u8]) -> Broken {
        match self {
            Broken::Closed => Broken::Cut(text(got)),
            other => other,
        }
    }
}

/// One GET on a connection of its own, as a kubelet probes: `Connection: close` is asked for and must be kept.
#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> Response {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    ));
    let response = client
        .try_response()
        .unwrap_or_else(|broken| panic!("GET {path}: {broken:?}"));
    assert!(
        response.closes(),
        "asked to close and not saying so: {:?}",
        response.headers
    );
    client.expect_close();
    response
}

fn broken(error: &io::Error, got: &[u8]) -> Broken {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Broken::Silent(text(got)),
        _ if got.is_empty() => Broken::Closed,
        _ => Broken::Cut(format!("{} ({error})", text(got))),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
