//! `BUFFER_MEMORY`: a share for what all connections hold of requests, one for what they hold of responses, and who
//! goes first where one is used up.

use super::*;

/// Of either share.
const SHARE: usize = 64 * 1024;

/// A connection that holds so much of a body that is not whole yet.
fn upload(rules: &Rc<Rules>, size: usize) -> Rig {
    let mut rig = Rig::new(rules, SCRATCH);
    let request = post(&vec![b'x'; size + 1]);
    rig.send(&request[..request.len() - 1]);
    rig
}

/// A connection that holds so much of a response that its client does not take.
fn download(rules: &Rc<Rules>, size: usize) -> Rig {
    let mut rig = Rig::new(rules, SCRATCH);
    rig.wire().room = 0;
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; size]), false);
    rig
}

fn used(rules: &Rules) -> (usize, usize) {
    (rules.memory.requests.used(), rules.memory.responses.used())
}

#[test]
fn a_body_for_which_there_is_no_memory_is_refused_with_503() {
    let rules = rules_with(2 * SHARE);
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
        assert_eq!(
            second.connection.charged_request, 0,
            "what it held is free again"
        );
        second.take(usize::MAX);
        let reply = only_reply(&mut second);
        assert!(reply.status == 503 && reply.closes);
        assert!(second.wire().is_half_closed());
        assert_eq!(second.connection.charged_response, 0);
    }
}

#[test]
fn a_chunked_body_that_fits_is_not_refused_for_what_its_buffer_could_hold() {
    let rules = rules_with(2 * SHARE);
    let small = upload(&rules, 8000);
    let mut rig = Rig::new(&rules, SCRATCH);
    let body = [b'x'; 40_000];
    let chunks: Vec<&[u8]> = body.chunks(1000).collect();
    for piece in put(&chunks).chunks(1000) {
        rig.send(piece);
    }
    rig.serve(&mut echo);
    assert_eq!(only_reply(&mut rig).status, 200);
    assert!(small.connection.is_receiving());
}

#[test]
fn a_body_as_large_as_the_share_is_served_where_nobody_else_holds_any() {
    let rules = rules_with(2 * SHARE);
    let body = [b'x'; SHARE];
    let chunks: Vec<&[u8]> = body.chunks(1000).collect();
    for request in [post(&body), put(&chunks)] {
        let mut rig = Rig::new(&rules, SCRATCH);
        for piece in request.chunks(1000) {
            rig.send(piece);
        }
        rig.serve(&mut echo);
        assert_eq!(only_reply(&mut rig).status, 200);
        rig.leave(End::Reset);
        assert_eq!(used(&rules), (0, 0));
    }
}

#[test]
fn what_one_connection_gives_back_another_can_have() {
    let rules = rules_with(2 * SHARE);
    let mut first = upload(&rules, 40_000);
    first.send("x");
    first.serve(&mut echo);
    let mut second = upload(&rules, 40_000);
    assert_eq!(second.send("x"), Next::Request);
    assert_eq!(second.leave(End::Reset), Next::Wait);
    second.serve(&mut echo);
    assert_eq!(used(&rules), (0, 0));
}

#[test]
fn what_is_known_of_many_headers_counts_beside_their_bytes() {
    let rules = rules();
    let mut rig = Rig::new(&rules, SCRATCH);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A:\r\n".repeat(99));
    assert_eq!(rig.send(&request), Next::Request);
    let least = request.len() + 100 * size_of::<crate::message::head::Field>();
    assert!(
        rig.connection.charged_request() >= least,
        "{}",
        rig.connection.charged_request()
    );
}

#[test]
fn a_response_whose_handler_has_run_is_sent_whatever_others_hold() {
    let rules = rules_with(2 * SHARE);
    let _upload = upload(&rules, SHARE - 1000);
    let _download = download(&rules, 2 * SHARE);
    assert!(rules.memory.responses.is_used_up());
    let mut rig = Rig::new(&rules, SCRATCH);
    rig.wire().room = 0;
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 100_000]), false);
    rig.take(usize::MAX);
    let reply = only_reply(&mut rig);
    assert_eq!((reply.status, reply.body.len()), (200, 100_000));
    assert!(rig.connection.is_idle(), "the connection goes on");
}

#[test]
fn a_response_that_a_client_does_not_take_counts() {
    let rules = rules_with(2 * SHARE);
    let mut slow = Rig::new(&rules, SCRATCH);
    slow.wire().room = 0;
    slow.send(GET);
    // Before it is home again, too: that may take a while.
    slow.connection
        .respond(bytes(vec![b'x'; SHARE]), false, slow.now, &rules, None);
    assert!(rules.memory.responses.is_used_up());
    slow.owner = Owner::Reactor;
    slow.take(usize::MAX);
    assert_eq!(used(&rules), (0, 0));
}

#[test]
fn a_client_that_is_slow_to_take_the_answer_does_not_hold_its_upload_too() {
    for upload in [post(&[b'x'; 40_000]), put(&[&[b'x'; 40_000]])] {
        let rules = rules_with(4 * SHARE);
        let mut rig = Rig::new(&rules, SCRATCH);
        rig.wire().room = 0;
        rig.send([&upload[..], GET].concat());
        rig.respond(bytes(vec![b'x'; 30_000]), false);
        assert!(used(&rules).0 <= SCRATCH, "{:?}", used(&rules));
        rig.take(usize::MAX);
        // Of what came behind it nothing is lost.
        rig.serve(&mut echo);
        assert_eq!(bodies(&mut rig)[1], "GET /get ");
        assert_eq!(used(&rules), (0, 0));
    }
}

#[test]
fn a_request_that_is_given_back_for_want_of_memory_is_handed_out_again() {
    let mut rig = rig();
    rig.send([&post(b"hello")[..], GET].concat());
    for _ in 0..3 {
        assert_eq!(rig.put_back(), Next::Request);
    }
    rig.serve(&mut echo);
    assert_eq!(bodies(&mut rig), ["POST /post hello", "GET /get "]);
}

#[test]
fn a_probe_is_answered_when_the_memory_is_used_up() {
    let rules = rules_with(2 * SHARE);
    let mut first = upload(&rules, SHARE - 1000);
    let mut second = download(&rules, SHARE);
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
    second.leave(End::Reset);
    assert_eq!(used(&rules), (0, 0));
}

#[test]
fn where_memory_is_short_an_upload_that_has_stalled_goes() {
    let rules = rules();
    let head = b"GET / HTTP/1.1\r\nA: b";
    let chunks = [CHUNKED_HEAD, b"5\r\nhello\r\n"].concat();
    for begin in [&head[..], &post(b"hello")[..50], &chunks] {
        let mut rig = Rig::new(&rules, SCRATCH);
        rig.send(begin);
        rig.pass(5 * SECOND);
        assert!(!rig.relieve(), "it has had no time yet");
        rig.pass(SECOND);
        assert!(rig.relieve());
        let reply = only_reply(&mut rig);
        assert!(reply.status == 408 && reply.closes);
        assert_eq!(used(&rules), (0, 0), "what it held is free at once");
    }
}

#[test]
fn where_memory_is_short_a_download_that_has_stalled_is_cut() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(bytes(vec![b'x'; 100_000]), false);
    rig.take(50_000);
    rig.pass(5 * SECOND);
    assert!(!rig.relieve(), "it has had no time yet");
    // A little is not enough.
    rig.take(100);
    rig.pass(SECOND);
    assert!(rig.relieve());
    assert!(rig.wire().aborts(), "the client can tell");
    assert_ended(&rig);
}

#[test]
fn who_sends_or_takes_just_enough_stays_however_short_memory_is() {
    let mut uploads = rig();
    uploads.send(&post(&[b'x'; 20_000])[..100]);
    let mut downloads = blocked_rig();
    downloads.send(GET);
    downloads.respond(bytes(vec![b'x'; 100_000]), false);
    for _ in 0..BODY_TIMEOUT.as_secs() - 1 {
        uploads.pass(SECOND);
        uploads.send([b'x'; MIN_BODY_RATE as usize]);
        // Its WRITE_TIMEOUT asks for more, in a longer time.
        downloads.pass(SECOND);
        downloads.take(MIN_BODY_RATE as usize);
        assert!(!uploads.relieve() && !downloads.relieve());
    }
}

#[test]
fn a_client_whose_bytes_were_there_all_along_is_not_the_one_who_was_slow() {
    // The process was stopped: nobody has read or sent for a long time.
    let mut uploads = rig();
    uploads.send(&post(&[b'x'; 100])[..60]);
    uploads.wire().incoming.extend(b"x");
    uploads.now += 15 * SECOND;
    assert!(uploads.relieve(), "it seems to be slow");
    assert!(uploads.wire().sent.is_empty(), "and is not told so");
    uploads.pass(4 * SECOND);
    assert!(!uploads.relieve(), "it has its time again");

    let mut downloads = blocked_rig();
    downloads.send(GET);
    downloads.respond(bytes(vec![b'x'; 100_000]), false);
    downloads.wire().room = 100;
    downloads.now += 15 * SECOND;
    assert!(downloads.relieve());
    assert_eq!(downloads.owner, Owner::Reactor);
    downloads.pass(4 * SECOND);
    assert!(!downloads.relieve());
}

#[test]
fn nobody_else_has_to_go_for_memory() {
    let mut idle = rig();
    idle.send(GET);
    idle.serve(&mut echo);
    idle.pass(KEEP_ALIVE_TIMEOUT - SECOND);
    let mut handled = rig();
    handled.send(GET);
    handled.now += 100 * SECOND;
    let mut lingers = rig();
    lingers.send(b"no request\r\n");
    lingers.pass(4 * SECOND);
    assert!(!idle.relieve() && !handled.relieve() && !lingers.relieve());
}

#[test]
fn a_stream_is_not_slow_for_the_time_that_its_reader_takes() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(Response::stream(std::io::repeat(b'x')), false);
    rig.pass(4 * SECOND);
    rig.take(200);
    assert_eq!(rig.owner, Owner::Streamer);
    rig.now += 60 * SECOND;
    rig.pump();
    assert!(!rig.relieve());
}
