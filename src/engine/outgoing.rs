//! A response on its way to a client: framed, sent as far as the client takes it, and continued later.

use super::{
    discarded::{BodyReader, Discarded},
    occupancy::Closed,
};
use crate::{
    engine::{
        date,
        http1::{self, CONTINUE, Framing, LAST_CHUNK},
    },
    message::{
        body::{Body, Deferred, Pushed},
        head::Version,
        pushed::outlet::{LAGGING, Outlet},
        response::Response,
    },
};
use std::{
    cell::Cell,
    io::{self, ErrorKind, IoSlice, Write},
    mem,
    sync::Arc,
    time::Instant,
};

/// Bodies up to this size are copied behind the head, so that a response is one plain write.
const COPIED_BODY: usize = 4 * 1024;

/// How much is read from a streamed body at a time; with the client's socket buffer, all that is ever read ahead.
const STREAM_CHUNK: usize = 16 * 1024;

/// A buffer that has grown larger than this is not kept for the next response.
const SPARE_BUFFER: usize = 16 * 1024;

thread_local! {
    /// Each thread's buffer for the next response, so that most responses allocate nothing.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Logs that a body's reader has failed, so that its connection is cut, and says why that ends.
pub(crate) fn note_failed_body(error: &io::Error) -> Closed {
    if error.kind() == LAGGING {
        log::info!(reason:% = error; "response cut");
        return Closed::WriteTimeout;
    }
    log::error!(reason:% = error; "a streamed body failed; its connection is cut");
    Closed::Failed
}

/// What is still to be sent.
pub(crate) struct Outgoing {
    /// Framed bytes: the head, a small body, or a chunk of a stream.
    framed: Vec<u8>,
    /// How many of them have been sent.
    sent: usize,
    rest: Rest,
    /// The response ends where the connection does, so a connection that is cut must look cut.
    pub(crate) ends_with_connection: bool,
}

/// What follows the framed bytes.
enum Rest {
    Nothing,
    Static(&'static [u8]),
    /// The bytes from the position on.
    Bytes(Vec<u8>, usize),
    Stream(Box<BodyReader>, Framing),
    /// A reader of which nothing more is wanted.
    Spent(Box<BodyReader>),
}

/// How far sending has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Done,
    /// The client takes no more for now.
    Blocked,
    /// The client may take more, but this was as much as was to be sent at once.
    Paused,
    /// All that was read of a stream is sent: [`Outgoing::read_more`].
    WantsMore,
}

/// Whether there is more of a body than has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// It is read when the client has room, and there was something each time.
    Unasked,
    /// There was nothing, and its outlet is told once there is.
    Awaited,
    /// It has been told.
    Here,
}

impl Outgoing {
    /// Frames a response to a request of this version, to HEAD where `is_head`. With `close`, it says that the connection ends.
    /// `now` is its date. With an `outlet`, what a body has not yet is not waited for.
    pub(crate) fn new(
        is_head: bool,
        version: Version,
        response: Response,
        close: bool,
        now: Instant,
        outlet: Option<Arc<dyn Outlet>>,
    ) -> Outgoing {
        let content_type = response.default_type;
        let Response {
            status,
            headers,
            body,
            ..
        } = response;
        let (framing, with_body) = http1::framing(is_head, version, status, body.len());
        let mut framed = SPARE.take();
        date::with_date(now, |date_line| {
            http1::write_head(
                &mut framed,
                status,
                &headers,
                content_type,
                &framing,
                close,
                version,
                date_line,
            );
        });
        let rest = match body {
            Body::Stream(reader, _) if !with_body => {
                Rest::Spent(BodyReader::new(reader, None, false))
            }
            _ if !with_body => Rest::Nothing,
            Body::Pending(_) => Rest::Nothing,
            Body::Static(bytes) if bytes.len() > COPIED_BODY => Rest::Static(bytes),
            Body::Bytes(bytes) if bytes.len() > COPIED_BODY => Rest::Bytes(bytes, 0),
            Body::Static(bytes) => copied(&mut framed, bytes),
            Body::Bytes(bytes) => copied(&mut framed, &bytes),
            Body::Stream(reader, _) => {
                Rest::Stream(BodyReader::new(reader, outlet, false), framing)
            }
            Body::Pushed(Pushed(reader)) => {
                Rest::Stream(BodyReader::new(reader, outlet, true), framing)
            }
            // Nowhere but on the admin port, whose own thread may wait for it.
            Body::Deferred(Deferred(deferral)) => Rest::Stream(
                BodyReader::new(deferral.into_reader(), outlet, false),
                framing,
            ),
        };
        let ends_with_connection = with_body && framing == Framing::UntilClose;
        Outgoing {
            framed,
            sent: 0,
            rest,
            ends_with_connection,
        }
    }

    /// The interim response that lets the client send its body.
    pub(crate) fn interim() -> Outgoing {
        let mut framed = SPARE.take();
        framed.extend_from_slice(CONTINUE);
        Outgoing {
            framed,
            sent: 0,
            rest: Rest::Nothing,
            ends_with_connection: false,
        }
    }

    /// Puts what is left of an interim response before this one, of which nothing is sent yet.
    pub(crate) fn follow(&mut self, interim: &Outgoing) {
        let left = &interim.framed[interim.sent..];
        self.framed.splice(..0, left.iter().copied());
    }

    /// Sends as much as `client` takes, and of a body in memory `most` bytes or little more.
    ///
    /// # Errors
    /// Where the client is gone.
    pub(crate) fn send(&mut self, client: &mut impl Write, most: usize) -> io::Result<Sending> {
        let mut may_send = most;
        loop {
            let framed = &self.framed[self.sent..];
            let body = self.rest.in_memory();
            let all = framed.len() + body.len();
            if may_send == 0 && !body.is_empty() {
                return Ok(Sending::Paused);
            }
            let body = &body[..body.len().min(may_send)];
            let written = match (framed.is_empty(), body.is_empty()) {
                (true, true) => break,
                (false, true) => client.write(framed),
                (true, false) => client.write(body),
                (false, false) => {
                    client.write_vectored(&[IoSlice::new(framed), IoSlice::new(body)])
                }
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.mark_sent(count);
                    if count == all {
                        break;
                    }
                    may_send = may_send.saturating_sub(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Sending::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.rest {
            Rest::Stream(..) => Ok(Sending::WantsMore),
            _ => Ok(Sending::Done),
        }
    }

    fn mark_sent(&mut self, count: usize) {
        let of_framed = count.min(self.framed.len() - self.sent);
        self.sent += of_framed;
        let of_body = count - of_framed;
        match &mut self.rest {
            Rest::Static(bytes) => *bytes = &bytes[of_body..],
            Rest::Bytes(_, position) => *position += of_body,
            Rest::Nothing | Rest::Stream(..) | Rest::Spent(_) => {}
        }
    }

    /// Reads the next piece of a stream, on this thread, for as long as its reader takes. False where it has none yet, and
    /// tells its outlet once it has.
    ///
    /// # Errors
    /// Where the reader fails, panics, or ends before the length that was promised: the connection must be cut then,
    /// so that the client does not take what it has for the whole.
    pub(crate) fn read_more(&mut self) -> io::Result<bool> {
        let Rest::Stream(reader, framing) = &mut self.rest else {
            return Ok(true);
        };
        self.framed.clear();
        self.sent = 0;
        let mut piece = [0; STREAM_CHUNK];
        let wanted = match framing {
            Framing::Length(left) => usize::try_from(*left)
                .unwrap_or(usize::MAX)
                .min(STREAM_CHUNK),
            _ => STREAM_CHUNK,
        };
        let count = if wanted == 0 {
            0
        } else {
            match reader.read(&mut piece[..wanted]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && reader.will_tell() => {
                    return Ok(false);
                }
                read => read?,
            }
        };
        match framing {
            Framing::Chunked => http1::write_chunk(&mut self.framed, &piece[..count]),
            _ => self.framed.extend_from_slice(&piece[..count]),
        }
        match framing {
            Framing::Length(left) => {
                *left -= count as u64;
                if count == 0 && *left > 0 {
                    let reason = format!("it ended {left} bytes before its length");
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, reason));
                }
                if *left == 0 {
                    self.end_stream();
                }
            }
            Framing::Chunked if count == 0 => {
                self.framed.extend_from_slice(LAST_CHUNK);
                self.end_stream();
            }
            _ if count == 0 => self.end_stream(),
            _ => {}
        }
        Ok(true)
    }

    /// Whether the body is pushed, so that reading it takes no time: it is the engine's to do.
    pub(crate) fn is_pushed(&self) -> bool {
        matches!(&self.rest, Rest::Stream(reader, _) if reader.is_pushed)
    }

    /// Leaves the buffer, of which all is sent, for this thread's next response.
    pub(crate) fn leave_buffer(&mut self) {
        self.sent = 0;
        let mut buffer = mem::take(&mut self.framed);
        if (1..=SPARE_BUFFER).contains(&buffer.capacity()) {
            buffer.clear();
            SPARE.set(buffer);
        }
    }

    /// Nothing more is read: the reader waits to be discarded.
    fn end_stream(&mut self) {
        if let Rest::Stream(reader, _) = mem::replace(&mut self.rest, Rest::Nothing) {
            self.rest = Rest::Spent(reader);
        }
    }

    /// A reader that has been read to its end, or is not wanted.
    pub(crate) fn take_spent(&mut self) -> Option<Discarded> {
        if !matches!(self.rest, Rest::Spent(_)) {
            return None;
        }
        match mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Spent(reader) => reader.discard(),
            _ => None,
        }
    }

    /// What must not be dropped on just any thread, from a response that nobody needs any more.
    pub(crate) fn take_apart(&mut self) -> Option<Discarded> {
        match mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Stream(reader, _) | Rest::Spent(reader) => reader.discard(),
            Rest::Bytes(mut bytes, _) => Discarded::if_much(&mut bytes),
            Rest::Nothing | Rest::Static(_) => None,
        }
    }

    /// How many bytes are in memory and not sent yet.
    pub(crate) fn left(&self) -> usize {
        self.framed.len() - self.sent + self.rest.in_memory().len()
    }

    /// How many bytes of memory it holds; a reader's own are not known.
    pub(crate) fn holds(&self) -> usize {
        let body = match &self.rest {
            Rest::Bytes(bytes, _) => bytes.capacity(),
            _ => 0,
        };
        self.framed.capacity() + body
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.leave_buffer();
    }
}

impl Rest {
    fn in_memory(&self) -> &[u8] {
        match self {
            Rest::Static(bytes) => bytes,
            Rest::Bytes(bytes, position) => &bytes[*position..],
            Rest::Nothing | Rest::Stream(..) | Rest::Spent(_) => &[],
        }
    }
}

fn copied(framed: &mut Vec<u8>, body: &[u8]) -> Rest {
    framed.extend_from_slice(body);
    Rest::Nothing
}
