//! Bounds on bytes and time: who is over one is told so, and nobody else notices.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::support::{Broken, Client, Engine, Resources, Server, Setup, Turn, eventually};

both_engines! {
    a_size_means_the_same_however_it_is_written,
    a_body_over_the_limit_is_refused_by_its_length_alone,
    chunks_over_the_limit_are_refused,
    a_chunk_over_the_limit_is_refused_by_its_size_alone,
    a_client_that_sends_a_refused_body_all_the_same_can_read_why,
    a_client_that_never_stops_sending_a_refused_body_is_let_go,
    an_endless_request_line_is_told_414,
    endless_headers_are_told_431,
    too_many_headers_are_told_431,
    a_head_that_stops_in_the_middle_is_cut_off_in_time,
    a_later_head_that_stops_in_the_middle_is_cut_off_in_time,
    a_head_that_drips_is_cut_off_in_time,
    a_body_that_stops_in_the_middle_is_cut_off_in_time,
    a_short_body_that_stops_in_the_middle_is_cut_off_in_time,
    a_body_that_drips_is_cut_off_in_time,
    a_connection_that_never_speaks_is_closed,
    a_connection_that_is_idle_for_too_long_is_closed_without_a_word,
    a_client_that_stops_reading_is_let_go,
    bodies_that_do_not_fit_in_memory_together_are_told_to_come_again,
    a_slow_handler_is_none_of_the_clients_timeouts_business,
}

/// What is promised, 500 ms, is checked from below exactly and from above with this much room for a busy machine.
const TIMEOUT: Duration = Duration::from_millis(500);
const LATEST: Duration = Duration::from_secs(4);

fn a_size_means_the_same_however_it_is_written(engine: Engine) {
    for limit in ["65536", "64Ki", "64KiB"] {
        let server = Setup::new(engine)
            .set("MAX_BODY_BYTES", limit)
            .start()
            .ready();
        for (length, status) in [(65_536, 200), (65_537, 413)] {
            let mut client = server.client();
            client.send(format!(
                "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"
            ));
            client.send(vec![b'x'; length]);
            client.response().expect(status);
        }
    }
}

fn a_body_over_the_limit_is_refused_by_its_length_alone(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_BODY_BYTES", "100KiB")
        .start()
        .ready();
    let post = |length: u64, more: &str| {
        format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{more}\r\n")
    };
    for length in [102_401, 1 << 40, 100_000_000_000_000_000, u64::MAX] {
        for more in ["", "Expect: 100-continue\r\n"] {
            let mut client = server.client().patience(Duration::from_secs(5));
            client.send(post(length, more));
            // Not one byte of the body was sent: whoever waits for it does not answer. Nor may it be asked for.
            let answer = client.response().expect(413);
            assert!(answer.closes(), "{length}");
            client.expect_close();
        }
    }
    let mut client = server.client();
    client.send(post(102_400, ""));
    client.send(vec![b'x'; 102_400]);
    assert_eq!(
        client.response().expect(200).body.len(),
        102_400,
        "exactly the limit is not over it"
    );
    client.get("/").expect(200);
}

fn chunks_over_the_limit_are_refused(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_BODY_BYTES", "100KiB")
        .start()
        .ready();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..101 {
        client.send("400\r\n");
        client.send([b'x'; 1024]);
        client.send("\r\n");
    }
    assert!(client.response().expect(413).closes());
    client.expect_close();
}

fn a_chunk_over_the_limit_is_refused_by_its_size_alone(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client().patience(Duration::from_secs(5));
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("7fffffffffffffff\r\n");
    assert!(client.response().expect(413).closes());
    client.expect_close();
}

fn a_client_that_sends_a_refused_body_all_the_same_can_read_why(engine: Engine) {
    const SIZE: usize = 4 << 20;
    let server = Setup::new(engine)
        .set("MAX_BODY_BYTES", "1000")
        .start()
        .ready();
    for _ in 0..5 {
        let mut client = server.client();
        client.send(format!(
            "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
        // Most clients write first and read then. A reset would stop them, and could take the answer with it.
        client.send(vec![b'x'; SIZE]);
        client.response().expect(413);
        client.expect_close();
    }
}

fn a_client_that_never_stops_sending_a_refused_body_is_let_go(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    let began = Instant::now();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000000\r\n\r\n");
    client.response().expect(413);
    // So much is promised, whatever the client does; the rest is for a busy machine.
    let promised = Duration::from_secs(30);
    Turn::give_up();
    while client.try_send([b'x'; 1000]).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        assert!(
            began.elapsed() < promised + LATEST,
            "the server still listens"
        );
    }
}

fn an_endless_request_line_is_told_414(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_HEAD_BYTES", "4KiB")
        .start()
        .ready();
    let mut client = server.client();
    client.send(format!(
        "GET /{} HTTP/1.1\r\nHost: test\r\n\r\n",
        "x".repeat(5000)
    ));
    assert!(client.response().expect(414).closes());
    client.expect_close();

    let mut client = server.client();
    client.send(format!("GET /{}", "x".repeat(5000)));
    assert!(
        client.response().expect(414).closes(),
        "it need not come to an end"
    );
    client.expect_close();

    let mut client = server.client();
    client.send(format!(
        "GET /?{} HTTP/1.1\r\nHost: test\r\n\r\n",
        "x".repeat(3900)
    ));
    client.response().expect(200);
}

fn endless_headers_are_told_431(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_HEAD_BYTES", "4KiB")
        .start()
        .ready();
    for tail in ["\r\n\r\n", ""] {
        let mut client = server.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}{tail}",
            "x".repeat(5000)
        ));
        assert!(client.response().expect(431).closes());
        client.expect_close();
    }
    let mut client = server.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n",
        "x".repeat(3900)
    ));
    client.response().expect(200);
    // The limit is for each head, not for the connection.
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n",
        "x".repeat(3900)
    ));
    client.response().expect(200);
}

fn too_many_headers_are_told_431(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let head = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: test\r\n{}\r\n",
            "A: b\r\n".repeat(count)
        )
    };
    let mut client = server.client();
    // Well below `MAX_HEAD_BYTES`: it is their number that costs.
    client.send(head(4000));
    assert!(client.response().expect(431).closes());
    client.expect_close();

    let mut client = server.client();
    client.send(head(50));
    client.response().expect(200);

    // `Host` is one of them.
    for most in [4, 100, 101, 1000] {
        let server = Setup::new(engine).set("MAX_HEADERS", most).start().ready();
        let mut client = server.client();
        for _ in 0..2 {
            client.send(head(most - 1));
            client.response().expect(200);
        }
        client.send(head(most));
        let refused = client.response().expect(431);
        assert!(refused.closes());
        assert_eq!(refused.text(), "more fields than MAX_HEADERS");
        client.expect_close();
    }
}

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

fn bodies_that_do_not_fit_in_memory_together_are_told_to_come_again(engine: Engine) {
    const SIZE: usize = 800 << 10;
    let server = Setup::new(engine)
        // Half of it is for requests.
        .set("BUFFER_MEMORY", "2MiB")
        .set("MAX_BODY_BYTES", "800KiB")
        .start()
        .ready();
    // A body that comes back in no answer: that would take memory too.
    let head = format!("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n");
    let another = || {
        let mut client = server.client();
        client.send(&head);
        let _ = client.try_send(vec![b'x'; SIZE]);
        client.response()
    };
    // Whichever of two bodies is first in memory is served; which one that is, the client cannot see.
    eventually("a body in memory keeps another one out", || {
        let mut first = server.client();
        first.send(&head);
        let _ = first.try_send(vec![b'x'; SIZE - 1]);
        let mut answers = (0..50).map(|_| another());
        let Some(refused) = answers.find(|answer| answer.status == 503) else {
            return false;
        };
        assert!(refused.header("retry-after").is_some());
        server.get("/").expect(200);
        server.get("/readyz").expect(200);
        let _ = first.try_send("x");
        first.response().status == 200
    });
    eventually("there is room again", || another().status == 200);
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
