//! What the handlers of a connection's scripts answer.

use super::{phrases::PATTERN, rig};
use crate::message::{body::Body, response::Response};
use http::StatusCode;
use std::io::{self, Read};

/// What a worker has answered.
pub(super) struct Answer {
    pub(super) is_head: bool,
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// Its reader ends before the body does.
    pub(super) fails: bool,
}

/// An answer of any kind that there is.
pub(super) fn answer(kind: usize) -> (Response, Answer) {
    let mut response = Response::new(StatusCode::OK);
    let mut body = Vec::new();
    let mut fails = false;
    let repeated = |times| PATTERN.repeat(times);
    match kind % 13 {
        0 => {}
        1 => {
            response.body = Body::Static(b"Hello");
            body.extend_from_slice(b"Hello");
        }
        2 => {
            response.body = Body::Static(&PATTERN);
            body.extend_from_slice(&PATTERN);
        }
        3 | 4 => {
            body = repeated(kind);
            response.body = Body::Bytes(body.clone());
        }
        5 => {
            response.status = StatusCode::NO_CONTENT;
            response.body = Body::Bytes(repeated(1));
        }
        6 => {
            response.status = StatusCode::NOT_MODIFIED;
            response.body = Body::Static(b"Hello");
        }
        7 => {
            body = repeated(20);
            response.body = Body::Bytes(body.clone());
        }
        kind => {
            body = repeated(kind - 7);
            let length = (kind % 2 == 1).then_some(body.len() as u64);
            fails = kind > 10;
            let reader = Reader {
                bytes: body.clone().into(),
                most: [1 << 20, 5000][kind % 2],
                fails: fails && length.is_none(),
            };
            if fails && length.is_some() {
                body.push(0);
            }
            response.body = Body::Stream(Box::new(reader), length.map(|_| body.len() as u64));
        }
    }
    let answer = Answer {
        is_head: false,
        status: response.status,
        body,
        fails,
    };
    (response, answer)
}

/// A body's reader that gives at most so much at a time, and may fail where it should end.
struct Reader {
    bytes: std::collections::VecDeque<u8>,
    most: usize,
    fails: bool,
}

impl Drop for Reader {
    fn drop(&mut self) {
        rig::run_handlers_own();
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        rig::run_handlers_own();
        if self.bytes.is_empty() && self.fails {
            return Err(io::Error::other("as the script has it"));
        }
        let count = into.len().min(self.most);
        self.bytes.read(&mut into[..count])
    }
}
