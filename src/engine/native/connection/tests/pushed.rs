//! Responses whose bytes come bit by bit, as time passes.

use super::*;
use crate::engine::native::connection::invariants::outlet::RigOutlet;
use crate::message::pushed::outlet::PATIENCE;

const COMMENT: &[u8] = b"3\r\n:\n\n\r\n";

#[test]
fn an_event_stream_without_events_is_kept_awake_and_holds_no_buffer() {
    let mut rig = rig();
    rig.send(GET);
    let (sender, response) = Response::events(4);
    rig.respond(response, false);
    for _ in 0..10 {
        let sent = rig.wire().sent.len();
        assert_eq!(rig.connection.charged_response, 0);
        rig.pass(PATIENCE - SECOND);
        assert_eq!(rig.wire().sent.len(), sent);
        rig.pass(SECOND);
        assert_eq!(&rig.wire().sent[sent..], COMMENT);
    }
    rig.pass(PATIENCE - SECOND);
    sender.send("late").unwrap();
    rig.hear();
    assert!(rig.wire().sent.ends_with(b"data: late\n\n\r\n"));
    let sent = rig.wire().sent.len();
    rig.pass(PATIENCE - SECOND);
    assert_eq!(rig.wire().sent.len(), sent, "it was awake a while ago");
}

#[test]
fn a_client_that_takes_nothing_has_the_write_timeout_from_when_there_is_something_to_take() {
    let mut rig = rig();
    rig.send(GET);
    let (sender, response) = Response::channel(4);
    rig.respond(response, false);
    rig.wire().room = 0;
    for _ in 0..10 {
        assert_eq!(rig.pass(WRITE_TIMEOUT), Next::Wait);
    }
    sender.send("something").unwrap();
    rig.hear();
    assert_eq!(rig.pass(WRITE_TIMEOUT - SECOND), Next::Wait);
    assert!(!sender.is_closed());
    assert_eq!(rig.pass(SECOND), Next::Close);
    assert!(rig.wire().aborts() && sender.is_closed());
}

#[test]
fn a_fast_sender_leaves_others_their_turn() {
    let mut rig = rig();
    rig.outlet = RigOutlet::new(4 << 20);
    rig.send(GET);
    let (sender, response) = Response::channel(64);
    rig.respond(response, false);
    for _ in 0..64 {
        sender.send(vec![b'x'; 16 * 1024]).unwrap();
    }
    let turns = rig.turns;
    rig.hear();
    assert!(
        (30..40).contains(&(rig.turns - turns)),
        "{}",
        rig.turns - turns
    );
    sender.finish();
    rig.hear();
    assert_eq!(bodies(&mut rig), ["x".repeat(64 * 16 * 1024)]);
}
