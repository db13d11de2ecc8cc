//! Time that passes while the process does not run: whatever is in the socket when a deadline is looked at came in time.

use super::*;
use crate::engine::native::connection::{
    sending::LINGER,
    waiting::{Claim, Spared},
};

/// Longer than every timeout.
const STALL: Duration = Duration::from_secs(1000);

/// What a client has been told once the stall is over and all is served: the statuses.
#[track_caller]
fn after_stall(rig: &mut Rig) -> Vec<u16> {
    rig.pass(STALL);
    rig.serve(&mut echo);
    replies(rig).iter().map(|reply| reply.status).collect()
}

#[test]
fn a_request_that_arrived_on_an_idle_or_a_new_connection_is_answered() {
    let mut rig = rig();
    rig.arrive(GET);
    assert_eq!(after_stall(&mut rig), [200], "a new connection");
    rig.arrive(GET);
    assert_eq!(after_stall(&mut rig), [200, 200], "an idle one");
    assert_eq!(rig.pass(STALL), Next::Close);
    assert_ended(&rig);
}

#[test]
fn a_head_or_a_body_whose_rest_has_arrived_is_answered() {
    let chunked = put(&[&[b'x'; 300], &[b'y'; 10]]);
    for request in [GET, &post(&[b'x'; 10_000]), &chunked] {
        for sent in [1, request.len() / 2, request.len() - 1] {
            let mut rig = Rig::new(&rules(), 64);
            rig.send(&request[..sent]);
            assert!(rig.connection.is_receiving());
            rig.arrive(&request[sent..]);
            assert_eq!(after_stall(&mut rig), [200], "{sent} of {}", request.len());
        }
    }
}

#[test]
fn a_head_that_began_during_the_stall_has_its_time_from_then() {
    let mut rig = rig();
    rig.arrive(&GET[..10]);
    assert_eq!(rig.pass(STALL), Next::Wait);
    rig.pass(HEAD_TIMEOUT - SECOND);
    assert!(rig.wire().sent.is_empty());
    rig.send(&GET[10..]);
    rig.serve(&mut echo);
    assert_eq!(bodies(&mut rig), ["GET /get "]);
}

#[test]
fn a_body_whose_head_was_whole_only_then_has_its_time_from_then() {
    let request = post(b"hello");
    let mut rig = rig();
    rig.send(&request[..10]);
    rig.arrive(&request[10..request.len() - 2]);
    assert_eq!(rig.pass(STALL), Next::Wait);
    rig.pass(BODY_TIMEOUT - SECOND);
    rig.send(&request[request.len() - 2..]);
    rig.serve(&mut echo);
    assert_eq!(bodies(&mut rig), ["POST /post hello"]);
}

#[test]
fn what_is_not_whole_even_then_is_told_408() {
    let request = post(&[b'x'; 10_000]);
    for sent in [10, 5000] {
        let mut rig = rig();
        rig.send(&request[..sent]);
        if sent > GET.len() {
            rig.arrive(&request[sent..request.len() - 1]);
        }
        assert_eq!(after_stall(&mut rig), [408]);
        assert_eq!(rig.pass(LINGER), Next::Close);
        assert_ended(&rig);
    }
}

#[test]
fn a_download_whose_client_has_read_meanwhile_goes_on() {
    // Less than the 64 KiB that a client is to take in `WRITE_TIMEOUT`: there was no more in the socket to take.
    const ROOM: usize = 20_000;
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 4 * ROOM]), false);
    for _ in 0..3 {
        rig.take_unseen(ROOM);
        assert_eq!(rig.pass(STALL), Next::Wait);
    }
    rig.take(usize::MAX);
    assert!(only_reply(&mut rig).is_whole && rig.connection.is_idle());
}

#[test]
fn a_download_that_fits_in_the_socket_by_then_is_whole() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 1000]), false);
    rig.take_unseen(usize::MAX);
    assert_eq!(rig.pass(STALL), Next::Wait);
    assert!(only_reply(&mut rig).is_whole && rig.connection.is_idle());
    rig.send(GET);
    rig.serve(&mut echo);
    assert_eq!(replies(&mut rig).len(), 2);
}

#[test]
fn a_stream_whose_client_has_read_meanwhile_goes_on() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(
        Response::stream(std::io::Cursor::new(vec![b'x'; 100_000])),
        false,
    );
    rig.take_unseen(usize::MAX);
    assert_eq!(rig.pass(STALL), Next::Stream);
    rig.pump();
    assert_eq!(only_reply(&mut rig).body.len(), 100_000);
}

#[test]
fn a_refused_client_that_has_sent_more_is_closed_without_a_reset() {
    let mut rig = rig();
    rig.send("GET / HTTP/1.1\r\n\r\n");
    rig.arrive(GET);
    assert_eq!(rig.pass(STALL), Next::Close);
    assert!(rig.wire().incoming.is_empty(), "a close would be a reset");
}

#[test]
fn a_client_that_has_left_meanwhile_is_told_nothing() {
    let mut rig = rig();
    rig.send(&GET[..10]);
    rig.wire().end = Some(End::HalfClosed);
    assert_eq!(rig.pass(STALL), Next::Close);
    assert!(rig.wire().sent.is_empty());
}

/// Whether another may have the connection's place by now.
fn spared(rig: &Rig) -> Option<Spared> {
    rig.connection.spared(rig.now, &rig.rules)
}

/// A connection that has been silent from the beginning, or has received this request and sent nothing of its answer.
fn waiting(sent: &[u8]) -> Rig {
    let mut rig = blocked_rig();
    rig.send(sent);
    if rig.owner == Owner::Handler {
        rig.respond(bytes(vec![b'x'; 10_000]), false);
    }
    rig
}

#[test]
fn silent_connections_go_first_then_slow_clients_then_idle_ones_and_heads_that_arrive_last() {
    let after = |mut rig: Rig, seconds: u32| {
        assert_eq!(
            spared(&rig),
            idle_since(&rig),
            "nothing was to be had of it"
        );
        rig.now += seconds * SECOND;
        spared(&rig).unwrap()
    };
    let head = |bytes: usize| waiting(("GET /".to_owned() + &"x".repeat(bytes - 5)).as_bytes());
    let body = post(&[b'x'; 1000]);
    let idle = |seconds| {
        let mut rig = rig();
        rig.send(GET);
        rig.serve(&mut echo);
        after(rig, seconds)
    };
    let expected = [
        after(waiting(b""), 3),
        after(waiting(b""), 2),
        after(head(100), 9),
        after(waiting(GET), 8),
        after(waiting(&body[..100]), 7),
        after(head(100), 6),
        idle(9),
        idle(2),
        after(head(100), 4),
        after(head(100), 2),
        after(head(2000), 4),
    ];
    for (position, one) in expected.iter().enumerate() {
        let kind = match position {
            0..=1 => matches!(one, Spared::Silent(_)),
            2..=5 => matches!(one, Spared::TooSlow(_)),
            6..=7 => matches!(one, Spared::Idle(_)),
            _ => matches!(one, Spared::Arriving(_)),
        };
        assert!(kind, "{position}: {one:?}");
        assert_eq!(one.yields_to(Claim::Connection), position <= 5, "{one:?}");
        assert!(one.yields_to(Claim::Request), "{one:?}");
    }
    assert!(expected[8..].is_sorted(), "the slowest head first");
}

/// An idle connection may be closed at any time.
fn idle_since(rig: &Rig) -> Option<Spared> {
    let is_idle = rig.connection.is_idle();
    is_idle.then_some(Spared::Idle(rig.connection.deadline))
}

#[test]
fn of_clients_of_one_kind_the_one_that_has_waited_longest_goes_first() {
    let begun = rig().now;
    let later = begun + SECOND;
    assert!(Spared::Silent(begun) < Spared::Silent(later));
    assert!(Spared::TooSlow(begun) < Spared::TooSlow(later));
    assert!(Spared::Idle(begun) < Spared::Idle(later));
    assert!(Spared::Silent(later) < Spared::TooSlow(begun));
    assert!(Spared::TooSlow(later) < Spared::Idle(begun));
    assert!(Spared::Idle(later) < Spared::Arriving(0));
}

#[test]
fn a_connection_that_is_served_is_never_closed_for_another() {
    let request = post(&[b'x'; 100_000]);
    let mut rig = blocked_rig();
    for part in request.chunks(10_000) {
        rig.send(part);
        rig.now += 2 * SECOND;
        assert_eq!(spared(&rig), None, "a body arrives, or a handler runs");
    }
    rig.respond(bytes(vec![b'x'; 10_000]), true);
    for _ in 0..9 {
        rig.now += 2 * SECOND;
        rig.take(1000);
        assert_eq!(spared(&rig), None, "an answer is taken");
    }
}

#[test]
fn a_slow_reader_that_makes_way_can_tell_that_its_answer_is_not_whole() {
    let mut rig = waiting(GET);
    assert_eq!(rig.connection.make_way(), Next::Close);
    assert!(rig.wire().aborts());
}

#[test]
fn a_slow_reader_that_has_taken_all_meanwhile_is_not_told_that_it_is_slow() {
    // Room that poll(2) tells of, and the last bytes of it, of which it does not.
    for (room, trickle) in [(usize::MAX, 0), (0, 100_000)] {
        let mut rig = waiting(GET);
        rig.take_unseen(room);
        rig.wire().trickle = trickle;
        rig.now += STALL;
        assert!(rig.relieve());
        assert!(only_reply(&mut rig).is_whole && rig.connection.is_idle());
    }
}

#[test]
fn the_last_bytes_of_room_that_a_reader_leaves_do_not_make_it_a_fast_one() {
    let mut rig = waiting(GET);
    rig.now += 10 * SECOND;
    rig.wire().trickle = 100;
    assert!(rig.relieve());
    assert_eq!(rig.owner, Owner::Nobody);
    assert!(rig.wire().aborts());
}
