//! Streamed bodies are read when their clients have room, by whichever worker, and logged as their requests were.

use super::{body::Body, log_context::LogContext};
use std::{
    io::{self, Read},
    mem,
};

/// Where this is a stream, what is logged while it is read carries what has been added to the current thread's log
/// context by now.
pub(crate) fn stream(body: &mut Body) {
    if let Body::Stream(reader, _) = body
        && LogContext::has_fields()
    {
        let bare = mem::replace(reader, Box::new(io::empty()));
        let context = LogContext::current();
        *reader = Box::new(Logged {
            context,
            reader: bare,
        });
    }
}

struct Logged {
    context: LogContext,
    reader: Box<dyn Read + Send>,
}

impl Read for Logged {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let reader = &mut self.reader;
        // On a worker it stays behind, so that the engine's record of a reader that fails carries it too.
        match self.context.resume() {
            true => reader.read(into),
            false => self.context.run(|| reader.read(into)),
        }
    }
}
