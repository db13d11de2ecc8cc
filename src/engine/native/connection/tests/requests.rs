//! From bytes to requests, and the memory that takes.

use super::*;
use crate::engine::native::connection::Connection;
use std::mem::size_of;

#[test]
fn pipelined_requests_are_answered_in_order_however_the_bytes_are_split() {
    let pipeline = [
        GET,
        &post(b"hello"),
        &put(&[b"one", b"two"]),
        b"\r\n", // RFC 9112, section 2.2: an empty line before a request.
        b"DELETE /delete HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    .concat();
    let expected = [
        "GET /get ",
        "POST /post hello",
        "PUT /put onetwo",
        "DELETE /delete ",
    ];
    for scratch in [1, 7, 64, SCRATCH] {
        for step in 1..=pipeline.len() {
            let mut rig = Rig::new(&rules(), scratch);
            for piece in pipeline.chunks(step) {
                rig.send(piece);
                rig.serve(&mut echo);
            }
            assert_eq!(
                bodies(&mut rig),
                expected,
                "{scratch} of {step} bytes at a time"
            );
        }
    }
}

#[test]
fn the_bytes_of_a_pipeline_wait_their_turn_where_a_handler_takes_its_time() {
    let mut rig = rig();
    assert_eq!(rig.send([GET, GET].concat()), Next::Request);
    for _ in 0..3 {
        assert_eq!(rig.send(GET), Next::Wait, "one request at a time");
    }
    let mut answered = 0;
    rig.serve(&mut |request| {
        answered += 1;
        echo(request)
    });
    assert_eq!((answered, bodies(&mut rig).len()), (5, 5));
}

#[test]
fn what_arrives_before_the_response_is_taken_is_not_read_into_memory() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.send(vec![b'x'; 1 << 20]);
    rig.respond(bytes(vec![b'x'; 1000]), false);
    let reads = rig.wire().reads;
    rig.send(vec![b'x'; 1 << 20]);
    assert_eq!(rig.take(100), Next::Wait);
    assert_eq!(rig.wire().reads, reads);
    assert!(rig.connection.request_holds() < 2 * SCRATCH);
}

#[test]
fn a_body_split_anywhere_reaches_the_handler_whole() {
    for request in [
        post(b"a body of known length"),
        put(&[b"a body ", b"in", b" chunks"]),
    ] {
        let whole = {
            let mut rig = rig();
            rig.send(&request);
            rig.connection.request().body().to_vec()
        };
        for split in 1..request.len() {
            let mut rig = rig();
            assert_eq!(rig.send(&request[..split]), Next::Wait, "at {split}");
            assert_eq!(rig.send(&request[split..]), Next::Request, "at {split}");
            assert_eq!(rig.connection.request().body(), whole, "at {split}");
        }
    }
}

#[test]
fn a_head_that_drips_is_looked_through_once() {
    let mut rig = rig();
    for (at, byte) in GET[..GET.len() - 1].iter().enumerate() {
        rig.send([*byte]);
        assert!(matches!(rig.connection.state, State::Head(scanned) if scanned == at + 1));
    }
    assert_eq!(rig.send(b"\n"), Next::Request);
}

#[test]
fn a_handler_knows_whose_request_it_is_also_in_a_buffer_that_was_anothers() {
    let mut rig = rig();
    let mut others = Box::<Request>::default();
    others.peer = Some(([198, 51, 100, 1], 80).into());
    rig.buffers.keep(others);
    rig.send([GET, GET].concat());
    rig.send(GET);
    let mut asked = 0;
    rig.serve(&mut |request| {
        asked += 1;
        assert_eq!(request.peer().unwrap().to_string(), "192.0.2.1:80");
        echo(request)
    });
    assert_eq!(asked, 3);
}

#[test]
fn a_large_body_is_whole_and_held_once() {
    let body: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    let mut rig = rig();
    for piece in post(&body).chunks(1460) {
        rig.send(piece);
    }
    assert_eq!(rig.owner, Owner::Handler);
    assert!(rig.connection.request().body() == body);
    assert!(rig.connection.request_holds() < body.len() + 2 * SCRATCH);
    rig.serve(&mut |_| Response::new(StatusCode::OK));
    assert_eq!(rig.connection.charged_request, 0);
}

#[test]
fn a_length_that_is_only_announced_takes_no_memory() {
    let mut rig = rig();
    rig.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx");
    rig.send(b"x");
    assert!(rig.connection.request_holds() < 2 * SCRATCH);
}

#[test]
fn a_client_that_waits_for_100_gets_it_once() {
    for fields in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let head =
            format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n\r\n");
        let body = match fields.contains("chunked") {
            true => &b"5\r\nhello\r\n0\r\n\r\n"[..],
            false => b"hello",
        };
        let mut rig = rig();
        for byte in head.bytes() {
            assert!(rig.wire().sent.is_empty());
            rig.send([byte]);
        }
        assert_eq!(rig.wire().sent, b"HTTP/1.1 100 Continue\r\n\r\n");
        for byte in body {
            rig.send([*byte]);
        }
        rig.serve(&mut echo);
        let reply = only_reply(&mut rig);
        assert_eq!(
            (reply.continues, &reply.body[..]),
            (1, &b"POST / hello"[..]),
            "{fields}"
        );
    }
}

#[test]
fn nobody_is_told_100_who_does_not_wait_for_it() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nh",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    ] {
        let mut rig = rig();
        rig.send(request);
        assert!(rig.wire().sent.is_empty(), "{request}");
    }
}

#[test]
fn a_100_that_the_client_cannot_take_at_once_comes_before_the_response_and_whole() {
    const EXPECTING: &str =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    for room in 0..30 {
        // The body comes without it,
        let mut rig = blocked_rig();
        rig.take(room);
        rig.send(EXPECTING);
        assert_eq!(rig.wire().sent.len(), room.min(25));
        rig.send("hello");
        rig.serve(&mut echo);
        rig.take(usize::MAX);
        let reply = only_reply(&mut rig);
        assert_eq!(
            (reply.continues, &reply.body[..]),
            (1, &b"POST / hello"[..])
        );
        // or after it.
        let mut rig = blocked_rig();
        rig.take(room);
        rig.send(EXPECTING);
        rig.take(25);
        assert!(
            rig.wire()
                .sent
                .starts_with(b"HTTP/1.1 100 Continue\r\n\r\n")
        );
        assert!(!rig.connection.wants_to_send());
        assert_eq!(rig.send("hello"), Next::Request);
    }
}

#[test]
fn a_request_that_the_client_ends_with_a_half_close_is_still_answered() {
    for scratch in [1, SCRATCH] {
        let mut rig = Rig::new(&rules(), scratch);
        rig.wire().incoming.extend([GET, &post(b"hello")].concat());
        rig.leave(End::HalfClosed);
        rig.serve(&mut echo);
        assert_eq!(bodies(&mut rig), ["GET /get ", "POST /post hello"]);
        assert_ended(&rig);
        assert!(!rig.wire().aborts());
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_just_ends() {
    let chunked = put(&[b"hello"]);
    for request in [
        &GET[..GET.len() - 1],
        &post(b"hello")[..55],
        &chunked[..chunked.len() - 1],
    ] {
        for cut in 0..request.len() {
            for end in [End::HalfClosed, End::Reset] {
                let mut rig = rig();
                rig.send(&request[..cut]);
                assert_eq!(rig.leave(end), Next::Close, "after {cut} bytes");
                assert!(rig.wire().sent.is_empty(), "after {cut} bytes");
                assert_ended(&rig);
            }
        }
    }
}

#[test]
fn a_client_that_leaves_while_its_request_is_handled_frees_its_place() {
    for end in [End::HalfClosed, End::Reset] {
        let mut rig = rig();
        rig.send(GET);
        assert_eq!(rig.leave(end), Next::Wait, "the handler has it");
        assert_eq!(rig.serve(&mut echo), Next::Close);
        assert_ended(&rig);
    }
}

#[test]
fn signals_interrupt_nothing() {
    let mut rig = rig();
    rig.wire().interruptions = 3;
    assert_eq!(rig.send(GET), Next::Request);
    rig.wire().interruptions = 3;
    rig.serve(&mut echo);
    assert_eq!(bodies(&mut rig), ["GET /get "]);
}

#[test]
fn an_idle_connection_holds_no_buffer_and_little_else() {
    assert!(size_of::<Connection<mio::net::TcpStream>>() <= 288);
    let mut rig = rig();
    for request in [GET, &post(&[0; 100_000]), &put(&[&[0; 100_000]])] {
        rig.send(request);
        rig.serve(&mut |_| bytes(vec![0; 100_000]));
        assert!(rig.connection.is_idle());
        assert!(rig.connection.input.is_none() && rig.connection.outgoing.is_none());
        assert_eq!(rig.rules.memory.requests.used(), 0);
        assert_eq!(rig.rules.memory.responses.used(), 0);
    }
}

#[test]
fn request_buffers_go_from_connection_to_connection() {
    let mut rig = rig();
    rig.send(GET);
    let buffer = rig.connection.request().bytes.as_ptr();
    rig.serve(&mut echo);
    assert_eq!(rig.buffers.len(), 1);
    rig.send(GET);
    assert_eq!(rig.connection.request().bytes.as_ptr(), buffer);
    rig.serve(&mut echo);
    assert_eq!(rig.buffers.len(), 1);
}

#[test]
fn nothing_of_one_client_is_left_for_another() {
    let mut first = blocked_rig();
    first.send(post(b"secret"));
    first.respond(bytes(vec![b'x'; 1000]), false);
    assert_eq!(first.leave(End::Reset), Next::Close);
    let mut second = rig();
    std::mem::swap(&mut second.buffers, &mut first.buffers);
    assert_eq!(second.buffers.len(), 1, "the buffer itself is used again");
    second.send(GET);
    second.serve(&mut echo);
    assert_eq!(bodies(&mut second), ["GET /get "]);
}

#[test]
fn nothing_of_a_request_is_left_for_the_next() {
    let mut rig = rig();
    rig.send([&post(b"hello")[..], GET, &put(&[b"hello"]), GET].concat());
    let mut seen = Vec::new();
    rig.serve(&mut |request| {
        seen.push((
            request.header("content-length").is_some(),
            request.body().len(),
        ));
        echo(request)
    });
    assert_eq!(seen, [(true, 5), (false, 0), (false, 5), (false, 0)]);
}
