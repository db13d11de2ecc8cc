//! One client, or one handler, at everybody's expense: what must not be.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Ending, Request, Response, Running, Service};

use crate::service::serve_with;
use crate::support::{
    Client, Engine, PATIENCE, Server, Setup, Turn, Watch, eventually, get, is_all_read,
};

both_engines! {
    stalled_uploads_stop_no_answer,
    a_handler_that_has_run_is_never_answered_503_for_memory,
    who_does_not_take_its_answer_goes_before_a_handler_is_refused,
    a_reader_whose_destructor_takes_its_time_holds_up_no_probe: alone,
    a_reader_whose_destructor_does_not_return_does_not_keep_a_drain_from_ending,
    an_upload_of_any_size_holds_up_no_probe: long,
    who_is_slower_than_the_least_rate_goes_before_newcomers_are_refused,
}

fn end(running: Running) {
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
}

/// Uploads that have sent all but the last byte.
fn stalled_uploads(server: &Server, count: usize, size: usize) -> Vec<Client> {
    let head = format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n");
    let begin = |_| {
        let mut client = server.client();
        client.send(&head);
        let _ = client.try_send(vec![b'x'; size - 1]);
        client
    };
    (0..count).map(begin).collect()
}

fn stalled_uploads_stop_no_answer(engine: Engine) {
    // What a pod of 128Mi gets, and more than fills it.
    let server = Setup::new(engine)
        .set("BUFFER_MEMORY", "32MiB")
        .set("WORKERS", 64)
        .start()
        .ready();
    let _stalled = stalled_uploads(&server, 35, 1 << 20);
    for _ in 0..20 {
        assert_eq!(server.get("/bytes/100000").expect(200).body.len(), 100_000);
        server.get("/readyz").expect(200);
    }
}

/// An answer that no socket's buffers hold.
const BIG: usize = 8 << 20;

/// What asks for it and reads nothing yet.
fn asks(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect_narrow(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client
}

fn a_handler_that_has_run_is_never_answered_503_for_memory(engine: Engine) {
    const WORKERS: usize = 4;
    let ran = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&ran);
    let service = Service::new("test").get("/big", move |_: &Request| {
        counter.fetch_add(1, Ordering::SeqCst);
        vec![b'x'; BIG]
    });
    // Room for two of them: half of it is for answers.
    let running = serve_with(
        service,
        engine,
        &[("BUFFER_MEMORY", "32MiB"), ("WORKERS", "4")],
    );
    let readers: Vec<Client> = (0..16).map(|_| asks(running.addr(), "/big")).collect();
    let threads = readers.into_iter().map(|mut reader| {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(500));
            let answer = reader.response();
            assert!(answer.status == 503 || answer.body.len() == BIG);
            answer.status
        })
    });
    let threads: Vec<_> = threads.collect();
    let statuses: Vec<u16> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(served, ran.load(Ordering::SeqCst), "{statuses:?}");
    if engine == Engine::Native {
        assert!(served <= 2 + WORKERS, "memory is bounded: {statuses:?}");
        assert!(served < 16, "{statuses:?}");
    }
    end(running);
}

fn who_does_not_take_its_answer_goes_before_a_handler_is_refused(engine: Engine) {
    let ran = Arc::new(AtomicUsize::new(0));
    let big = |counter: &Arc<AtomicUsize>| {
        counter.fetch_add(1, Ordering::SeqCst);
        vec![b'x'; BIG]
    };
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (counter, held_counter) = (Arc::clone(&ran), Arc::clone(&ran));
    let service = Service::new("test")
        .get("/big", move |_: &Request| big(&counter))
        .get("/held", move |_: &Request| {
            let _ = held.lock().unwrap().recv_timeout(PATIENCE);
            big(&held_counter)
        });
    let settings = [
        ("BUFFER_MEMORY", "32MiB"),
        ("WORKERS", "1"),
        ("WRITE_TIMEOUT", "60s"),
    ];
    let running = serve_with(service, engine, &settings);
    let address = running.addr();
    let asked = Instant::now();
    let mut stalled = [asks(address, "/big"), asks(address, "/big")];
    for client in &mut stalled {
        client.exactly(1).expect("its answer has begun");
    }
    // Both have their time. Nothing is executed and then told to come again.
    let refused = asks(address, "/big").response();
    if asked.elapsed() < Duration::from_secs(5) {
        assert_eq!((refused.status, ran.load(Ordering::SeqCst)), (503, 2));
        assert!(refused.header("retry-after").is_some());
    }
    get(address, "/livez").expect(200);
    Turn::rest(Duration::from_secs(8).saturating_sub(asked.elapsed()));
    // The first comes while there is no room, the second when there was some and is taken when its turn comes.
    let mut newcomers = [asks(address, "/held"), asks(address, "/big")];
    thread::sleep(Duration::from_millis(200));
    go_on.send(()).unwrap();
    for client in &mut newcomers {
        assert_eq!(client.response().expect(200).body.len(), BIG);
    }
    for client in &mut stalled {
        assert!(client.count_to_end() < BIG, "it was cut");
    }
    end(running);
}

/// Streams so many bytes, then ends or fails, and blocks in its destructor until it is told to go on.
struct Reluctant {
    left: u64,
    fails: bool,
    dropping: mpsc::Sender<()>,
    release: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Read for Reluctant {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && self.fails {
            return Err(io::Error::other(Stubborn));
        }
        let count = io::repeat(b'x').take(self.left).read(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Drop for Reluctant {
    fn drop(&mut self) {
        let _ = self.dropping.send(());
        let _ = self.release.lock().unwrap().recv_timeout(PATIENCE);
    }
}

/// Takes its time to say what is wrong.
#[derive(Debug)]
struct Stubborn;

impl std::error::Error for Stubborn {}

impl std::fmt::Display for Stubborn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        thread::sleep(Duration::from_secs(1));
        f.write_str("no more")
    }
}

/// A service of two workers that answers `/endless`, `/short` and `/failing` so; when a reader's destructor has begun,
/// and what lets it go on.
fn reluctant(
    engine: Engine,
    more: &[(&str, &str)],
) -> (Running, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (dropping, is_dropping) = mpsc::channel();
    let (let_go, release) = mpsc::channel();
    let release = Arc::new(Mutex::new(release));
    let stream = |left: u64, fails: bool| {
        let (dropping, release) = (dropping.clone(), Arc::clone(&release));
        move |_: &Request| {
            let (dropping, release) = (dropping.clone(), Arc::clone(&release));
            Response::stream(Reluctant {
                left,
                fails,
                dropping,
                release,
            })
        }
    };
    let service = Service::new("test")
        .get("/endless", stream(u64::MAX, false))
        .get("/short", stream(1000, false))
        .get("/failing", stream(1000, true));
    let settings: Vec<_> = [("WORKERS", "2")].iter().chain(more).copied().collect();
    (serve_with(service, engine, &settings), is_dropping, let_go)
}

/// Asserts that probes are answered at once although a destructor has begun and does not return.
#[track_caller]
fn expect_probes_beside(running: &Running, is_dropping: &mpsc::Receiver<()>) {
    let begun = is_dropping.recv_timeout(PATIENCE);
    begun.expect("the reader is not needed any more, and dropped");
    for _ in 0..10 {
        let asked = Instant::now();
        get(running.addr(), "/livez").expect(200);
        let took = asked.elapsed();
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
}

fn a_reader_whose_destructor_takes_its_time_holds_up_no_probe(engine: Engine) {
    let (running, is_dropping, let_go) = reluctant(engine, &[("WRITE_TIMEOUT", "500ms")]);
    let address = running.addr();
    let ask = |method: &str, path: &str| {
        let mut client = Client::connect_narrow(address);
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client
    };
    let mut leaves = ask("GET", "/endless");
    leaves.exactly(1000).expect("it begins");
    leaves.reset();
    expect_probes_beside(&running, &is_dropping);
    let_go.send(()).unwrap();

    let mut does_not_read = ask("GET", "/endless");
    expect_probes_beside(&running, &is_dropping);
    does_not_read.count_to_end();
    let_go.send(()).unwrap();

    let mut fails = ask("GET", "/failing");
    expect_probes_beside(&running, &is_dropping);
    let_go.send(()).unwrap();
    assert!(fails.try_response().is_err(), "it is cut");

    // Nor does its own client wait for it.
    for (method, length) in [("GET", 1000), ("HEAD", 0)] {
        let mut client = ask(method, "/short");
        assert_eq!(client.response_to(method).expect(200).body.len(), length);
        expect_probes_beside(&running, &is_dropping);
        let_go.send(()).unwrap();
    }
    end(running);
}

fn a_reader_whose_destructor_does_not_return_does_not_keep_a_drain_from_ending(engine: Engine) {
    let settings = [("SHUTDOWN_TIMEOUT", "300ms")];
    let (running, is_dropping, let_go) = reluctant(engine, &settings);
    let mut reading = asks(running.addr(), "/endless");
    reading.exactly(1000).expect("it begins");
    running.stop();
    let told = Instant::now();
    let report = running.wait();
    assert_eq!(report.ending, Ending::DeadlinePassed);
    assert_eq!(report.abandoned, [("/endless".to_owned(), 1)]);
    let took = told.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    is_dropping
        .recv_timeout(PATIENCE)
        .expect("it is dropped all the same");
    reading.count_to_end();
    let_go.send(()).unwrap();
}

fn an_upload_of_any_size_holds_up_no_probe(engine: Engine) {
    let server = Setup::new(engine)
        .set("BUFFER_MEMORY", "4GiB")
        .set("MAX_BODY_BYTES", "1GiB")
        .start()
        .ready();
    // tiny_http's worker grows the body by copying it, and frees it at once.
    let largest = match engine {
        Engine::Native => 1 << 30,
        Engine::TinyHttp => 256 << 20,
    };
    for size in [64 << 20, largest] {
        let watch = Watch::start(server.address, "/livez");
        let began = Instant::now();
        // Nobody takes a POST there, but it was read all the same.
        assert_eq!(upload(server.address, size), 405);
        let took = began.elapsed();
        let probes = watch.end();
        // Read in one go, it would take all that time to answer the one probe that came then.
        let most = probes.percentile(90);
        assert!(
            most < Duration::from_millis(50),
            "{size} in {took:?}: {probes:?}"
        );
    }
}

fn upload(address: SocketAddr, size: usize) -> u16 {
    let mut client = Client::connect(address);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n"
    ));
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..size >> 20 {
        client.send(&piece);
    }
    client.response().status
}

fn who_is_slower_than_the_least_rate_goes_before_newcomers_are_refused(engine: Engine) {
    const SIZE: usize = 480 << 10;
    // Half of it is for requests, which is room for three of them.
    let server = Setup::new(engine)
        .set("BUFFER_MEMORY", "4MiB")
        .set("BODY_TIMEOUT", "60s")
        .start()
        .ready();
    let began = Instant::now();
    let mut stalled = stalled_uploads(&server, 3, SIZE);
    eventually("the server has read them", || is_all_read(server.address));
    // Nobody is slow yet.
    let refused = upload(server.address, 1 << 20);
    if began.elapsed() < Duration::from_secs(5) {
        assert_eq!(refused, 503);
    }
    Turn::rest(Duration::from_secs(6).saturating_sub(began.elapsed()));
    assert_eq!(upload(server.address, 1 << 20), 405, "it was read");
    // One had to go for it, which is told, and not more.
    let told = stalled.iter_mut().map(|client| {
        client.try_send("x").expect("its connection is open");
        client.response().status
    });
    let mut told: Vec<u16> = told.collect();
    told.sort();
    assert_eq!(told, [200, 200, 408]);
}
