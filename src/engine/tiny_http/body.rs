//! A request's body, read before a worker has the request: by who pulls where it is at hand, else on a thread that may wait.

use super::{head::Head, peers::BodyEnd, shared::Shared};
use crate::{
    engine::http1::{Chunks, Refusal},
    message::head::BodyLength,
};
use std::{
    io::{self, ErrorKind, Read},
    net::SocketAddr,
};
use tiny_http::Request as Inner;

/// How much is read at a time.
const PIECE: usize = 16 * 1024;

/// Why a body could not be read.
pub(super) enum Problem {
    Refused(Refusal),
    /// It ended early, or its connection failed.
    Broken,
    NoMemory,
}

impl Problem {
    /// What the client is told. `ended` is how this side has ended the body, if it has.
    pub(super) fn refusal(self, ended: Option<BodyEnd>) -> Refusal {
        match (self, ended) {
            (_, Some(BodyEnd::TimedOut)) => Refusal::TOO_SLOW,
            (Problem::Broken, Some(BodyEnd::Closed)) => {
                Refusal::unavailable("its connection was being closed")
            }
            (Problem::Refused(refusal), _) => refusal,
            (Problem::Broken, None) => Refusal::bad("body ended early"),
            (Problem::NoMemory, _) => Refusal::NO_MEMORY,
        }
    }
}

impl From<io::Error> for Problem {
    fn from(_: io::Error) -> Problem {
        Problem::Broken
    }
}

/// A body that is being read.
pub(super) struct Arriving<'a> {
    pub(super) shared: &'a Shared,
    pub(super) peer: SocketAddr,
    /// Brought up to what it takes of `BUFFER_MEMORY`.
    pub(super) charged: &'a mut usize,
    /// Whether this thread may wait for memory.
    pub(super) may_wait: bool,
    pub(super) body: Vec<u8>,
}

impl Arriving<'_> {
    /// Reads it wholly.
    pub(super) fn read(mut self, inner: &mut Inner, head: &Head) -> Result<Vec<u8>, Problem> {
        let reader = inner.as_reader();
        match head.terms.body {
            BodyLength::Known(length) => self.read_known(reader, length)?,
            BodyLength::Chunked if head.has_bare_body => {
                self.read_chunks(reader, head.body_limit)?
            }
            BodyLength::Chunked => self.read_decoded(reader, head.body_limit)?,
        }
        Ok(self.body)
    }

    fn read_known(&mut self, reader: &mut dyn Read, length: u64) -> Result<(), Problem> {
        let mut piece = [0; PIECE];
        let mut left = length;
        while left > 0 {
            let most = left.min(PIECE as u64) as usize;
            match read_some(reader, &mut piece[..most])? {
                0 => return Err(Problem::Broken),
                count => {
                    // In great steps, and never beyond what is to come.
                    let step = self.body.len().max(PIECE) as u64;
                    if self.body.capacity() - self.body.len() < count {
                        self.body.reserve_exact(left.min(step) as usize);
                    }
                    self.take(&piece[..count])?;
                    left -= count as u64;
                }
            }
        }
        Ok(())
    }

    /// Reads what tiny_http decodes from chunks.
    fn read_decoded(&mut self, reader: &mut dyn Read, max: u64) -> Result<(), Problem> {
        let mut piece = [0; PIECE];
        loop {
            let count = match read_some(reader, &mut piece) {
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    return Err(Problem::Refused(Refusal::bad("malformed chunk")));
                }
                read => read?,
            };
            if count == 0 {
                return match is_whole(self.shared, self.peer) {
                    true => Ok(()),
                    false => Err(Problem::Broken),
                };
            }
            if (self.body.len() + count) as u64 > max {
                return Err(Problem::Refused(Refusal::CHUNKS_TOO_LONG));
            }
            self.take(&piece[..count])?;
        }
    }

    /// Decodes chunks that tiny_http has left alone.
    fn read_chunks(&mut self, reader: &mut dyn Read, max: u64) -> Result<(), Problem> {
        let mut chunks = Chunks::new(max);
        let (mut piece, mut decoded) = ([0; PIECE], Vec::new());
        loop {
            let count = match read_some(reader, &mut piece)? {
                0 => return Err(Problem::Broken),
                count => count,
            };
            // What follows is dropped with the connection: tiny_http takes no other request from it.
            let (_, is_whole) = chunks
                .decode(&piece[..count], &mut decoded)
                .map_err(Problem::Refused)?;
            self.take(&decoded)?;
            decoded.clear();
            if is_whole {
                return Ok(());
            }
        }
    }

    fn take(&mut self, more: &[u8]) -> Result<(), Problem> {
        self.body.extend_from_slice(more);
        self.shared.peers().note_progress(self.peer, more.len());
        let memory = &self.shared.rules.memory.requests;
        let is_there = memory.settle(self.charged, self.body.capacity());
        match is_there || self.may_wait && self.shared.relieve() {
            true => Ok(()),
            false => Err(Problem::NoMemory),
        }
    }
}

fn read_some(reader: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// tiny_http's decoder takes the end of the connection for the end of the body, wherever that comes. So a body is believed
/// only where the connection cannot have ended before it: where neither the client nor the watchdog has ended it yet. That
/// tiny_http reads no more behind a last request is no such end; it began to do so when the body was at its own.
fn is_whole(shared: &Shared, peer: SocketAddr) -> bool {
    let Some(connection) = shared.open(peer) else {
        return false;
    };
    let has_ended = shared.sockets.client_has_ended(&connection, peer);
    !has_ended && shared.peers().why_body_ended(peer).is_none()
}
