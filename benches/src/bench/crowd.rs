//! Ten thousand clients of an event stream, on one thread that does little more than to read their sockets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::client;

/// What each event begins with, and nothing else that a variant sends.
const MARK: &[u8] = b"data:";

const REQUEST: &[u8] = b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

/// Longer than any variant takes for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

struct Client {
    socket: TcpStream,
    is_open: bool,
    is_answered: bool,
    count: Count,
}

/// How many events have come.
#[derive(Default)]
struct Count {
    events: u64,
    /// So much of the next one's mark.
    matched: usize,
}

pub struct Crowd {
    epoll: Epoll,
    clients: Vec<Client>,
}

impl Crowd {
    /// So many clients, of which each asks for its stream, or as many as are let in.
    pub fn connect(port: u16, count: usize) -> io::Result<Crowd> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let connect = |index| -> io::Result<Client> {
            let mut socket = TcpStream::connect_timeout(&client::address(port), CONNECT_LIMIT)?;
            socket.write_all(REQUEST)?;
            socket.set_nonblocking(true)?;
            epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index))?;
            Ok(Client { socket, is_open: true, is_answered: false, count: Count::default() })
        };
        let clients = (0..count as u64).map_while(|index| connect(index).ok()).collect();
        Ok(Crowd { epoll, clients })
    }

    /// How many have had the beginning of an answer.
    pub fn answered(&self) -> usize {
        self.clients.iter().filter(|client| client.is_answered).count()
    }

    /// How many have an answer that goes on.
    pub fn held(&self) -> usize {
        self.clients.iter().filter(|client| client.is_open && client.is_answered).count()
    }

    /// How many events have come to all.
    pub fn events(&self) -> u64 {
        self.clients.iter().map(|client| client.count.events).sum()
    }

    /// Reads until each that is open has the beginning of its answer, but not for longer than `limit`.
    pub fn await_answers(&mut self, limit: Duration) -> io::Result<bool> {
        self.read_until(limit, |client| client.is_answered)
    }

    /// Reads until each that is open has had so many events, but not for longer than `limit`.
    pub fn await_events(&mut self, count: u64, limit: Duration) -> io::Result<bool> {
        self.read_until(limit, |client| client.count.events >= count)
    }

    /// False where the time was up before it was so for each that is open.
    fn read_until(&mut self, limit: Duration, so: impl Fn(&Client) -> bool) -> io::Result<bool> {
        let begun = Instant::now();
        let waits = |client: &Client| client.is_open && !so(client);
        let mut left = self.clients.iter().filter(|client| waits(client)).count();
        let mut events = [EpollEvent::empty(); 1024];
        while left > 0 && begun.elapsed() < limit {
            let count = match self.epoll.wait(&mut events, EpollTimeout::from(100_u8)) {
                Err(Errno::EINTR) => 0,
                waited => waited?,
            };
            for event in &events[..count] {
                let client = &mut self.clients[event.data() as usize];
                let did_wait = waits(client);
                client.read();
                if !client.is_open {
                    self.epoll.delete(&client.socket)?;
                }
                left -= usize::from(did_wait && !waits(client));
            }
        }
        Ok(left == 0)
    }
}

impl Client {
    /// Reads once: what is left is told of again.
    fn read(&mut self) {
        let mut piece = [0; 4096];
        match self.socket.read(&mut piece) {
            Ok(0) => self.is_open = false,
            Ok(count) => {
                let bytes = &piece[..count];
                self.is_open &= self.is_answered || bytes.starts_with(b"HTTP/1.1 200");
                self.is_answered = true;
                self.count.add(bytes);
            }
            Err(error) => self.is_open = error.kind() == ErrorKind::WouldBlock,
        }
    }
}

impl Count {
    /// No byte of the mark comes twice at its beginning, so that what has matched never has to be looked at again.
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.matched = match *byte == MARK[self.matched] {
                true => self.matched + 1,
                false => usize::from(*byte == MARK[0]),
            };
            if self.matched == MARK.len() {
                self.events += 1;
                self.matched = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_however_they_are_split() {
        let bytes = b"HTTP/1.1 200 OK\r\n\r\n9\r\ndata: dat\n\n\r\n9\r\nddata:a\n\n\r\n";
        for size in 1..bytes.len() {
            let mut count = Count::default();
            bytes.chunks(size).for_each(|chunk| count.add(chunk));
            assert_eq!(count.events, 2, "{size}");
        }
    }

    #[test]
    fn who_is_refused_is_not_held_and_nobody_waits_for_it() {
        let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut crowd = Crowd::connect(port, 3).unwrap();
        let answers = ["HTTP/1.1 503 No\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n", "HTTP/1.1 200 OK\r\n\r\n"];
        let mut sockets: Vec<_> = answers.iter().map(|_| listener.accept().unwrap().0).collect();
        for (socket, answer) in sockets.iter_mut().zip(answers) {
            socket.write_all(answer.as_bytes()).unwrap();
        }
        assert!(crowd.await_answers(CONNECT_LIMIT).unwrap());
        assert_eq!(crowd.held(), 2);
        assert!(!crowd.await_events(1, Duration::from_millis(10)).unwrap(), "the third has none");
        sockets.pop();
        assert!(crowd.await_events(1, CONNECT_LIMIT).unwrap());
        assert_eq!((crowd.held(), crowd.events()), (1, 1));
    }
}
