//! Clients of an event stream, thousands of them on one thread, who know what must come: whole events of a number each,
//! which counts up from 0, and in the end the end of the answer.

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client {
    stream: TcpStream,
    /// What has come of a head or chunk that is not whole yet.
    unread: Vec<u8>,
    has_head: bool,
    events: usize,
    ended: Option<Instant>,
}

pub(crate) struct Crowd {
    poll: Poll,
    clients: Vec<Client>,
}

impl Crowd {
    /// So many clients, of which each has asked for its stream of events.
    pub(crate) fn connect(address: &str, path: &str, count: usize) -> Crowd {
        let poll = Poll::new().expect("there are descriptors");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n");
        let connect = |index| {
            let mut stream = std::net::TcpStream::connect(address).expect("it listens");
            stream.write_all(request.as_bytes()).expect("it reads");
            stream.set_nonblocking(true).expect("a socket takes that");
            let mut stream = TcpStream::from_std(stream);
            let registered =
                poll.registry()
                    .register(&mut stream, Token(index), Interest::READABLE);
            registered.expect("it can be watched");
            Client {
                stream,
                unread: Vec::new(),
                has_head: false,
                events: 0,
                ended: None,
            }
        };
        let clients = (0..count).map(connect).collect();
        Crowd { poll, clients }
    }

    /// Reads until all have the heads of their answers.
    pub(crate) fn read_heads(&mut self) {
        self.read_until("has its head", |client| client.has_head);
    }

    /// Reads until each has had so many events.
    pub(crate) fn read_events(&mut self, count: usize) {
        self.read_until("has its event", |client| client.events == count);
    }

    /// Reads until each has had the end of its answer, and tells how long after `since` that was, the earliest first.
    pub(crate) fn read_ends(&mut self, since: Instant) -> Vec<Duration> {
        self.read_until("has its end", |client| client.ended.is_some());
        let ended = self.clients.iter().filter_map(|client| client.ended);
        let mut times: Vec<Duration> = ended.map(|at| at - since).collect();
        times.sort();
        times
    }

    /// Reads until it is so for each, which it may be for none before.
    fn read_until(&mut self, what: &str, so: impl Fn(&Client) -> bool) {
        let begun = Instant::now();
        let mut events = Events::with_capacity(1024);
        let mut left = self.clients.iter().filter(|client| !so(client)).count();
        while left > 0 {
            assert!(begun.elapsed() < PATIENCE, "not everyone {what}: {left}");
            let polled = self.poll.poll(&mut events, Some(Duration::from_secs(1)));
            if let Err(error) = polled {
                assert_eq!(error.kind(), ErrorKind::Interrupted);
            }
            for event in &events {
                let client = &mut self.clients[event.token().0];
                let was_so = so(client);
                client.read();
                left -= usize::from(!was_so && so(client));
            }
        }
    }
}

impl Client {
    /// Reads all that is there.
    fn read(&mut self) {
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) if self.ended.is_some() => return,
                Ok(0) => panic!("cut off after {} events", self.events),
                Ok(count) => self.unread.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error} after {} events", self.events),
            }
            while self.take_head_or_chunk() {}
        }
    }

    /// False where there is no whole one.
    fn take_head_or_chunk(&mut self) -> bool {
        let end_of_line: &[u8] = if self.has_head { b"\r\n" } else { b"\r\n\r\n" };
        let mut ends = self.unread.windows(end_of_line.len());
        let Some(end) = ends.position(|window| window == end_of_line) else {
            return false;
        };
        let (line, rest) = self.unread.split_at(end);
        let line = String::from_utf8_lossy(line);
        let rest = &rest[end_of_line.len()..];
        if !self.has_head {
            assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
            self.has_head = true;
            self.unread.drain(..end + end_of_line.len());
            return true;
        }
        let size = usize::from_str_radix(&line, 16).expect("the size of a chunk");
        let Some(chunk) = rest.get(..size + 2) else {
            return false;
        };
        let text = String::from_utf8_lossy(&chunk[..size]).into_owned();
        self.unread.drain(..end + 2 + size + 2);
        self.take_chunk(&text);
        true
    }

    fn take_chunk(&mut self, text: &str) {
        assert!(self.ended.is_none(), "{text:?} behind the end");
        if text.is_empty() {
            self.ended = Some(Instant::now());
        }
        let is_event = |part: &&str| *part != ":"; // which keeps proxies awake
        for event in text.split_terminator("\n\n").filter(is_event) {
            assert_eq!(event, format!("data: {}", self.events));
            self.events += 1;
        }
    }
}
