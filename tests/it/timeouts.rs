//! Clients that are slower than the timeouts allow.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::support::{Broken, Client, Engine, Resources, Server, Setup, eventually};

both_engines! {
    a_head_that_stops_in_the_middle_is_cut_off_in_time,
    a_later_head_that_stops_in_the_middle_is_cut_off_in_time,
    a_head_that_drips_is_cut_off_in_time,
    a_body_that_stops_in_the_middle_is_cut_off_in_time,
    a_short_body_that_stops_in_the_middle_is_cut_off_in_time,
    a_body_that_drips_is_cut_off_in_time,
    a_connection_that_never_speaks_is_closed,
    a_connection_that_is_idle_for_too_long_is_closed_without_a_word,
    a_client_that_stops_reading_is_let_go,
    a_slow_handler_is_none_of_the_clients_timeouts_business,
}

/// What is promised, 500 ms, is checked from below exactly and from above with this much room for a busy machine.
const TIMEOUT: Duration = Duration::from_millis(500);

pub(crate) const LATEST: Duration = Duration::from_secs(4);

/// Beginnings of a head.
const HEADS: [&str; 3] = [
    "G",
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\nHost: test\r\n",
];

fn a_head_that_stops_in_the_middle_is_cut_off_in_time(engine: Engine) {
    let server = Setup::new(engine)
        .set("HEAD_TIMEOUT", "500ms")
        .start()
        .ready();
    for beginning in HEADS {
        expect_cut_off(engine, &server, |client| client.send(beginning));
    }
}

fn a_later_head_that_stops_in_the_middle_is_cut_off_in_time(engine: Engine) {
    let server = Setup::new(engine)
        .set("HEAD_TIMEOUT", "500ms")
        .start()
        .ready();
    for beginning in HEADS {
        expect_cut_off(engine, &server, |client| {
            client.get("/").expect(200);
            client.send(beginning);
        });
    }
}

fn a_head_that_drips_is_cut_off_in_time(engine: Engine) {
    let server = Setup::new(engine)
        .set("HEAD_TIMEOUT", "500ms")
        .start()
        .ready();
    let began = Instant::now();
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Slow: ");
    expect_cut_off_while_dripping(engine, client, began, "x");
}

fn a_body_that_stops_in_the_middle_is_cut_off_in_time(engine: Engine) {
    let server = Setup::new(engine)
        .set("BODY_TIMEOUT", "500ms")
        .start()
        .ready();
    for beginning in [
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\nhello",
        "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        expect_cut_off(engine, &server, |client| client.send(beginning));
    }
}

fn a_short_body_that_stops_in_the_middle_is_cut_off_in_time(engine: Engine) {
    let server = Setup::new(engine)
        .set("BODY_TIMEOUT", "500ms")
        .start()
        .ready();
    expect_cut_off(engine, &server, |client| {
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
    });
}

fn a_body_that_drips_is_cut_off_in_time(engine: Engine) {
    let server = Setup::new(engine)
        .set("BODY_TIMEOUT", "500ms")
        .start()
        .ready();
    let began = Instant::now();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n");
    expect_cut_off_while_dripping(engine, client, began, "x");
    let began = Instant::now();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    expect_cut_off_while_dripping(engine, client, began, "1\r\nx\r\n");
}

fn a_connection_that_never_speaks_is_closed(engine: Engine) {
    let server = Setup::new(engine)
        .set("HEAD_TIMEOUT", "500ms")
        .set("KEEP_ALIVE_TIMEOUT", "500ms")
        .start()
        .ready();
    let began = Instant::now();
    let mut client = server.client();
    match client.try_response() {
        Err(Broken::Closed) => {}
        Ok(answer) if answer.status == 408 => client.expect_close(),
        other => panic!("{other:?}"),
    }
    expect_in_time(began);
}

fn a_connection_that_is_idle_for_too_long_is_closed_without_a_word(engine: Engine) {
    let server = Setup::new(engine)
        .set("KEEP_ALIVE_TIMEOUT", "500ms")
        .start()
        .ready();
    let mut client = server.client();
    // For longer than the timeout in all, but never idle for so long.
    for _ in 0..4 {
        client.get("/delay/0").expect(200);
        std::thread::sleep(TIMEOUT / 3);
    }
    let began = Instant::now();
    client.get("/").expect(200);
    // A word would be taken for the answer to the next request.
    client.expect_close();
    expect_in_time(began);
}

fn a_client_that_stops_reading_is_let_go(engine: Engine) {
    let mut server = Setup::new(engine)
        .set("WRITE_TIMEOUT", "500ms")
        .start()
        .ready();
    let before = Resources::warm(&server);
    let began = Instant::now();
    let mut stuck: Vec<Client> = (0..3)
        .map(|_| {
            let mut client = Client::connect_narrow(server.address);
            client.send("GET /bytes/50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
            client
        })
        .collect();
    eventually("they are connected", || {
        Resources::of(&server).descriptors >= before.descriptors + 3
    });
    // While the clients are there and do nothing.
    before.expect_again(&mut server, engine, 8);
    expect_in_time(began);
    for client in &mut stuck {
        assert!(client.count_to_end() < 50_000_000, "the cut is visible");
    }
}

fn a_slow_handler_is_none_of_the_clients_timeouts_business(engine: Engine) {
    let names = [
        "HEAD_TIMEOUT",
        "BODY_TIMEOUT",
        "WRITE_TIMEOUT",
        "KEEP_ALIVE_TIMEOUT",
    ];
    let server = names
        .iter()
        .fold(Setup::new(engine), |setup, name| setup.set(name, "500ms"))
        .start()
        .ready();
    let mut client = server.client();
    for _ in 0..2 {
        client.get("/delay/1").expect(200);
    }
}

/// Asserts that someone who begins so and then says nothing more is told 408 in time, or by tiny_http, which lets nobody
/// write on a connection whose request it has not read, at least closed.
#[track_caller]
fn expect_cut_off(engine: Engine, server: &Server, begin: impl FnOnce(&mut Client)) {
    let began = Instant::now();
    let mut client = server.client();
    begin(&mut client);
    match client.try_response() {
        Ok(answer) => {
            assert!(answer.expect(408).closes());
            client.expect_close();
        }
        Err(Broken::Closed) if engine == Engine::TinyHttp => {}
        Err(broken) => panic!("{broken:?}"),
    }
    expect_in_time(began);
}

/// The same for someone who says a little every now and then, more often than the timeout.
#[track_caller]
fn expect_cut_off_while_dripping(engine: Engine, mut client: Client, began: Instant, drop: &str) {
    client
        .stream()
        .set_read_timeout(Some(TIMEOUT / 10))
        .expect("a timeout can be set");
    let mut first = [0];
    let count = loop {
        match client.stream().read(&mut first) {
            Ok(count) => break count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => break 0,
        }
        assert!(
            began.elapsed() < LATEST,
            "dripping for {:?}",
            began.elapsed()
        );
        let _ = client.try_send(drop);
    };
    expect_in_time(began);
    if count == 0 && engine == Engine::TinyHttp {
        return;
    }
    assert_eq!(&first[..count], b"H", "an answer has begun");
    let rest = client.exactly(11).expect("a status line");
    assert_eq!(rest, b"TTP/1.1 408");
}

#[track_caller]
fn expect_in_time(began: Instant) {
    let took = began.elapsed();
    assert!(took >= TIMEOUT, "too early: {took:?}");
    assert!(took < LATEST, "too late: {took:?}");
}
