//! What a connection lets go of and its owner must not simply drop: the thread that drives the sockets has no time for
//! a handler's destructor, nor for giving back much memory at once.

use super::underway::Underway;
use crate::{
    message::{
        pushed::outlet::{self, Outlet},
        request::{Request, RequestBody},
    },
    observe::panics,
};
use std::{
    io::{self, ErrorKind, Read},
    mem,
    sync::Arc,
};

/// As much memory as is freed at a time. That takes about 25 µs a mebibyte (measured on Linux 6.18, with glibc and with
/// musl), so that what is smaller may be freed anywhere.
pub(super) const MUCH_MEMORY: usize = 4 << 20;

/// Something that a connection has no use for any more.
pub(crate) enum Discarded {
    /// To be dropped where a handler may run.
    Reader(BodyReader),
    /// To be dropped there too.
    Upload(Box<Underway>),
    /// To be freed in pieces.
    Memory(LargeBuffer),
}

impl Discarded {
    /// These bytes, where they take too much memory to be freed at once.
    pub(super) fn if_much(bytes: &mut Vec<u8>) -> Option<Discarded> {
        (bytes.capacity() > MUCH_MEMORY).then(|| Discarded::Memory(LargeBuffer(mem::take(bytes))))
    }

    /// What takes so much memory of a request that nobody needs any more.
    pub(super) fn of_request(request: &mut Request) -> impl Iterator<Item = Discarded> + use<> {
        let body = match &mut request.body {
            RequestBody::Own(bytes) => Discarded::if_much(bytes),
            RequestBody::Empty | RequestBody::Behind { .. } | RequestBody::Taken(_) => None,
        };
        let bytes = Discarded::if_much(&mut request.bytes);
        bytes.into_iter().chain(body)
    }
}

/// Much memory, which goes back to the system in pieces, whatever thread drops it: while munmap(2) runs, no other thread
/// of the process gets memory, and the one that drives the sockets may want some.
pub(crate) struct LargeBuffer(Vec<u8>);

impl LargeBuffer {
    /// Frees a piece, and says whether that leaves any.
    pub(super) fn free_some(&mut self) -> bool {
        let rest = self.0.capacity().saturating_sub(MUCH_MEMORY);
        self.0.truncate(rest);
        self.0.shrink_to(rest);
        rest > 0
    }
}

impl Drop for LargeBuffer {
    fn drop(&mut self) {
        while self.free_some() {}
    }
}

/// The reader of a streamed body. It is the handler's code: it may block, and panic as a handler may.
pub(crate) struct BodyReader {
    reader: Option<Box<dyn Read + Send>>,
    /// Told by a body that has nothing yet, once it has; none where who reads may wait.
    outlet: Option<Arc<dyn Outlet>>,
    /// It is pushed: there is nothing of a handler's in it, so that it may be read and dropped where sockets are driven.
    pub(super) is_pushed: bool,
}

impl BodyReader {
    pub(super) fn new(
        reader: Box<dyn Read + Send>,
        outlet: Option<Arc<dyn Outlet>>,
        is_pushed: bool,
    ) -> Box<BodyReader> {
        Box::new(BodyReader {
            reader: Some(reader),
            outlet,
            is_pushed,
        })
    }

    /// Reads once, for as long as that takes.
    ///
    /// # Errors
    /// Its own, and where it panics. [`ErrorKind::WouldBlock`] where it has nothing yet, of which it tells its outlet.
    pub(super) fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.reader else {
            return Ok(0);
        };
        let read = || {
            loop {
                match reader.read(piece) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(count) if count > piece.len() => {
                        return Err(io::Error::other("it says that it read more than it could"));
                    }
                    result => return result,
                }
            }
        };
        outlet::read_for(&mut self.outlet, || {
            let count = panics::catch(read);
            count.unwrap_or_else(|panicked| Err(io::Error::other(format!("panicked: {panicked}"))))
        })
    }

    /// Whether somebody in there has kept the outlet, to tell it of more.
    pub(super) fn will_tell(&self) -> bool {
        let outlet = self.outlet.as_ref();
        outlet.is_some_and(|outlet| Arc::strong_count(outlet) > 1)
    }

    /// To be dropped where a handler may run; none where that was no matter, and is done.
    pub(super) fn discard(self: Box<Self>) -> Option<Discarded> {
        (!self.is_pushed).then(|| Discarded::Reader(*self))
    }
}

impl Drop for BodyReader {
    /// The reader's destructor is the handler's code too.
    fn drop(&mut self) {
        let reader = self.reader.take();
        if let Err(panicked) = panics::catch(|| drop(reader)) {
            log::error!(panic:% = panicked; "the destructor of a streamed body panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_goes_back_to_the_system() {
        let mut buffer = LargeBuffer(vec![1; 2 * MUCH_MEMORY + 1]);
        assert!(buffer.free_some() && buffer.0.capacity() == MUCH_MEMORY + 1);
        assert!(buffer.free_some() && buffer.0.capacity() == 1);
        assert!(!buffer.free_some() && buffer.0.capacity() == 0);
    }
}
