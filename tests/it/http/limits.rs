//! Bounds on bytes and time: who is over one is told so, and nobody else notices.

use std::time::{Duration, Instant};

use crate::support::{Engine, Setup, Turn, eventually};
use crate::timeouts::LATEST;

both_engines! {
    a_size_means_the_same_however_it_is_written,
    a_body_over_the_limit_is_refused_by_its_length_alone,
    chunks_over_the_limit_are_refused,
    a_chunk_over_the_limit_is_refused_by_its_size_alone,
    a_client_that_sends_a_refused_body_all_the_same_can_read_why,
    a_client_that_never_stops_sending_a_refused_body_is_let_go: long,
    an_endless_request_line_is_told_414,
    endless_headers_are_told_431,
    too_many_headers_are_told_431,
    bodies_that_do_not_fit_in_memory_together_are_told_to_come_again,
}

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
