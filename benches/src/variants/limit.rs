//! No server, but what the kernel asks of each: one thread, one epoll, one `recv` and one `send`
//! a request, and of the request nothing is looked at but where its head ends. Whatever is asked
//! for, the answer is the greeting. A client that sends its next request before it has an answer
//! is not one that this is for.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use benches::GREETING;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const HEAD_END: [u8; 4] = *b"\r\n\r\n";
const BUFFER: usize = 16 * 1024;

fn main() -> io::Result<()> {
    let (host, port) = benches::address();
    let address = SocketAddr::new(host.parse().expect("an address"), port);
    let mut listener = TcpListener::bind(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;

    // What the client wishes it does not read, so it is told where each request is the last one.
    let closes = std::env::var_os("CLOSE").is_some();
    let answer = answer(closes);
    let mut connections = Connections::default();
    let mut events = Events::with_capacity(512);
    let mut buffer = [0; BUFFER];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            done => done?,
        }
        for event in &events {
            if event.token() == LISTENER {
                connections.accept(&listener, &poll)?;
                continue;
            }
            let Token(place) = event.token();
            let Some(connection) = &mut connections.places[place] else { continue };
            let ends = match connection.serve(&mut buffer, &answer) {
                Ok(answered) => event.is_read_closed() || (closes && answered),
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
            if ends {
                connections.close(place);
            }
        }
    }
}

/// Each at the place that its token names.
#[derive(Default)]
struct Connections {
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Connections {
    /// All that wait, of whom the poll tells but once.
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        loop {
            let mut socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            let _ = socket.set_nodelay(true);
            let place = self.free.pop().unwrap_or_else(|| {
                self.places.push(None);
                self.places.len() - 1
            });
            poll.registry().register(&mut socket, Token(place), Interest::READABLE)?;
            self.places[place] = Some(Connection { socket, last: [0; 4] });
        }
    }

    fn close(&mut self, place: usize) {
        self.places[place] = None;
        self.free.push(place);
    }
}

struct Connection {
    socket: TcpStream,
    /// The last bytes that came: a head may end in several parts.
    last: [u8; 4],
}

impl Connection {
    /// One `recv`, which has all that there is unless it fills the buffer, and one `send` where a
    /// head has ended; tells whether there was one.
    fn serve(&mut self, buffer: &mut [u8], answer: &[u8]) -> io::Result<bool> {
        loop {
            let length = self.socket.read(buffer)?;
            if length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let ended = self.ends_head(&buffer[..length]);
            if ended {
                self.socket.write_all(answer)?;
            }
            if length < buffer.len() {
                return Ok(ended);
            }
        }
    }

    fn ends_head(&mut self, received: &[u8]) -> bool {
        let kept = received.len().min(HEAD_END.len());
        self.last.rotate_left(kept);
        self.last[HEAD_END.len() - kept..].copy_from_slice(&received[received.len() - kept..]);
        self.last == HEAD_END
    }
}

fn answer(closes: bool) -> Vec<u8> {
    let connection = if closes { "Connection: close\r\n" } else { "" };
    let length = GREETING.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{connection}\r\n");
    (head + GREETING).into_bytes()
}
