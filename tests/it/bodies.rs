//! Bodies of requests arrive whole, however their clients send them.

use std::time::Duration;

use crate::support::{Broken, Engine, Setup};

both_engines! {
    a_client_that_expects_a_go_ahead_gets_it,
    a_client_that_stops_sending_still_gets_its_answer,
    a_client_that_stops_sending_behind_its_last_chunk_gets_its_answer,
    chunks_are_whole_although_their_client_wants_the_connection_closed,
    headers_and_bodies_reach_the_handler_as_they_were_sent,
}

fn headers_and_bodies_reach_the_handler_as_they_were_sent(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    client.send("GET /headers HTTP/1.1\r\nHost: test\r\nX-Answer:  forty two \r\n\r\n");
    let answer = client.response().expect(200);
    let text = answer.text().to_ascii_lowercase();
    assert!(
        text.contains("x-answer") && text.contains("forty two"),
        "{text}"
    );

    // Every byte there is, several times over the usual buffers.
    let body: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert!(
        client.response().expect(200).body == body,
        "the body came back changed"
    );
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in body.chunks(7001) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert!(
        client.response().expect(200).body == body,
        "the chunks came back changed"
    );
}

fn a_client_that_expects_a_go_ahead_gets_it(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    let head =
        "POST /echo HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    for _ in 0..2 {
        client.send(head);
        client.response().expect(100);
        client.send("hello");
        assert_eq!(client.response().expect(200).text(), "hello");
    }
    // One that does not wait for it is served just as well.
    client.send(format!("{head}hello"));
    let mut answer = client.response();
    if answer.status == 100 {
        answer = client.response();
    }
    assert_eq!(answer.expect(200).text(), "hello");
    client.get("/").expect(200);
}

fn a_client_that_stops_sending_still_gets_its_answer(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    for path in ["/", "/delay/1", "/bytes/1000000"] {
        let mut client = server.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.finish_sending();
        client.response().expect(200);
        client.expect_close();
    }
    // Half a request and no more to come: nothing to answer, nothing to wait for.
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHo");
    client.finish_sending();
    match client.try_response() {
        Err(Broken::Closed) => {}
        Ok(answer) if answer.status == 400 => client.expect_close(),
        other => panic!("{other:?}"),
    }
}

fn a_client_that_stops_sending_behind_its_last_chunk_gets_its_answer(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    for _ in 0..20 {
        let mut client = server.client();
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("5\r\nhello\r\n0\r\n\r\n");
        client.finish_sending();
        assert_eq!(client.response().expect(200).text(), "hello");
        client.expect_close();
    }
}

fn chunks_are_whole_although_their_client_wants_the_connection_closed(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    for round in 0..200 {
        let mut client = server.client();
        client.send(head);
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        client.send("5\r\nhello\r\n0\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (200, "hello"), "{round}");
        client.expect_close();
    }
}
