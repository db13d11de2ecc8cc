//! `BUFFER_MEMORY`: one budget for what all connections hold.

use super::*;

const BUDGET: usize = 64 * 1024;

/// A connection that holds so much of a body that is not whole yet.
fn upload(rules: &Rc<Rules>, size: usize) -> Rig {
    let mut rig = Rig::new(rules, SCRATCH);
    let request = post(&vec![b'x'; size + 1]);
    rig.send(&request[..request.len() - 1]);
    rig
}

#[test]
fn a_body_for_which_there_is_no_memory_is_refused_with_503() {
    let rules = rules_with(BUDGET);
    let first = upload(&rules, 40_000);
    assert!(first.connection.is_receiving());
    for request in [
        post(&[b'x'; 40_000]),
        put(&[&[b'x'; 20_000], &[b'x'; 20_000]]),
    ] {
        let mut second = Rig::new(&rules, SCRATCH);
        second.wire().room = 0;
        for piece in request.chunks(1000) {
            second.send(piece);
        }
        assert!(second.connection.wants_to_send());
        assert!(
            second.connection.charged < 2000,
            "what it held is free again"
        );
        second.take(usize::MAX);
        let reply = only_reply(&mut second);
        assert!(reply.status == 503 && reply.closes);
        assert!(second.wire().is_half_closed());
        assert_eq!(second.connection.charged, 0);
    }
}

#[test]
fn what_one_connection_gives_back_another_can_have() {
    let rules = rules_with(BUDGET);
    let mut first = upload(&rules, 40_000);
    first.send("x");
    first.serve(&mut echo);
    let mut second = upload(&rules, 40_000);
    assert_eq!(second.send("x"), Next::Request);
    assert_eq!(second.leave(End::Reset), Next::Wait);
    second.serve(&mut echo);
    assert!(rules.memory.has_room(BUDGET));
}

#[test]
fn what_is_known_of_many_headers_counts_beside_their_bytes() {
    let rules = rules();
    let mut rig = Rig::new(&rules, SCRATCH);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A:\r\n".repeat(99));
    assert_eq!(rig.send(&request), Next::Request);
    let least = request.len() + 100 * size_of::<crate::message::head::Field>();
    assert!(
        rig.connection.charged >= least,
        "{}",
        rig.connection.charged
    );
}

#[test]
fn a_response_for_which_there_is_no_memory_becomes_a_503() {
    let rules = rules_with(BUDGET);
    let _upload = upload(&rules, 40_000);
    let mut rig = Rig::new(&rules, SCRATCH);
    for size in [100_000, 40_000] {
        rig.send(GET);
        rig.respond(bytes(vec![b'x'; size]), false);
    }
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 10_000]), false);
    let statuses: Vec<_> = replies(&mut rig).iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [503, 503, 200]);
    assert!(rig.connection.is_idle(), "the connection goes on");
}

#[test]
fn a_response_that_a_client_does_not_take_counts() {
    let rules = rules_with(BUDGET);
    let mut slow = Rig::new(&rules, SCRATCH);
    slow.wire().room = 0;
    slow.send(GET);
    // Before it is home again, too: that may take a while.
    slow.connection
        .respond(bytes(vec![b'x'; 40_000]), false, slow.now, &rules);
    assert!(!rules.memory.has_room(30_000));
    slow.owner = Owner::Reactor;
    let mut other = Rig::new(&rules, SCRATCH);
    other.send(GET);
    other.respond(bytes(vec![b'x'; 30_000]), false);
    assert_eq!(only_reply(&mut other).status, 503);
    slow.take(usize::MAX);
    assert!(rules.memory.has_room(BUDGET));
}

#[test]
fn a_probe_is_answered_when_the_memory_is_used_up() {
    let rules = rules_with(BUDGET);
    let mut first = upload(&rules, BUDGET - 1000);
    assert!(!rules.memory.has_room(1000), "used up");
    let mut probe = Rig::new(&rules, SCRATCH);
    let mut grown = Box::<Request>::default();
    grown.bytes.reserve(4000);
    probe.buffers.keep(grown);
    // As the kubelet asks.
    assert_eq!(
        probe.send(
            "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.34\r\n\
             Accept: */*\r\nConnection: close\r\n\r\n"
        ),
        Next::Request
    );
    probe.respond(Response::text(StatusCode::OK, "ok"), false);
    let reply = only_reply(&mut probe);
    assert_eq!((reply.status, &reply.body[..]), (200, &b"ok"[..]));
    // Small bodies are as welcome, but they may not grow for ever.
    let mut growing = Rig::new(&rules, SCRATCH);
    growing.send(CHUNKED_HEAD);
    for _ in 0..20 {
        growing.send("64\r\n");
        growing.send([b'x'; 100]);
        growing.send("\r\n");
    }
    assert_eq!(only_reply(&mut growing).status, 503);
    first.leave(End::Reset);
    assert!(rules.memory.has_room(BUDGET));
}
