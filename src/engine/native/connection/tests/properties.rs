//! What holds for any sequence of requests, any split of their bytes and any client's way of reading.

use super::*;
use crate::engine::native::connection::invariants;
use proptest::prelude::*;
use std::fs;

/// How a client sends and reads: the sizes of what it does at a time, in turns.
#[derive(Debug)]
struct Manner {
    scratch: usize,
    sends: Vec<usize>,
    takes: Vec<usize>,
}

fn manner() -> impl Strategy<Value = Manner> {
    let sizes = prop_oneof![1..4usize, 1..100usize, 1..6000usize];
    let sizes = || prop::collection::vec(sizes.clone(), 1..20);
    (
        prop_oneof![1..4usize, 1..100usize, Just(SCRATCH)],
        sizes(),
        sizes(),
    )
        .prop_map(|(scratch, sends, takes)| Manner {
            scratch,
            sends,
            takes,
        })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "DELETE", "OPTIONS", "BREW"]);
    let version = prop::sample::select(vec!["1.1", "1.1", "1.1", "1.1", "1.0"]);
    let option = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "",
        "keep-alive",
        "keep-alive",
        "close",
    ]);
    let body = prop_oneof![
        Just(None),
        prop::collection::vec(any::<u8>(), 0..3000).prop_map(Some),
    ];
    let chunk = prop_oneof![Just(None), (1..500usize).prop_map(Some)];
    (
        method,
        "[a-z/]{0,20}",
        version,
        option,
        body,
        chunk,
        0..3usize,
        any::<bool>(),
    )
        .prop_map(
            |(method, path, version, option, body, chunk, empty_lines, expects)| {
                let mut bytes = "\r\n".repeat(empty_lines);
                bytes += &format!("{method} /{path} HTTP/{version}\r\nHost: a\r\n");
                if !option.is_empty() {
                    bytes += &format!("Connection: {option}\r\n");
                }
                if expects && body.is_some() {
                    bytes += "Expect: 100-continue\r\n";
                }
                match (body, chunk) {
                    (None, _) => (bytes + "\r\n").into_bytes(),
                    (Some(body), Some(chunk)) if version == "1.1" => {
                        let coded = put(&body.chunks(chunk).collect::<Vec<_>>());
                        let head = bytes + "Transfer-Encoding: chunked\r\n\r\n";
                        [head.as_bytes(), &coded[CHUNKED_HEAD.len()..]].concat()
                    }
                    (Some(body), _) => {
                        let head = bytes + &format!("Content-Length: {}\r\n\r\n", body.len());
                        [head.as_bytes(), &body].concat()
                    }
                }
            },
        )
}

/// Answers in one of the ways there are, as the request has it.
fn answer(request: &Request) -> Response {
    let Body::Bytes(said) = echo(request).body else {
        unreachable!("an echo is bytes")
    };
    match request.path().len() % 6 {
        0 => Response::stream(std::io::Cursor::new(said)),
        1 => Response::stream_sized(std::io::Cursor::new(said.clone()), said.len() as u64),
        2 => Response::new(StatusCode::NO_CONTENT),
        3 => bytes(said.repeat(7)),
        _ => Response {
            body: Body::Bytes(said),
            ..Response::new(StatusCode::OK)
        },
    }
}

/// All that the client receives, without what may differ from run to run: dates and `100 Continue`.
fn converse(pipeline: &[u8], manner: &Manner) -> (Vec<u8>, bool) {
    let mut rig = Rig::new(&rules(), manner.scratch);
    rig.wire().room = 0;
    let mut sends = manner.sends.iter().cycle();
    let mut takes = manner.takes.iter().cycle();
    let mut rest = pipeline;
    while rig.owner != Owner::Nobody {
        rig.serve(&mut answer);
        if rig.connection.wants_to_send() {
            rig.take(*takes.next().expect("endless"));
        } else if rest.is_empty() {
            break;
        } else {
            let (piece, left) = rest.split_at(rest.len().min(*sends.next().expect("endless")));
            rest = left;
            rig.send(piece);
        }
        // Streams are read where there is nothing of them in memory, so both have had a turn.
        if rig.owner == Owner::Streamer {
            rig.pump();
        }
    }
    let ended = rig.owner == Owner::Nobody || rig.wire().is_half_closed();
    rig.leave(End::Reset);
    assert_ended(&rig);
    let lines = rig.wire().sent.split_inclusive(|&byte| byte == b'\n');
    let lines: Vec<_> = lines.filter(|line| !line.starts_with(b"Date: ")).collect();
    let output = lines.concat();
    (without(&output, b"HTTP/1.1 100 Continue\r\n\r\n"), ended)
}

fn without(bytes: &[u8], pattern: &[u8]) -> Vec<u8> {
    let mut left = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(pattern) {
            at += pattern.len();
        } else {
            left.push(bytes[at]);
            at += 1;
        }
    }
    left
}

#[test]
fn the_invariants_hold_where_fuzzing_begins() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds/connection");
    for seed in fs::read_dir(seeds).unwrap() {
        invariants::connection(&fs::read(seed.unwrap().path()).unwrap());
    }
}

/// Acts of a script in which answers are pushed.
fn pushing_acts() -> impl Strategy<Value = Vec<u8>> {
    let act = prop_oneof![
        2 => Just(vec![0, 0]),
        3 => (240..255u8).prop_map(|kind| vec![14, kind]),
        6 => any::<u8>().prop_map(|kind| vec![255, kind]),
        2 => (250..=255u8).prop_map(|kind| vec![255, kind]),
        3 => any::<u8>().prop_map(|room| vec![7, room]),
        1 => any::<u8>().prop_map(|room| vec![8, room]),
        1 => Just(vec![14, 0]),
        1 => any::<[u8; 2]>().prop_map(|[act, number]| vec![9 + act % 5, number]),
    ];
    prop::collection::vec(act, 0..60).prop_map(|acts| acts.concat())
}

proptest! {
    /// As below, where it is the answers that come bit by bit.
    #[test]
    fn the_invariants_hold_however_pushes_writes_and_closes_come(
        sizes in any::<[u8; 2]>(),
        acts in pushing_acts(),
    ) {
        invariants::connection(&[&sizes[..], &acts].concat());
    }

    #[test]
    fn what_a_client_receives_does_not_depend_on_how_it_sends_and_reads(
        requests in prop::collection::vec(request(), 1..6),
        manner in manner(),
    ) {
        let pipeline = requests.concat();
        let at_once = Manner { scratch: 1 << 20, sends: vec![1 << 20], takes: vec![1 << 20] };
        let expected = converse(&pipeline, &at_once);
        prop_assert_eq!(converse(&pipeline, &manner), expected);
    }

    /// Among other things: every request has one whole response or the client can tell, and all memory is given back.
    #[test]
    fn the_invariants_hold_whatever_happens(script in prop::collection::vec(any::<u8>(), 0..400)) {
        invariants::connection(&script);
    }
}
