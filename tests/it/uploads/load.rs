//! Many uploads, large ones and slow ones, and what others notice of them.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use seaworthy::{BodySink, Error, IntoResponse, Request, Response, Routes, Service, Upload};

use super::{files, listing, serve};
use crate::files::Tree;
use crate::library::end;
use crate::pushed::read_until;
use crate::support::{Client, Engine, Watch, allow_descriptors, eventually, get, note};

both_engines! {
    four_uploads_at_once_take_little_of_a_small_buffer,
    sinks_that_block_hold_half_of_the_workers_and_no_probe,
    hundreds_of_slow_uploads_and_slow_readers_at_once_leave_probes_and_others_alone: alone,
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

/// What a metric says now, by its line's beginning.
fn gauge(address: SocketAddr, name: &str) -> u64 {
    let metrics = get(address, "/metrics").expect(200);
    let mut lines = metrics.text().lines();
    let value = lines.find_map(|line| line.strip_prefix(name));
    value.expect("it is there").parse().expect("a number")
}

/// The most memory that requests hold, asked for again and again while something is done.
fn most_held(address: SocketAddr, done: impl Fn() -> bool) -> u64 {
    let mut most = 0;
    while !done() {
        let held = gauge(address, "seaworthy_buffer_memory_bytes{use=\"requests\"} ");
        most = most.max(held);
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
struct Counting(usize);

impl BodySink for Counting {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.0 += piece.len();
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
        Ok(format!("{} bytes", self.0).into_response())
    }
}

/// What a slow reader takes: more than its connection's buffers hold.
static LARGE: [u8; 256 << 10] = [b'x'; 256 << 10];

const SLOW: usize = 300;

/// Uploads that each come in forty pieces of a kibibyte.
fn send_slowly(address: SocketAddr) {
    let mut clients: Vec<_> = (0..SLOW).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    for _ in 0..40 {
        for client in &mut clients {
            client.send("400\r\n");
            client.send([b'x'; 1024]);
            client.send("\r\n");
        }
        thread::sleep(Duration::from_millis(20));
    }
    for client in &mut clients {
        client.send("0\r\n\r\n");
        assert_eq!(client.response().expect(200).text(), "40960 bytes");
    }
}

/// Readers who each take a large answer in pieces of eight kibibytes, and find it whole.
fn read_slowly(address: SocketAddr) {
    let mut clients: Vec<_> = (0..SLOW).map(|_| Client::connect_far(address)).collect();
    for client in &mut clients {
        client.send("GET /large HTTP/1.0\r\n\r\n");
    }
    let heads = clients
        .iter_mut()
        .map(|client| read_until(client, b"\r\n\r\n"));
    assert!(
        heads
            .into_iter()
            .all(|head| head.starts_with(b"HTTP/1.1 200"))
    );
    for _ in 0..LARGE.len() / 8192 {
        for client in &mut clients {
            let piece = client.exactly(8192).expect("nobody is cut");
            assert!(piece.iter().all(|byte| *byte == b'x'));
        }
        thread::sleep(Duration::from_millis(20));
    }
    clients.iter_mut().for_each(Client::expect_close);
}

fn hundreds_of_slow_uploads_and_slow_readers_at_once_leave_probes_and_others_alone(engine: Engine) {
    if !allow_descriptors(4 * SLOW as u64 + 200) {
        return;
    }
    let group = Routes::new()
        .post("/", |_: &Request| Upload::new(Counting(0)))
        .body_limit("1GiB");
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .get("/large", |_: &Request| &LARGE[..])
        .merge(group);
    let (running, address) = serve(service, engine, &[("WORKERS", "8")]);
    let senders = thread::spawn(move || send_slowly(address));
    let readers = thread::spawn(move || read_slowly(address));
    let [probes, others] = ["/readyz", "/"].map(|path| Watch::start(address, path));
    let mut most = 0;
    while !senders.is_finished() && !readers.is_finished() {
        thread::sleep(Duration::from_millis(20));
        most = most.max(gauge(address, "seaworthy_connections{state=\"writing\"} "));
    }
    let [probes, others] = [probes, others].map(Watch::end);
    senders.join().expect("each upload is answered");
    readers.join().expect("each reader has all of it");
    note(&format!(
        "probes {:.1?} (p99 {:.1?}), others {:.1?} (p99 {:.1?}), {most} answers were being read",
        probes.median(),
        probes.percentile(99),
        others.median(),
        others.percentile(99),
    ));
    assert!(most > SLOW as u64 / 2, "{most} answers were being read");
    // 50 ms by the contract, where nobody else wants these processors. Who waits for slow clients waits for hundreds.
    for times in [probes, others] {
        let most_take = times.percentile(95);
        assert!(most_take < Duration::from_millis(500), "{times:?}");
    }
    end(running);
}
