//! Requests that wait for a worker, and clients that do not wait with them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use seaworthy::{Request, Service};

use crate::service::{end, start};
use crate::support::{Client, Engine, PATIENCE, established, eventually};

both_engines! {
    a_request_whose_client_has_reset_its_connection_in_the_queue_is_not_run,
}

fn a_request_whose_client_has_reset_its_connection_in_the_queue_is_not_run(engine: Engine) {
    let (begins, begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (begins, released) = (Mutex::new(begins), Mutex::new(released));
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let service = Service::new("test")
        .get("/held", move |_: &Request| {
            begins.lock().unwrap().send(()).unwrap();
            let _ = released.lock().unwrap().recv_timeout(PATIENCE);
        })
        .get("/left", move |_: &Request| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .get("/waits", |_: &Request| "answered");
    let running = start(service, engine, &[("WORKERS", "1")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    let asking = |path: &str| {
        let mut client = Client::connect(running.addr());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client
    };
    let mut held = asking("/held");
    begun.recv_timeout(PATIENCE).expect("a handler begins");
    let left: Vec<Client> = (0..3).map(|_| asking("/left")).collect();
    let mut half_closed = asking("/waits");
    half_closed.finish_sending();
    let mut whole = asking("/waits");
    // Were one of them not in the queue yet, it would not be run either.
    thread::sleep(Duration::from_millis(100));
    left.into_iter().for_each(Client::reset);
    // A child that another test is just starting keeps them open until its `exec`.
    eventually("the resets have arrived", || {
        established(running.addr()) == 2
    });
    release.send(()).unwrap();
    held.response().expect(200);
    for client in [&mut half_closed, &mut whole] {
        assert_eq!(client.response().expect(200).text(), "answered");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    end(running);
}
