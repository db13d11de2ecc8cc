//! What is no request, and how a connection ends.

use super::*;
use crate::engine::native::connection::sending::{LINGER, LINGER_BETWEEN_READS};

/// Something that is refused, and nothing behind it.
const BAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[test]
fn a_refusal_is_sent_and_half_closed_and_the_client_has_five_seconds_to_read_it() {
    let mut rig = rig();
    assert_eq!(rig.send(BAD), Next::Wait);
    let reply = only_reply(&mut rig);
    assert!(reply.status == 400 && reply.closes && reply.is_whole);
    assert!(rig.wire().is_half_closed() && !rig.wire().aborts());
    rig.pass(LINGER_BETWEEN_READS - Duration::from_millis(1));
    assert_eq!(rig.owner, Owner::Reactor, "lingers");
    assert_eq!(rig.pass(Duration::from_millis(1)), Next::Close);
    assert!(!rig.wire().aborts(), "no reset on purpose");
    assert_ended(&rig);
}

#[test]
fn a_client_that_reads_only_once_it_has_sent_everything_gets_its_refusal() {
    let mut rig = rig();
    rig.send(BAD);
    for _ in 0..7 {
        rig.pass(LINGER_BETWEEN_READS - SECOND);
        rig.send(vec![b'x'; 1 << 20]);
        assert_eq!(rig.owner, Owner::Reactor, "lingers");
        assert!(rig.wire().incoming.is_empty(), "what it sends is taken");
        assert_eq!(
            rig.connection.charged_request, 0,
            "what is thrown away takes no memory"
        );
    }
    assert_eq!(rig.leave(End::HalfClosed), Next::Close);
}

#[test]
fn a_client_that_never_stops_sending_does_not_make_it_linger_longer_than_thirty_seconds() {
    let mut rig = rig();
    rig.send(BAD);
    let began = rig.now;
    while rig.owner == Owner::Reactor {
        rig.send(vec![b'x'; 100_000]);
        rig.pass(SECOND);
    }
    assert_eq!(rig.now - began, LINGER);
    assert_ended(&rig);
}

#[test]
fn a_client_that_has_read_its_refusal_and_closes_frees_its_place_at_once() {
    let mut rig = rig();
    rig.send([BAD, &[b'x'; 10_000]].concat());
    assert_eq!(rig.leave(End::HalfClosed), Next::Close);
    assert_ended(&rig);
}

#[test]
fn a_client_that_sends_as_fast_as_it_is_read_does_not_keep_the_thread() {
    let mut rig = rig();
    rig.send(BAD);
    rig.wire().is_flooded = true;
    // The rig checks that a turn is bounded.
    for _ in 0..100 {
        assert_eq!(rig.send(b""), Next::More);
    }
    assert_eq!(rig.pass(LINGER), Next::Close);
}

#[test]
fn what_follows_a_refused_request_is_not_taken_for_one() {
    let mut rig = rig();
    assert_eq!(rig.send([BAD, GET, GET].concat()), Next::Wait);
    assert_eq!(rig.send(GET), Next::Wait);
    assert_eq!(only_reply(&mut rig).status, 400);
}

#[test]
fn requests_before_a_refused_one_are_answered_first() {
    let mut rig = rig();
    rig.send([GET, &post(b"hello"), BAD].concat());
    rig.serve(&mut echo);
    let statuses: Vec<_> = replies(&mut rig).iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 400]);
}

#[test]
fn each_kind_of_refusal_reaches_the_client() {
    let long = "x".repeat(3000);
    let rows = [
        (
            "a head over the limit",
            format!("GET / HTTP/1.1\r\nA: {long}"),
            431,
        ),
        ("a request line over the limit", format!("GET /{long}"), 414),
        (
            "a body over the limit",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n".into(),
            413,
        ),
        (
            "a length that no memory could hold",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000000000000\r\n\r\n".into(),
            413,
        ),
        (
            "a body over the limit that waits for 100",
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n"
                .into(),
            413,
        ),
        (
            "a chunk over the limit",
            format!("{}100001\r\n", String::from_utf8_lossy(CHUNKED_HEAD)),
            413,
        ),
        (
            "a malformed chunk",
            format!("{}xyz\r\n", String::from_utf8_lossy(CHUNKED_HEAD)),
            400,
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
    ];
    for (what, bytes, status) in rows {
        for scratch in [1, SCRATCH] {
            let mut rig = Rig::new(&rules(), scratch);
            rig.send(&bytes);
            let reply = only_reply(&mut rig);
            assert_eq!((reply.status, reply.continues), (status, 0), "{what}");
            assert!(reply.closes && rig.wire().is_half_closed(), "{what}");
            assert_eq!(rig.pass(LINGER), Next::Close);
            assert_ended(&rig);
        }
    }
}

#[test]
fn a_body_that_goes_wrong_after_100_is_refused() {
    let mut rig = rig();
    let expect = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n";
    rig.send(format!("{expect}Transfer-Encoding: chunked\r\n\r\n"));
    rig.send("xyz\r\n");
    let reply = only_reply(&mut rig);
    assert_eq!((reply.continues, reply.status), (1, 400));
}

#[test]
fn a_refusal_that_the_client_does_not_take_is_cut() {
    let mut rig = blocked_rig();
    rig.take(10);
    rig.send(BAD);
    assert!(rig.connection.wants_to_send());
    rig.pass(WRITE_TIMEOUT - SECOND);
    assert_eq!(rig.pass(SECOND), Next::Close);
    assert!(rig.wire().aborts(), "half a refusal is no refusal");
    assert_ended(&rig);
}

#[test]
fn a_refusal_that_the_client_takes_late_is_whole() {
    let mut rig = blocked_rig();
    rig.send(BAD);
    for _ in 0..20 {
        assert_eq!(rig.take(10), Next::Wait);
    }
    rig.take(usize::MAX);
    assert_eq!(only_reply(&mut rig).status, 400);
    assert!(rig.wire().is_half_closed());
}

#[test]
fn a_last_response_with_more_requests_behind_it_lingers_as_a_refusal_does() {
    // Those bytes unread would make the close a reset, which may destroy the response on its way.
    let mut rig = rig();
    rig.send([GET, GET].concat());
    rig.respond(Response::new(StatusCode::OK), true);
    assert!(only_reply(&mut rig).closes);
    assert!(rig.wire().is_half_closed() && rig.owner == Owner::Reactor);
    assert_eq!(rig.connection.charged_request, 0);
    assert_eq!(rig.leave(End::HalfClosed), Next::Close);
}
