//! What a review of the pool and the native engine found broken once.

use std::io::{self, Read};
use std::time::Duration;

use seaworthy::{Ending, Request, Response, Service};

use crate::service::serve_with;
use crate::support::{Client, Engine, Setup, eventually};

both_engines! {
    a_body_whose_destructor_panics_takes_nobody_with_it,
    a_connection_beyond_the_limit_does_not_stay_to_be_refused_for_ever,
    a_client_with_one_request_at_a_time_never_meets_itself_in_the_queue,
}

/// Reads without end, and panics when it is dropped.
struct Sore;

impl Read for Sore {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(b'x');
        Ok(buffer.len())
    }
}

impl Drop for Sore {
    fn drop(&mut self) {
        panic!("sore");
    }
}

fn a_body_whose_destructor_panics_takes_nobody_with_it(engine: Engine) {
    let service = Service::new("test")
        .get("/", |_: &Request| "fine")
        .get("/sore", |_: &Request| Response::stream(Sore));
    let running = serve_with(service, engine, &[("WORKERS", "2")]);
    for _ in 0..5 {
        let mut client = Client::connect_narrow(running.addr());
        client.send("GET /sore HTTP/1.1\r\nHost: test\r\n\r\n");
        // The answer is under way, and the client takes no more.
        client.exactly(1).expect("the answer's first byte");
        std::thread::sleep(Duration::from_millis(50));
        client.reset();
    }
    for _ in 0..10 {
        Client::connect(running.addr()).get("/").expect(200);
        Client::connect(running.addr()).get("/healthz").expect(200);
    }
    running.stop();
    assert_eq!(running.wait().ending, Ending::Clean);
}

fn a_connection_beyond_the_limit_does_not_stay_to_be_refused_for_ever(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_CONNECTIONS", "1")
        .set("DEMO_ENDPOINTS", "true")
        .start()
        .ready();
    let mut first = server.client();
    first.send("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut second = server.client();
    let refused = second.get("/");
    if refused.status == 503 {
        assert!(refused.closes(), "{refused:?}");
    }
    first.response().expect(200);
    drop(first);
    eventually("the only client is served", || {
        server.client().get("/").status == 200
    });
}

fn a_client_with_one_request_at_a_time_never_meets_itself_in_the_queue(engine: Engine) {
    let server = Setup::new(engine)
        .set("WORKERS", "1")
        .set("QUEUE_CAPACITY", "0")
        .set("DEMO_ENDPOINTS", "true")
        .start()
        .ready();
    let mut client = server.client();
    for _ in 0..400 {
        client.get("/delay/0.001").expect(200);
    }
}
