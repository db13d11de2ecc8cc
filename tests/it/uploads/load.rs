//! Many uploads, large ones and slow ones, and what others notice of them.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use seaworthy::{BodySink, Error, IntoResponse, Request, Response, Routes, Service, Upload};

use super::{files, listing, serve};
use crate::files::Tree;
use crate::library::end;
use crate::support::{Client, Engine, Times, allow_descriptors, eventually, get};

both_engines! {
    four_uploads_at_once_take_little_of_a_small_buffer,
    sinks_that_block_hold_half_of_the_workers_and_no_probe,
    hundreds_of_slow_uploads_leave_probes_and_others_alone: alone,
}

const MEBIBYTE: usize = 1 << 20;

/// Sends so many mebibytes to a file of this name, as fast as they are taken.
fn upload(address: SocketAddr, name: &str, mebibytes: usize) {
    let mut client = Client::connect(address);
    let length = mebibytes * MEBIBYTE;
    client.send(format!(
        "PUT /files/{name} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    ));
    let piece = vec![name.as_bytes()[0]; MEBIBYTE];
    (0..mebibytes).for_each(|_| client.send(&piece));
    assert_eq!(
        client.response().expect(200).text(),
        format!("{length} bytes")
    );
}

/// The largest value of a gauge, asked again and again while something is done.
fn most_held(address: SocketAddr, done: impl Fn() -> bool) -> u64 {
    let gauge = "seaworthy_buffer_memory_bytes{use=\"requests\"} ";
    let mut most = 0;
    while !done() {
        let metrics = get(address, "/metrics").expect(200);
        let line = metrics
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(gauge));
        most = most.max(line.expect("it is there").parse().expect("a number"));
    }
    most
}

fn four_uploads_at_once_take_little_of_a_small_buffer(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[("BUFFER_MEMORY", "1MiB")]);
    let senders: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| thread::spawn(move || upload(address, name, 64)))
        .into();
    let most = most_held(address, || {
        senders.iter().all(|sender| sender.is_finished())
    });
    senders
        .into_iter()
        .for_each(|sender| sender.join().expect("it is stored"));
    assert!(
        most < 512 << 10,
        "{most} bytes were held, and half of it is for requests"
    );
    let whole = ["a", "b", "c", "d"].map(|name| (name.to_owned(), 64 << 20));
    assert_eq!(listing(&directory), whole);
    end(running);
}

/// Whether sinks may go on, and how many wait for it.
type Gate = Arc<(Mutex<(bool, usize)>, Condvar)>;

/// A disk that does not answer until it may.
struct Blocked(Gate);

impl BodySink for Blocked {
    fn write(&mut self, _: &[u8]) -> Result<(), Error> {
        let (gate, opened) = &*self.0;
        let mut state = gate.lock().unwrap();
        state.1 += 1;
        drop(opened.wait_while(state, |(is_open, _)| !*is_open).unwrap());
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
        Ok("done".into_response())
    }
}

fn sinks_that_block_hold_half_of_the_workers_and_no_probe(engine: Engine) {
    let gate = Gate::default();
    let sink = Arc::clone(&gate);
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .post("/", move |_: &Request| {
            Upload::new(Blocked(Arc::clone(&sink)))
        });
    let (running, address) = serve(service, engine, &[("WORKERS", "4")]);
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody");
    }
    eventually("two of four workers are blocked", || {
        gate.0.lock().unwrap().1 == 2
    });
    for _ in 0..20 {
        get(address, "/").expect(200);
        get(address, "/healthz").expect(200);
    }
    assert_eq!(gate.0.lock().unwrap().1, 2, "and no more of them");
    gate.0.lock().unwrap().0 = true;
    gate.1.notify_all();
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "done");
    }
    drop(clients);
    end(running);
}

/// Takes all and keeps nothing.
struct Nothing;

impl BodySink for Nothing {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        Ok(io::sink().write_all(piece)?)
    }

    fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
        Ok("done".into_response())
    }
}

fn hundreds_of_slow_uploads_leave_probes_and_others_alone(engine: Engine) {
    const CLIENTS: usize = 300;
    if !allow_descriptors(2 * CLIENTS as u64 + 200) {
        return;
    }
    let group = Routes::new()
        .post("/", |_: &Request| Upload::new(Nothing))
        .body_limit("1GiB");
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .merge(group);
    let (running, address) = serve(service, engine, &[("WORKERS", "8")]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    let sender = thread::spawn(move || {
        for _ in 0..20 {
            for client in &mut clients {
                client.send("400\r\n");
                client.send([b'x'; 1024]);
                client.send("\r\n");
            }
            thread::sleep(Duration::from_millis(20));
        }
        for client in &mut clients {
            client.send("0\r\n\r\n");
            assert_eq!(client.response().expect(200).text(), "done");
        }
    });
    let mut probes = Vec::new();
    while !sender.is_finished() {
        probes.push(Times::of_gets(address, "/healthz", 1).max());
        get(address, "/").expect(200);
    }
    sender.join().expect("each is answered");
    let median = Times::from(probes).median();
    assert!(median < Duration::from_millis(50), "{median:?}");
    end(running);
}
