//! Keep-alive connections that end once in a while, so that their clients come to other pods too.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Engine, Setup};

both_engines! {
    a_connection_ends_with_the_answer_of_its_last_request_and_says_so,
    an_old_connection_ends_with_its_next_answer_and_not_before,
    an_answer_that_takes_longer_than_a_connection_may_live_is_sent_to_its_end,
    without_the_settings_a_connection_lives_on,
}

/// How many answers a connection gets up to and with the one that says that it is the last.
fn answers_of(client: &mut Client, path: &str) -> usize {
    let last = (1..10_000).find(|_| client.get(path).expect(200).closes());
    last.expect("an end")
}

fn a_connection_ends_with_the_answer_of_its_last_request_and_says_so(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_CONNECTION_REQUESTS", 50)
        .start()
        .ready();
    let counts: Vec<usize> = (0..10)
        .map(|_| {
            let mut client = server.client();
            let answers = answers_of(&mut client, "/");
            client.expect_close();
            answers
        })
        .collect();
    assert!(
        counts.iter().all(|count| (45..=55).contains(count)),
        "{counts:?}"
    );
    assert!(
        counts.iter().any(|count| *count != counts[0]),
        "all at once: {counts:?}"
    );
    server.stop().expect_clean();
}

fn an_old_connection_ends_with_its_next_answer_and_not_before(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_CONNECTION_AGE", "500ms")
        .start()
        .ready();
    let mut client = server.client();
    let connected = Instant::now();
    assert!(
        !client.get("/").expect(200).closes() || connected.elapsed() > Duration::from_millis(400)
    );
    thread::sleep(Duration::from_millis(700));
    // It is idle and older than it may be: closed now, it could be closed in front of a request.
    assert!(!client.has_news());
    assert!(client.get("/").expect(200).closes());
    client.expect_close();
    server.stop().expect_clean();
}

fn an_answer_that_takes_longer_than_a_connection_may_live_is_sent_to_its_end(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_CONNECTION_AGE", "200ms")
        .start()
        .ready();
    let mut client = Client::connect_narrow(server.address);
    client.send("GET /bytes/1000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(client.response().expect(200).body.len(), 1_000_000);
    server.stop().expect_clean();
}

fn without_the_settings_a_connection_lives_on(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for _ in 0..2000 {
        assert!(!client.get("/").expect(200).closes());
    }
    server.stop().expect_clean();
}
