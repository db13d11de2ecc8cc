//! Clients of a service that is resized.

use super::super::PATIENCE;
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
};

/// One request and its whole answer, of which nothing but a head with a length is known.
pub(super) fn ask(stream: &mut TcpStream, request: &[u8]) -> Option<String> {
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = match stream.read(&mut piece) {
            // The whole process was stopped for a while (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.ok().filter(|count| *count > 0)?,
        };
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(super) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// Clients that ask without a pause on connections that they keep. How many answers they had in the end.
pub(super) struct Load {
    enough: Arc<AtomicBool>,
    clients: Vec<JoinHandle<usize>>,
}

impl Load {
    pub(super) fn start(address: SocketAddr, clients: usize) -> Load {
        let enough = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let enough = Arc::clone(&enough);
            thread::spawn(move || {
                let (mut stream, mut answers) = (connect(address), 0);
                while !enough.load(SeqCst) {
                    let answer = ask(&mut stream, GET);
                    let answer = answer.unwrap_or_else(|| panic!("lost after {answers} answers"));
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    answers += 1;
                    if answer.to_ascii_lowercase().contains("connection: close") {
                        stream = connect(address);
                    }
                }
                answers
            })
        };
        Load {
            clients: (0..clients).map(client).collect(),
            enough,
        }
    }

    pub(super) fn end(self) -> usize {
        self.enough.store(true, SeqCst);
        let answers = self
            .clients
            .into_iter()
            .map(|client| client.join().unwrap());
        answers.sum()
    }
}
