//! Bodies that flow: what reaches the sink, when, and what a client is told that does not keep up.

use super::*;
use crate::engine::{
    native::connection::invariants::flows,
    pace::GRACE,
    underway::{PIECE, Then},
};
use proptest::prelude::*;

const HEAD: &str = "POST /flow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";

fn flowing_rig(change: impl FnOnce(&mut Rules)) -> Rig {
    let mut rules = rules();
    let own = Rc::get_mut(&mut rules).expect("nobody else has it");
    own.policy = flows::policy();
    change(own);
    Rig::new(&rules, SCRATCH)
}

/// A rig whose handler has taken a body of 100,000 bytes, of which none has come.
fn begun(change: impl FnOnce(&mut Rules)) -> Rig {
    let mut rig = flowing_rig(change);
    rig.send(HEAD);
    rig.let_body_come();
    assert_eq!(rig.owner, Owner::Reactor);
    rig
}

/// Takes what there is to take, and answers what is whole with 200 and what is refused with that.
fn serve_flow(rig: &mut Rig, body: &mut Vec<u8>) {
    loop {
        match rig.owner {
            Owner::Handler if rig.connection.awaits_body() => rig.let_body_come(),
            Owner::Handler => {
                rig.respond(bytes(body.clone()), false);
            }
            Owner::Taker => {
                let (underway, then, piece) = rig.take_piece();
                body.extend(piece);
                if then == Then::More {
                    rig.let_more_come(underway);
                    continue;
                }
                drop(underway);
                rig.end_flow();
                let response = match then {
                    Then::Refuse(refusal) => refusal.response(),
                    _ => bytes(body.clone()),
                };
                rig.respond(response, false);
            }
            Owner::Streamer | Owner::Reactor | Owner::Nobody => return,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_body_comes_the_same_however_it_is_split(
        body in prop::collection::vec(any::<u8>(), 1..80_000),
        // Each has an extension, of which a body may have a kibibyte.
        chunk in prop_oneof![Just(None), (500..70_000_usize).prop_map(Some)],
        sends in prop::collection::vec(prop_oneof![1..100_usize, 1..5000_usize, 1..100_000_usize], 1..20),
        scratch in prop_oneof![Just(SCRATCH), Just(32 * 1024), 20..200_usize],
        turn in prop_oneof![Just(1_usize), Just(500), Just(128 * 1024)],
    ) {
        let mut request = match chunk {
            None => post(&body),
            Some(size) => put(&body.chunks(size).collect::<Vec<_>>()),
        };
        let at = request.iter().position(|byte| *byte == b'/').expect("a target");
        request.splice(at..at + if chunk.is_none() { 5 } else { 4 }, *b"/flow");
        request.extend_from_slice(GET);
        let rules = Rc::clone(&flowing_rig(|_| {}).rules);
        let mut rig = Rig::new(&rules, scratch);
        rig.turn = turn;
        let mut came = Vec::new();
        let (mut rest, mut sends) = (&request[..], sends.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*sends.next().expect("a cycle")).min(rest.len()));
            rig.send(now);
            let held = rig.connection.charged_request();
            prop_assert!(held <= 2 * PIECE + scratch + 4096, "{held} bytes are held");
            serve_flow(&mut rig, &mut came);
            rest = later;
        }
        prop_assert!(came == body, "{} bytes of {}", came.len(), body.len());
        let replies = replies(&mut rig);
        prop_assert_eq!(replies.len(), 2, "the next request is answered too");
        prop_assert!(replies.iter().all(|reply| reply.status == 200 && !reply.closes));
    }
}

#[test]
fn a_client_that_stops_is_told_408_when_its_grace_is_over() {
    let mut rig = begun(|_| {});
    rig.send([b'x'; 240]);
    serve_flow(&mut rig, &mut Vec::new());
    rig.pass(GRACE);
    assert!(rig.wire().sent.is_empty(), "it is in time until then");
    rig.pass(SECOND);
    serve_flow(&mut rig, &mut Vec::new());
    let reply = only_reply(&mut rig);
    assert_eq!((reply.status, reply.closes), (408, true));
}

#[test]
fn the_time_that_a_worker_takes_is_not_the_clients() {
    let mut rig = begun(|_| {});
    rig.send([b'x'; 100]);
    assert_eq!(rig.owner, Owner::Taker);
    rig.pass(100 * GRACE);
    serve_flow(&mut rig, &mut Vec::new());
    rig.pass(GRACE - SECOND);
    assert!(rig.wire().sent.is_empty(), "it was waited for 4 s in all");
    // Nor is it a merit: who sends a byte between long pauses of the disk is as slow as without them.
    for _ in 0..3 {
        rig.send("x");
        rig.pass(100 * GRACE);
        serve_flow(&mut rig, &mut Vec::new());
        rig.pass(SECOND);
        serve_flow(&mut rig, &mut Vec::new());
    }
    assert_eq!(only_reply(&mut rig).status, 408);
}

#[test]
fn who_keeps_the_least_rate_may_take_hours() {
    let mut rig = begun(|_| {});
    let mut came = Vec::new();
    for _ in 0..400 {
        rig.send([b'x'; 250]);
        serve_flow(&mut rig, &mut came);
        rig.pass(SECOND);
    }
    assert_eq!((only_reply(&mut rig).status, came.len()), (200, 100_000));
}

#[test]
fn without_a_least_rate_a_client_may_rest_as_long_as_a_whole_body_may_take() {
    let mut rig = begun(|rules| rules.min_body_rate = 0);
    let mut came = Vec::new();
    for _ in 0..10 {
        rig.pass(BODY_TIMEOUT - SECOND);
        rig.send("x");
        serve_flow(&mut rig, &mut came);
    }
    assert_eq!((came.len(), rig.wire().sent.len()), (10, 0));
    rig.pass(BODY_TIMEOUT);
    serve_flow(&mut rig, &mut came);
    assert_eq!(only_reply(&mut rig).status, 408);
}

#[test]
fn what_arrived_while_the_process_did_not_run_came_in_time() {
    let mut rig = begun(|_| {});
    rig.send([b'x'; 1000]);
    let mut came = Vec::new();
    serve_flow(&mut rig, &mut came);
    rig.arrive([b'y'; 99_000]);
    rig.pass(100 * GRACE);
    serve_flow(&mut rig, &mut came);
    assert_eq!((only_reply(&mut rig).status, came.len()), (200, 100_000));
}

#[test]
fn where_memory_may_soon_be_short_pieces_are_small_and_go_on() {
    let mut rig = begun(|rules| rules.memory = Memory::new(256 * 1024, None));
    let mut others = 0;
    let memory = Rc::clone(&rig.rules);
    memory.memory.requests.settle(&mut others, 127 * 1024);
    let mut came = Vec::new();
    rig.arrive([b'x'; 100_000]);
    rig.send([]);
    while rig.owner == Owner::Taker {
        let (underway, then, piece) = rig.take_piece();
        assert!(piece.len() <= 1024, "{} bytes", piece.len());
        came.extend(piece);
        if then == Then::Finish {
            rig.end_flow();
            rig.respond(bytes(Vec::new()), false);
        } else {
            rig.let_more_come(underway);
        }
    }
    assert_eq!(came.len(), 100_000);
    memory.memory.requests.settle(&mut others, 0);
}

#[test]
fn a_client_that_is_waited_for_holds_no_buffer() {
    let mut rig = flowing_rig(|_| {});
    rig.send([HEAD.as_bytes(), &[b'x'; 50_000]].concat());
    serve_flow(&mut rig, &mut Vec::new());
    let held = rig.connection.charged_request();
    assert!(held < 4096, "{held} bytes");
}

#[test]
fn chunks_that_break_their_rules_are_refused_and_the_sink_is_let_go() {
    let mut rig = flowing_rig(|_| {});
    rig.send("PUT /flow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let mut came = Vec::new();
    serve_flow(&mut rig, &mut came);
    assert_eq!(came, b"hello");
    rig.send("zz\r\n");
    serve_flow(&mut rig, &mut came);
    let reply = only_reply(&mut rig);
    assert_eq!((reply.status, reply.closes), (400, true));
}

#[test]
fn an_upload_that_was_to_be_the_last_request_of_its_connection_is_the_last() {
    for is_last in [false, true] {
        let mut rig = begun(|_| {});
        if is_last {
            rig.connection.end_with_this_answer();
        }
        rig.send(vec![b'x'; 100_000]);
        serve_flow(&mut rig, &mut Vec::new());
        let reply = only_reply(&mut rig);
        assert_eq!((reply.status, reply.closes), (200, is_last));
    }
}
