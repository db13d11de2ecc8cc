//! Clients that are slow, a byte at a time too.

use super::*;
use crate::engine::native::connection::sending::LINGER_BETWEEN_READS;

/// Sends these bytes, one a second, until an answer or the end comes; says how long that took.
fn drip(rig: &mut Rig, bytes: &[u8]) -> Duration {
    let began = rig.now;
    for byte in bytes {
        rig.send([*byte]);
        rig.pass(SECOND);
        if rig.owner != Owner::Reactor || !rig.wire().sent.is_empty() {
            break;
        }
    }
    rig.now - began
}

#[test]
fn a_head_that_drips_is_cut_at_head_timeout() {
    let (head, empty) = (
        format!("GET /{}", "x".repeat(100)),
        "\r\n".repeat(3) + "GET / HTTP/1.1",
    );
    for (head, is_first) in [(&head, true), (&head, false), (&empty, true)] {
        let mut rig = rig();
        if !is_first {
            rig.send(GET);
            rig.serve(&mut echo);
            rig.wire().sent.clear();
        }
        assert_eq!(drip(&mut rig, head.as_bytes()), HEAD_TIMEOUT);
        assert_eq!(only_reply(&mut rig).status, 408);
        assert_eq!(rig.pass(LINGER_BETWEEN_READS), Next::Close);
        assert_ended(&rig);
    }
}

#[test]
fn a_connection_that_a_balancer_opened_ahead_of_need_has_its_whole_head_timeout_when_it_is_needed()
{
    let mut rig = rig();
    rig.pass(KEEP_ALIVE_TIMEOUT - SECOND);
    rig.send(&GET[..10]);
    rig.pass(HEAD_TIMEOUT - SECOND);
    assert!(rig.wire().sent.is_empty());
    rig.pass(SECOND);
    assert_eq!(only_reply(&mut rig).status, 408);
}

#[test]
fn a_head_that_stops_half_way_is_cut_at_head_timeout() {
    let mut rig = rig();
    rig.send(&GET[..10]);
    rig.pass(HEAD_TIMEOUT - SECOND);
    assert!(rig.wire().sent.is_empty());
    rig.pass(SECOND);
    assert_eq!(only_reply(&mut rig).status, 408);
}

#[test]
fn a_pipelined_head_has_its_whole_time_from_when_its_turn_has_come() {
    let mut rig = rig();
    rig.send([GET, b"GET /pipelined"].concat());
    rig.pass(5 * HEAD_TIMEOUT);
    rig.serve(&mut echo);
    rig.pass(HEAD_TIMEOUT - SECOND);
    assert_eq!(bodies(&mut rig), ["GET /get "]);
    rig.pass(SECOND);
    assert_eq!(replies(&mut rig)[1].status, 408);
}

#[test]
fn a_body_that_drips_is_cut_at_body_timeout() {
    let by_length = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n".as_bytes();
    let in_a_chunk = [CHUNKED_HEAD, b"64\r\n"].concat();
    let in_an_extension = [CHUNKED_HEAD, b"64;"].concat();
    for head in [by_length, &in_a_chunk, &in_an_extension] {
        let mut rig = rig();
        rig.pass(HEAD_TIMEOUT - SECOND);
        rig.send(head);
        assert_eq!(drip(&mut rig, &[b'0'; 100]), BODY_TIMEOUT);
        assert_eq!(only_reply(&mut rig).status, 408);
        assert_eq!(rig.connection.charged_request, 0);
        assert_eq!(rig.pass(LINGER_BETWEEN_READS), Next::Close);
    }
}

#[test]
fn a_body_whose_client_waits_for_a_100_it_does_not_take_is_cut_at_body_timeout() {
    let mut rig = blocked_rig();
    rig.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    rig.take(5);
    rig.pass(BODY_TIMEOUT);
    rig.take(usize::MAX);
    let reply = only_reply(&mut rig);
    assert_eq!((reply.continues, reply.status), (1, 408));
}

#[test]
fn a_response_that_drips_is_cut_at_write_timeout() {
    let stream = || Response::stream(std::io::repeat(b'x'));
    let whole = || bytes(vec![b'x'; 1 << 20]);
    for response in [&stream as &dyn Fn() -> Response, &whole] {
        let mut rig = blocked_rig();
        rig.send(GET);
        rig.respond(response(), false);
        let began = rig.now;
        while rig.owner != Owner::Nobody {
            if rig.take(1) == Next::Stream {
                rig.pump();
            }
            rig.pass(SECOND);
        }
        assert_eq!(rig.now - began, WRITE_TIMEOUT);
        assert!(rig.wire().aborts());
        assert_ended(&rig);
    }
}

#[test]
fn a_client_that_makes_just_enough_progress_gets_the_whole_response() {
    const SIZE: usize = 1 << 20;
    // So much in each WRITE_TIMEOUT, or a little less.
    for (step, arrives) in [(65 * 1024, true), (63 * 1024, false)] {
        let mut rig = blocked_rig();
        rig.send(GET);
        rig.respond(bytes(vec![b'x'; SIZE]), false);
        while rig.connection.wants_to_send() && rig.owner == Owner::Reactor {
            rig.take(step);
            // A deadline that was looked at late would count as a stall.
            let next = rig.now + WRITE_TIMEOUT - Duration::from_millis(1);
            while rig.now < next {
                rig.pass(Duration::from_millis(100).min(next - rig.now));
            }
        }
        assert_eq!(
            only_reply(&mut rig).is_whole,
            arrives,
            "{step} bytes at a time"
        );
        assert_eq!(rig.wire().aborts(), !arrives);
    }
}

#[test]
fn a_client_that_sends_nothing_is_closed_without_a_word() {
    let mut rig = rig();
    rig.pass(KEEP_ALIVE_TIMEOUT - SECOND);
    assert!(rig.connection.is_fresh() && rig.owner == Owner::Reactor);
    assert_eq!(rig.pass(SECOND), Next::Close);
    assert!(rig.wire().sent.is_empty());
}

#[test]
fn an_idle_connection_is_closed_at_keep_alive_timeout() {
    let mut rig = rig();
    for _ in 0..3 {
        rig.send(GET);
        rig.serve(&mut echo);
        rig.pass(KEEP_ALIVE_TIMEOUT - SECOND);
        assert_eq!(rig.owner, Owner::Reactor, "each response begins it anew");
    }
    assert_eq!(rig.pass(SECOND), Next::Close);
    assert!(!rig.wire().aborts());
    assert_ended(&rig);
}

#[test]
fn no_timeout_ends_a_connection_whose_handler_runs() {
    let mut rig = rig();
    rig.send(post(b"hello"));
    rig.now += 100 * KEEP_ALIVE_TIMEOUT;
    rig.serve(&mut echo);
    rig.pass(KEEP_ALIVE_TIMEOUT - SECOND);
    assert_eq!(bodies(&mut rig), ["POST /post hello"]);
    assert!(rig.connection.is_idle());
}

#[test]
fn a_client_that_ends_its_body_with_an_empty_line_is_not_told_that_it_is_slow() {
    for stray in [&b"\r\n"[..], b"\r\n\r\n", b"\r"] {
        let mut rig = rig();
        rig.send([&post(&[b'x'; 50_000])[..], b"\r\n"].concat());
        rig.serve(&mut |_| bytes(b"thanks".to_vec()));
        rig.send(GET);
        rig.serve(&mut echo);
        rig.wire().sent.clear();
        rig.send(GET);
        rig.serve(&mut echo);
        // The rig checks that what rests holds nothing, of this either.
        assert_eq!(rig.send(stray), Next::Wait);
        assert!(rig.connection.is_idle());
        rig.pass(HEAD_TIMEOUT);
        assert_eq!(bodies(&mut rig).len(), 1, "no 408");
        let rest = if stray.ends_with(b"\n") {
            &b""[..]
        } else {
            b"\n"
        };
        rig.send([rest, GET].concat());
        rig.serve(&mut echo);
        assert_eq!(bodies(&mut rig).len(), 2);
        // Empty lines are no sign of life.
        rig.pass(KEEP_ALIVE_TIMEOUT / 2);
        rig.send(b"\r\n");
        assert_eq!(rig.pass(KEEP_ALIVE_TIMEOUT / 2), Next::Close);
    }
}

#[test]
fn a_client_that_was_not_seen_for_the_process_stood_still_has_its_time_again() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 1 << 20]), false);
    // Nobody looks at the deadline when it comes.
    rig.pass(WRITE_TIMEOUT + SECOND);
    assert!(rig.connection.wants_to_send());
    rig.take(usize::MAX);
    assert!(only_reply(&mut rig).is_whole);
}
