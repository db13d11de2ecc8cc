//! So many requests at once, and no more.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use seaworthy::{Request, Response, Routes, Service, layers};

use crate::service::{end, serve, start};
use crate::support::{Client, Engine, PATIENCE, eventually, get};

both_engines! {
    those_beyond_the_concurrency_are_told_to_come_again_before_the_handler_runs,
    a_place_is_free_again_after_a_panic_and_after_a_client_that_left,
    a_streamed_answer_keeps_its_place_until_it_is_sent,
}

/// A handler that says when it has begun and ends when it is told to.
struct Held {
    begun: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl Held {
    fn new() -> (Held, impl Fn() + Send + Sync) {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let (begins, released) = (Mutex::new(begins), Mutex::new(released));
        let hold = move || {
            begins.lock().unwrap().send(()).unwrap();
            released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        };
        (Held { begun, release }, hold)
    }

    fn wait_begun(&self) {
        self.begun.recv_timeout(PATIENCE).expect("a handler begins");
    }

    fn release(&self) {
        self.release.send(()).expect("a handler is held");
    }
}

fn those_beyond_the_concurrency_are_told_to_come_again_before_the_handler_runs(engine: Engine) {
    let (held, hold) = Held::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let scarce = Routes::new()
        .get("/scarce", move |_: &Request| {
            counted.fetch_add(1, Ordering::SeqCst);
            hold();
        })
        .get("/other", |_: &Request| "of the same group")
        .concurrency(2);
    let patient = Routes::new()
        .get("/patient", |_: &Request| "")
        .layer(layers::concurrency(1).retry_after("1500ms"));
    let service = Service::new("test")
        .get("/", |_: &Request| "of no group")
        .merge(scarce)
        .merge(patient)
        .errors(seaworthy::Problem::json);
    let running = start(service, engine, &[("WORKERS", "4")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    let address = running.addr();
    let mut inside: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send("GET /scarce HTTP/1.1\r\nHost: test\r\n\r\n");
            held.wait_begun();
            client
        })
        .collect();
    for path in ["/scarce", "/other"] {
        let refused = get(address, path).expect(503);
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
    }
    get(address, "/").expect(200);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    held.release();
    held.release();
    for client in &mut inside {
        client.response().expect(200);
    }
    get(address, "/other").expect(200);
    get(address, "/patient").expect(200);
    end(running);
}

fn a_place_is_free_again_after_a_panic_and_after_a_client_that_left(engine: Engine) {
    let (held, hold) = Held::new();
    let routes = Routes::new()
        .get("/panics", |_: &Request| -> () { panic!("on purpose") })
        .get("/held", move |_: &Request| hold())
        .get("/stream", |_: &Request| {
            Response::stream(io::repeat(b'x').take(1 << 30))
        })
        .get("/", |_: &Request| "")
        .layer(layers::concurrency(1));
    let running = serve(Service::new("test").merge(routes), engine);
    let address = running.addr();
    for _ in 0..3 {
        get(address, "/panics").expect(500);
    }
    let mut client = Client::connect(address);
    client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    held.wait_begun();
    client.reset();
    held.release();
    let mut client = Client::connect_narrow(address);
    eventually("the place is free again", || {
        get(address, "/").status == 200
    });
    client.send("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n");
    client.exactly(1).expect("an answer begins");
    get(address, "/").expect(503);
    client.reset();
    eventually("the stream's place is free again", || {
        get(address, "/").status == 200
    });
    end(running);
}

fn a_streamed_answer_keeps_its_place_until_it_is_sent(engine: Engine) {
    let (sender, receiver) = mpsc::channel::<&'static str>();
    let receiver = Mutex::new(Some(receiver));
    let written = move |_: &Request| {
        let pieces = receiver.lock().unwrap().take();
        Response::write_with(move |out| {
            for piece in pieces.into_iter().flatten() {
                out.write_all(piece.as_bytes())?;
                out.flush()?;
            }
            Ok(())
        })
    };
    let routes = Routes::new()
        .get("/export", written)
        .get("/", |_: &Request| "")
        .concurrency(1);
    let running = serve(Service::new("test").merge(routes), engine);
    let mut client = Client::connect(running.addr());
    client.send("GET /export HTTP/1.1\r\nHost: test\r\n\r\n");
    sender.send("first").unwrap();
    client.exactly(1).expect("an answer begins");
    get(running.addr(), "/").expect(503);
    drop(sender);
    client.put_back(b"H");
    assert_eq!(client.response().expect(200).text(), "first");
    eventually("the place is free again", || {
        get(running.addr(), "/").status == 200
    });
    end(running);
}
