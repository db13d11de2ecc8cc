//! Responses that are in memory, and what becomes of the connection after them.

use super::*;

#[test]
fn a_connection_goes_on_or_ends_as_client_and_server_have_said() {
    #[rustfmt::skip]
    let rows = [
        // Version, the client's Connection, whether the server closes, whether it goes on.
        ("HTTP/1.1", "", false, true),
        ("HTTP/1.1", "keep-alive", false, true),
        ("HTTP/1.1", "close", false, false),
        ("HTTP/1.1", "close, keep-alive", false, false),
        ("HTTP/1.1", "", true, false),
        ("HTTP/1.0", "", false, false),
        ("HTTP/1.0", "keep-alive", false, true),
        ("HTTP/1.0", "keep-alive", true, false),
        ("HTTP/1.0", "close", false, false),
    ];
    for (version, option, server_closes, goes_on) in rows {
        let row = format!("{version} {option:?} {server_closes}");
        let field = match option {
            "" => String::new(),
            option => format!("Connection: {option}\r\n"),
        };
        let mut rig = rig();
        rig.send(format!("GET / {version}\r\nHost: a\r\n{field}\r\n"));
        rig.respond(Response::new(StatusCode::OK), server_closes);
        assert_eq!(only_reply(&mut rig).closes, !goes_on, "{row}");
        assert!(!rig.wire().aborts(), "{row}");
        if goes_on {
            assert!(rig.connection.is_idle(), "{row}");
            assert_eq!(rig.send(GET), Next::Request, "{row}");
        } else {
            assert_ended(&rig);
        }
    }
}

#[test]
fn only_the_last_request_of_a_connection_closes_it() {
    let mut rig = rig();
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    rig.send([GET, GET, last.as_bytes(), GET].concat());
    rig.serve(&mut echo);
    let closes: Vec<_> = replies(&mut rig).iter().map(|reply| reply.closes).collect();
    assert_eq!(closes, [false, false, true]);
}

#[test]
fn no_body_is_sent_where_the_client_expects_none() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 205)] {
        for kind in 0..4 {
            let mut rig = rig();
            rig.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            let mut response = match kind {
                0 => bytes(b"body".to_vec()),
                1 => bytes(vec![b'x'; 100_000]),
                2 => Response::stream(&b"body"[..]),
                _ => Response::stream_sized(&b"body"[..], 4),
            };
            response.status = StatusCode::from_u16(status).unwrap();
            rig.respond(response, false);
            let sent = String::from_utf8(rig.wire().sent.clone()).unwrap();
            assert!(
                sent.ends_with("\r\n\r\n") && sent.len() < 1000,
                "{method} {status}: {sent}"
            );
            assert!(rig.connection.is_idle(), "{method} {status}");
            assert_eq!(rig.send(GET), Next::Request);
        }
    }
}

#[test]
fn a_response_is_one_write_where_the_client_takes_it() {
    for size in [0, 100, 4096, 5000, 1 << 20] {
        let mut rig = rig();
        rig.send(GET);
        rig.respond(bytes(vec![b'x'; size]), false);
        assert_eq!(rig.wire().writes, 1, "{size} bytes");
        assert_eq!(only_reply(&mut rig).body.len(), size);
    }
}

#[test]
fn a_response_that_a_slow_client_takes_in_pieces_is_whole() {
    static FIXED: [u8; 10_000] = [b'x'; 10_000];
    let fixed = || Response {
        body: Body::Static(&FIXED),
        ..Response::new(StatusCode::OK)
    };
    let short = || bytes(vec![b'x'; 300]);
    let long = || bytes(vec![b'x'; 10_000]);
    let rows: [(&dyn Fn() -> Response, _); 3] = [(&fixed, 10_000), (&short, 300), (&long, 10_000)];
    for (response, len) in rows {
        for step in [1, 100, 101, 4096] {
            let mut rig = blocked_rig();
            rig.send([GET, GET].concat());
            rig.respond(response(), false);
            while rig.owner == Owner::Reactor {
                assert!(rig.connection.wants_to_send());
                rig.take(step);
            }
            let reply = only_reply(&mut rig);
            assert!(
                reply.is_whole && reply.body == vec![b'x'; len],
                "{len} bytes by {step}"
            );
        }
    }
}

#[test]
fn the_next_request_of_a_slow_client_waits_until_its_response_is_taken() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 1000]), false);
    assert_eq!(rig.send(GET), Next::Wait);
    assert_eq!(rig.take(500), Next::Wait);
    assert_eq!(rig.take(usize::MAX), Next::Request);
}

#[test]
fn a_client_that_is_gone_when_its_response_comes_just_ends() {
    for size in [0, 1 << 20] {
        let mut rig = rig();
        rig.send(GET);
        rig.leave(End::Reset);
        assert_eq!(rig.respond(bytes(vec![b'x'; size]), false), Next::Close);
        assert_ended(&rig);
        // Or it leaves when it has half of it.
        let mut rig = blocked_rig();
        rig.send(GET);
        rig.take(50);
        rig.respond(bytes(vec![b'x'; size]), false);
        assert_eq!(rig.leave(End::Reset), Next::Close);
        assert_ended(&rig);
    }
}

#[test]
fn a_client_that_half_closes_while_it_reads_gets_the_rest() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 1000]), false);
    assert_eq!(rig.leave(End::HalfClosed), Next::Wait);
    assert_eq!(rig.take(usize::MAX), Next::Close);
    let reply = only_reply(&mut rig);
    assert!(reply.is_whole && !rig.wire().aborts());
    assert_ended(&rig);
}

#[test]
fn the_last_answer_of_a_drain_reaches_a_client_that_has_sent_more() {
    let mut rig = rig();
    rig.send(GET);
    // Arrives while the handler runs, and nothing has told of it when the answer is out.
    rig.wire().incoming.extend(GET);
    assert_eq!(rig.respond(bytes(b"last".to_vec()), true), Next::Wait);
    assert!(rig.wire().is_half_closed(), "a close would be a reset");
    assert_eq!(rig.pass_until_due(), Next::Close);
    assert_ended(&rig);
}

#[test]
fn an_empty_line_behind_the_last_request_is_no_reason_for_a_reset() {
    let mut rig = rig();
    rig.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    rig.wire().incoming.extend(b"\r\n");
    assert_eq!(rig.respond(bytes(b"last".to_vec()), false), Next::Wait);
    assert!(rig.wire().is_half_closed(), "a close would be a reset");
    assert_eq!(rig.leave(End::HalfClosed), Next::Close);
    assert_ended(&rig);
}

#[test]
fn a_client_that_has_sent_no_more_is_not_waited_for() {
    let mut rig = rig();
    rig.send(GET);
    assert_eq!(rig.respond(bytes(b"last".to_vec()), true), Next::Close);
    assert_ended(&rig);
}
