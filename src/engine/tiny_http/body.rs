//! A request's body, read on the worker thread that holds the slot.

use super::{head::Head, shared::Shared, sockets::Sockets};
use crate::{
    engine::{
        http1::{Chunks, Refusal},
        rules::Rules,
    },
    message::{head::BodyLength, response::Response},
};
use http::StatusCode;
use std::{
    io::{self, Read},
    net::SocketAddr,
};
use tiny_http::Request as Inner;

/// What a body's memory begins with; it grows as bytes arrive, for a length is easily declared.
const FIRST_CAPACITY: u64 = 16 * 1024;

/// Why a body could not be read.
pub(super) enum Problem {
    Refused(Refusal),
    /// It ended early, or its connection failed.
    Broken,
    NoMemory,
}

impl Problem {
    pub(super) fn response(self, rules: &Rules, timed_out: bool) -> Response {
        let refusal = match self {
            _ if timed_out => Refusal::new(StatusCode::REQUEST_TIMEOUT, "body took too long"),
            Problem::Refused(refusal) => refusal,
            Problem::Broken => Refusal::bad("body ended early"),
            Problem::NoMemory => Refusal::unavailable("no memory for the body"),
        };
        rules.refused(refusal)
    }
}

impl From<io::Error> for Problem {
    fn from(_: io::Error) -> Problem {
        Problem::Broken
    }
}

/// Reads the whole body, blocking. `charged` is brought up to what it takes of `BUFFER_MEMORY`.
pub(super) fn read(
    inner: &mut Inner,
    head: &Head,
    shared: &Shared,
    peer: SocketAddr,
    charged: &mut usize,
) -> Result<Vec<u8>, Problem> {
    let max = head.body_limit;
    match head.terms.body {
        BodyLength::Known(length) => {
            // It is within the limit, which is a `usize`.
            if !shared
                .rules
                .memory
                .requests
                .settle(charged, length as usize)
            {
                return Err(Problem::NoMemory);
            }
            read_known(inner.as_reader(), length)
        }
        BodyLength::Chunked => {
            let body = match head.has_bare_body {
                true => read_chunks(inner.as_reader(), max)?,
                false => read_decoded(inner.as_reader(), max, shared, peer)?,
            };
            match shared.rules.memory.requests.settle(charged, body.len()) {
                true => Ok(body),
                false => Err(Problem::NoMemory),
            }
        }
    }
}

fn read_known(reader: &mut dyn Read, length: u64) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::with_capacity(length.min(FIRST_CAPACITY) as usize);
    reader.take(length).read_to_end(&mut body)?;
    if (body.len() as u64) < length {
        Err(Problem::Broken)
    } else {
        Ok(body)
    }
}

/// Reads what tiny_http decodes from chunks.
fn read_decoded(
    reader: &mut dyn Read,
    max: u64,
    shared: &Shared,
    peer: SocketAddr,
) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    match reader.take(max.saturating_add(1)).read_to_end(&mut body) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(Problem::Refused(Refusal::bad("malformed chunk")));
        }
        read => read?,
    };
    if body.len() as u64 > max {
        return Err(Problem::Refused(Refusal::CHUNKS_TOO_LONG));
    }
    // Its decoder takes the end of the connection for the end of the body, wherever that comes. So a body is believed
    // only where the connection has not ended.
    let hint = shared.peers().descriptor(peer);
    match shared.sockets.find(peer, hint) {
        Some(fd) if !Sockets::is_at_end(fd) => Ok(body),
        _ => Err(Problem::Broken),
    }
}

/// Decodes chunks that tiny_http has left alone.
fn read_chunks(reader: &mut dyn Read, max: u64) -> Result<Vec<u8>, Problem> {
    let (mut chunks, mut body) = (Chunks::new(max), Vec::new());
    let mut input = [0; 4096];
    loop {
        let count = match reader.read(&mut input)? {
            0 => return Err(Problem::Broken),
            count => count,
        };
        // What follows is dropped with the connection: tiny_http takes no other request from it.
        if let (_, true) = chunks
            .decode(&input[..count], &mut body)
            .map_err(Problem::Refused)?
        {
            return Ok(body);
        }
    }
}
