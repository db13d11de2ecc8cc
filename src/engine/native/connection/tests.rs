//! What a client meets at the other end of a connection. Transport, clock and handlers are those of `invariants::rig`.

mod flows;
mod memory;
mod properties;
mod pushed;
mod refusals;
mod requests;
mod responses;
mod stalls;
mod streams;
mod timeouts;

use super::{
    Next, Rules, State,
    invariants::{
        replies::{Reply, read_replies},
        rig::{Owner, Rig},
        wire::End,
    },
};
use crate::{
    config::table::{Config, live::LiveConfig},
    engine::{http1::Limits, lifetime::Lifetime, memory::Memory, places::Places, rules::Policy},
    message::request::Request,
    message::{body::Body, response::Response},
};
use http::StatusCode;
use std::{rc::Rc, sync::LazyLock, time::Duration};

const BUFFER_MEMORY: usize = 4 << 20;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
const MIN_BODY_RATE: u32 = 240;
const SECOND: Duration = Duration::from_secs(1);

/// How much is read at a time where it does not matter.
const SCRATCH: usize = 4096;

const GET: &[u8] = b"GET /get HTTP/1.1\r\nHost: a\r\n\r\n";

fn rules() -> Rc<Rules> {
    rules_with(BUFFER_MEMORY)
}

/// Read once: a default asks the machine for its limits.
static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
    head_timeout: HEAD_TIMEOUT,
    body_timeout: BODY_TIMEOUT,
    write_timeout: WRITE_TIMEOUT,
    keep_alive_timeout: KEEP_ALIVE_TIMEOUT,
    ..Config::default()
});

fn rules_with(memory: usize) -> Rc<Rules> {
    let live = LiveConfig::of(&CONFIG);
    Rc::new(Rules {
        limits: Limits {
            max_head_bytes: 2048,
            max_headers: 100,
            max_body_bytes: 1 << 20,
        },
        min_body_rate: MIN_BODY_RATE,
        memory: Memory::new(memory, None),
        places: Places::new(1, 1),
        lifetime: Lifetime::of(&CONFIG, &live),
        live,
        closed: Default::default(),
        policy: Policy::default(),
        max_body_bytes: 1 << 20,
    })
}

fn rig() -> Rig {
    Rig::new(&rules(), SCRATCH)
}

/// A rig whose client takes nothing until it is told to.
fn blocked_rig() -> Rig {
    let mut rig = rig();
    rig.wire().room = 0;
    rig
}

fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const CHUNKED_HEAD: &[u8] = b"PUT /put HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn put(chunks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = CHUNKED_HEAD.to_vec();
    for chunk in chunks {
        bytes.extend(format!("{:x};ext=1\r\n", chunk.len()).into_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nTrailer: dropped\r\n\r\n");
    bytes
}

/// Says what was asked.
fn echo(request: &Request) -> Response {
    let mut text = format!("{} {} ", request.method(), request.path()).into_bytes();
    text.extend_from_slice(request.body());
    bytes(text)
}

fn bytes(bytes: Vec<u8>) -> Response {
    Response {
        body: Body::Bytes(bytes),
        ..Response::new(StatusCode::OK)
    }
}

/// What a client reads of the responses so far.
#[track_caller]
fn replies(rig: &mut Rig) -> Vec<Reply> {
    read_replies(&rig.wire().sent, &[])
}

/// The bodies of the responses so far, all of which are whole and 200.
#[track_caller]
fn bodies(rig: &mut Rig) -> Vec<String> {
    let replies = replies(rig).into_iter().map(|reply| {
        assert!(reply.status == 200 && reply.is_whole, "{reply:?}");
        String::from_utf8(reply.body).expect("text")
    });
    replies.collect()
}

/// The one response so far.
#[track_caller]
fn only_reply(rig: &mut Rig) -> Reply {
    let mut replies = replies(rig);
    assert_eq!(replies.len(), 1, "{replies:?}");
    replies.remove(0)
}

/// Checks that the connection has ended and all that it held is given back.
#[track_caller]
fn assert_ended(rig: &Rig) {
    assert_eq!(rig.owner, Owner::Nobody);
    assert_eq!(rig.rules.memory.requests.used(), 0, "memory is lost");
    assert_eq!(rig.rules.memory.responses.used(), 0, "memory is lost");
}
