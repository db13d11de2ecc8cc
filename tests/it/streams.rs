//! Bodies that are produced while they are sent.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use seaworthy::{Phase, Request, Response, Service};

use crate::library::{end, serve, start};
use crate::support::{Broken, Client, Engine, Framing, Times, eventually, get};

both_engines! {
    a_stream_arrives_as_it_is_produced,
    a_stream_to_an_old_client_ends_with_its_connection,
    a_stream_that_fails_is_cut_visibly,
    slow_readers_of_streams_hold_no_worker: long,
}

/// Reads what a test sends, piece by piece, and ends or fails when told to.
struct Pieces(mpsc::Receiver<Option<Vec<u8>>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.recv() {
            Ok(Some(piece)) => {
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Ok(None) => Err(io::Error::other("told to fail")),
            Err(_) => Ok(0),
        }
    }
}

/// A service whose `/chunked` and `/sized` stream pieces, 10 bytes by what `/sized` says; for one request in all.
fn pieces() -> (Service, mpsc::Sender<Option<Vec<u8>>>) {
    let (sender, receiver) = mpsc::channel();
    let reader = Arc::new(Mutex::new(Some(Pieces(receiver))));
    let take = || {
        let reader = Arc::clone(&reader);
        move || {
            reader
                .lock()
                .unwrap()
                .take()
                .expect("one request has the reader")
        }
    };
    let (chunked, sized) = (take(), take());
    let service = Service::new("test")
        .get("/chunked", move |_: &Request| Response::stream(chunked()))
        .get("/sized", move |_: &Request| {
            Response::stream_sized(sized(), 10)
        });
    (service, sender)
}

fn a_stream_arrives_as_it_is_produced(engine: Engine) {
    let (service, sender) = pieces();
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    client.send("GET /chunked HTTP/1.1\r\nHost: test\r\n\r\n");
    sender.send(Some(b"first".to_vec())).unwrap();
    // The second piece is not there yet, nor will it be before the first has arrived.
    let mut begin = Vec::new();
    while !begin.ends_with(b"first\r\n") {
        begin.extend(
            client
                .exactly(1)
                .expect("the first piece arrives by itself"),
        );
    }
    assert!(
        String::from_utf8_lossy(&begin)
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
    );
    sender.send(Some(b"second".to_vec())).unwrap();
    drop(sender);
    assert_eq!(
        client.exactly(16).expect("the rest"),
        b"6\r\nsecond\r\n0\r\n\r\n"
    );
    get(address, "/healthz").expect(200);
    end(running);
}

fn a_stream_to_an_old_client_ends_with_its_connection(engine: Engine) {
    let (service, sender) = pieces();
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    sender.send(Some(b"first".to_vec())).unwrap();
    sender.send(Some(b"second".to_vec())).unwrap();
    drop(sender);
    let answer = client.response().expect(200);
    assert_eq!(
        (answer.framing, answer.text()),
        (Framing::Close, "firstsecond")
    );
    assert!(answer.closes());
    end(running);
}

fn a_stream_that_fails_is_cut_visibly(engine: Engine) {
    for path in ["/chunked", "/sized"] {
        for fails in [true, false] {
            let (service, sender) = pieces();
            let (running, address) = serve(service, engine);
            let mut client = Client::connect(address);
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            sender.send(Some(b"12345".to_vec())).unwrap();
            if fails {
                sender.send(None).unwrap();
            }
            drop(sender);
            match client.try_response() {
                Err(Broken::Cut(_)) => {}
                // A stream of unknown length that ends has simply ended.
                Ok(answer) if path == "/chunked" && !fails => assert_eq!(answer.text(), "12345"),
                other => panic!("{path}, {fails}: {other:?}"),
            }
            drop(client);
            running.stop();
            let _ = running.wait();
        }
    }
}

fn slow_readers_of_streams_hold_no_worker(engine: Engine) {
    const SIZE: u64 = 4 << 20;
    let service = Service::new("test")
        .get("/", |_: &Request| "quick")
        .get("/chunked", |_: &Request| {
            Response::stream(io::repeat(b'x').take(SIZE))
        })
        .get("/sized", |_: &Request| {
            Response::stream_sized(io::repeat(b'x').take(SIZE), SIZE)
        });
    let running = start(service, engine, &[("WORKERS", "2")]);
    let address = running.addr();
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    let mut slow: Vec<Client> = (0..6)
        .map(|n| {
            let mut client = Client::connect_narrow(address);
            let path = if n % 2 == 0 { "/chunked" } else { "/sized" };
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            client
        })
        .collect();
    for client in &mut slow {
        client.exactly(9).expect("an answer begins");
    }
    let times = Times::of_gets(address, "/", 100);
    assert!(times.median() < Duration::from_millis(10), "{times:?}");
    // All of them, one after the other: whoever is not read waits without harm.
    for (n, mut client) in slow.into_iter().enumerate() {
        client.put_back(b"HTTP/1.1 ");
        let answer = client.response().expect(200);
        assert_eq!(answer.body.len() as u64, SIZE);
        assert_eq!(answer.framing == Framing::Chunked, n % 2 == 0);
    }
    end(running);
}
