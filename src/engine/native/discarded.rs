//! What a connection lets go of and its owner must not simply drop: the thread that drives the sockets has no time for
//! a handler's destructor, nor for giving back much memory at once.

use crate::{
    message::request::{Request, RequestBody},
    observe::panics,
};
use std::{
    io::{self, ErrorKind, Read},
    mem,
};

/// Freeing takes about 25 µs a mebibyte (measured on Linux 6.18, with glibc and with musl): what is smaller than this
/// may be freed anywhere.
pub(super) const MUCH_MEMORY: usize = 4 << 20;

/// Something that a connection has no use for any more.
pub(crate) enum Discarded {
    /// To be dropped where a handler may run.
    Reader(BodyReader),
    /// To be freed where nobody waits, or in pieces.
    Memory(Vec<u8>),
}

impl Discarded {
    /// These bytes, where they take too much memory to be freed at once.
    pub(super) fn if_much(bytes: &mut Vec<u8>) -> Option<Discarded> {
        (bytes.capacity() > MUCH_MEMORY).then(|| Discarded::Memory(mem::take(bytes)))
    }

    /// What takes so much memory of a request that nobody needs any more.
    pub(super) fn of_request(request: &mut Request) -> impl Iterator<Item = Discarded> + use<> {
        let body = match &mut request.body {
            RequestBody::Own(bytes) => Discarded::if_much(bytes),
            RequestBody::Empty | RequestBody::Behind { .. } => None,
        };
        let bytes = Discarded::if_much(&mut request.bytes);
        bytes.into_iter().chain(body)
    }
}

/// The reader of a streamed body. It is the handler's code: it may block, and panic as a handler may.
pub(crate) struct BodyReader(Option<Box<dyn Read + Send>>);

impl BodyReader {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> BodyReader {
        BodyReader(Some(reader))
    }

    /// Reads once, for as long as that takes.
    ///
    /// # Errors
    /// Its own, and where it panics.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.0 else {
            return Ok(0);
        };
        let count = panics::catch(|| {
            loop {
                match reader.read(piece) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(count) if count > piece.len() => {
                        return Err(io::Error::other("it says that it read more than it could"));
                    }
                    result => return result,
                }
            }
        });
        count.unwrap_or_else(|panicked| Err(io::Error::other(format!("panicked: {panicked}"))))
    }
}

impl Drop for BodyReader {
    /// The reader's destructor is the handler's code too.
    fn drop(&mut self) {
        let reader = self.0.take();
        if let Err(panicked) = panics::catch(|| drop(reader)) {
            log::error!(panic:% = panicked; "the destructor of a streamed body panicked");
        }
    }
}
