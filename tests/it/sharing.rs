//! The pool's first promise: the thread that drives the sockets runs short handlers itself, and nobody waits for it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Config, Phase, Request, Running, Service};

use crate::support::{Client, Engine, eventually};

both_engines! {
    a_short_request_does_not_wait_behind_a_handler_that_turned_long: alone,
    handlers_that_were_short_run_side_by_side_once_they_are_long: alone,
}

/// So many quick runs, and the pool takes a route for a short one.
const TRAINING: usize = 200;

/// Nothing here takes so long but what never happens.
const NEVER: Duration = Duration::from_secs(20);

fn serve(service: Service, engine: Engine) -> Running {
    let settings = [
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("WORKERS", "4"),
        ("DRAIN_DELAY", "0"),
    ];
    let running = service
        .start(Config::from_pairs(settings).expect("settings"))
        .expect("a port");
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    running
}

fn a_short_request_does_not_wait_behind_a_handler_that_turned_long(engine: Engine) {
    let (began, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (began, released) = (Mutex::new(began), Mutex::new(released));
    let service = Service::new("test").get("/", |_: &Request| "short").get(
        "/moody",
        move |request: &Request| {
            if request.query() == Some("block") {
                began.lock().unwrap().send(()).unwrap();
                released.lock().unwrap().recv_timeout(NEVER).unwrap();
            }
            "moody"
        },
    );
    let running = serve(service, engine);
    let mut moody = Client::connect(running.addr());
    let mut short = Client::connect(running.addr());
    let mut waits = Vec::new();
    for _ in 0..15 {
        for _ in 0..TRAINING {
            moody.get("/moody").expect(200);
            short.get("/").expect(200);
        }
        moody.send("GET /moody?block HTTP/1.1\r\nHost: test\r\n\r\n");
        has_begun.recv_timeout(NEVER).unwrap();
        let asked = Instant::now();
        short.get("/").expect(200);
        waits.push(asked.elapsed());
        release.send(()).unwrap();
        moody.response().expect(200);
    }
    waits.sort();
    // The pool promises a millisecond while a worker is idle; the rest is for a machine that does other things too.
    assert!(
        waits[waits.len() / 2] < Duration::from_millis(5),
        "{waits:?}"
    );
    running.stop();
    assert_eq!(running.wait().abandoned_total(), 0);
}

fn handlers_that_were_short_run_side_by_side_once_they_are_long(engine: Engine) {
    const TOGETHER: usize = 3;
    let inside = Arc::new(AtomicUsize::new(0));
    let service = Service::new("test").get("/work", {
        let inside = Arc::clone(&inside);
        move |request: &Request| {
            if request.query() != Some("together") {
                return "alone";
            }
            inside.fetch_add(1, SeqCst);
            let began = Instant::now();
            while inside.load(SeqCst) < TOGETHER {
                assert!(began.elapsed() < NEVER, "the others were never run");
                thread::yield_now();
            }
            "together"
        }
    });
    let running = serve(service, engine);
    let mut clients: Vec<Client> = (0..TOGETHER)
        .map(|_| Client::connect(running.addr()))
        .collect();
    for _ in 0..TRAINING {
        clients[0].get("/work").expect(200);
    }
    for client in &mut clients {
        client.send("GET /work?together HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "together");
    }
    running.stop();
    assert_eq!(running.wait().abandoned_total(), 0);
}
