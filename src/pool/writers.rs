//! Bodies that are produced by writing: [`Response::write_with`].
//!
//! A body is sent as its client has room, by whichever worker has a turn, so it has to be something that can be asked for
//! the next piece. What writes cannot be: to stop in the middle of its work and go on later it needs its stack, and a
//! stack is a thread. On a worker it would hold that for as long as its client likes to read slowly. So it runs on a
//! thread apart from the workers, which is the one that waits for a slow client, and hands over its pieces to a reader as
//! any other body's.
//!
//! Such threads are few, [`MOST`], and taken before the handler has returned, so that what finds none left is told 503
//! instead of being cut. They are started when they are needed and stay for a while: starting one takes 40 µs, handing over
//! to one that waits 8 (measured with musl, on two cores).

use crate::{
    message::{
        error::Error, into_response::IntoResponse, log_context::LogContext, response::Response,
    },
    observe::panics,
    spawn,
};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{
    cell::RefCell,
    io::{self, ErrorKind, Read, Write},
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// How many bodies are written at once. A thread takes about 25 KiB of the cgroup's memory, and what it has written and
/// its client has not taken at most 48 KiB more.
const MOST: usize = 64;

/// What is handed over at a time; so much can wait in the channel too.
const PIECE: usize = 16 * 1024;

/// How long a thread waits for the next body.
const IDLE: Duration = Duration::from_secs(10);

thread_local! {
    /// Those of the pool that this thread works for.
    static WRITERS: RefCell<Option<Arc<Writers>>> = const { RefCell::new(None) };
}

impl Response {
    /// A 200 whose body is what `write` writes: for what can only be written, such as an archive, and for rows that come
    /// out of a query one by one. Sent in `Transfer-Encoding: chunked`, while it is written.
    ///
    /// It runs once, when the first of it is sent, on a thread of its own, and waits where the client is slow; at most
    /// 64 KiB are ahead of what the client has taken. [`flush`](Write::flush) sends what is there. Where it returns an
    /// error or panics, the connection is cut, so that the client does not take what it has for the whole. Where the
    /// client has gone, writing fails.
    ///
    /// At most 64 bodies are written at once in a service; beyond that this is a 503 with `Retry-After`, or, where it is the
    /// answer of a [`Responder`](crate::Responder) and was made on a thread of the program's own, a cut connection. A route whose
    /// bodies are large, or hold something scarce, has a [`concurrency`](crate::layers::concurrency()) of its own, which
    /// counts until the body is sent. What can be asked for the next piece needs no thread: see
    /// [`stream`](Response::stream).
    ///
    /// ```
    /// use seaworthy::{Request, Response, Service};
    /// use std::io::{Read, Write};
    ///
    /// fn export(_: &Request) -> Response {
    ///     Response::write_with(|out| {
    ///         writeln!(out, "number,square")?;
    ///         for number in 1..=1000 {
    ///             writeln!(out, "{number},{}", number * number)?;
    ///         }
    ///         Ok(())
    ///     })
    /// }
    ///
    /// let service = Service::new("squares").get("/export", export);
    /// let mut text = String::new();
    /// service.call(Request::get("/export")).into_body().into_reader().read_to_string(&mut text)?;
    /// assert!(text.ends_with("\n1000,1000000\n"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// Outside of a running service, as here, it is all written at the first read.
    #[must_use]
    pub fn write_with(
        write: impl FnOnce(&mut dyn Write) -> Result<(), Error> + Send + 'static,
    ) -> Response {
        let write = Box::new(write);
        let state = match place_here() {
            Some(Some(place)) => State::Due(write, place),
            Some(None) => return Error::unavailable(TOO_MANY).into_response(),
            None => State::Unplaced(write),
        };
        Response::stream(Written {
            state,
            piece: Vec::new(),
            taken: 0,
        })
    }
}

const TOO_MANY: &str = "too many answers are written";

/// A place among the writers of the pool that this thread works for: none where there is none left, nor where there is no
/// pool.
fn place_here() -> Option<Option<Place>> {
    WRITERS.with_borrow(|writers| writers.as_ref().map(Writers::take_place))
}

type Producer = Box<dyn FnOnce(&mut dyn Write) -> Result<(), Error> + Send>;
type Job = Box<dyn FnOnce() + Send>;

/// The threads of a pool that write bodies.
pub(crate) struct Writers {
    taken: AtomicUsize,
    /// Handed over to a thread that waits, or not at all.
    jobs: (Sender<Job>, Receiver<Job>),
}

impl Writers {
    pub(super) fn new() -> Arc<Writers> {
        Arc::new(Writers {
            taken: AtomicUsize::new(0),
            jobs: bounded(0),
        })
    }

    /// What is answered on this thread from now on is written by these.
    pub(super) fn serve_this_thread(self: &Arc<Self>) {
        WRITERS.set(Some(Arc::clone(self)));
    }

    /// What is read on this thread meanwhile is written by these, on whichever thread it was made.
    pub(super) fn serve<T>(self: &Arc<Self>, read: impl FnOnce() -> T) -> T {
        let outer = WRITERS.replace(Some(Arc::clone(self)));
        let result = read();
        WRITERS.set(outer);
        result
    }

    fn take_place(self: &Arc<Self>) -> Option<Place> {
        let free = |taken| (taken < MOST).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, free).ok()?;
        Some(Place(Arc::clone(self)))
    }

    /// Runs a job on a thread that waits, or on a new one.
    fn run(&self, job: Job) -> io::Result<()> {
        let Err(not_taken) = self.jobs.0.try_send(job) else {
            return Ok(());
        };
        let (first, more) = (not_taken.into_inner(), self.jobs.1.clone());
        let work = move || {
            first();
            while let Ok(job) = more.recv_timeout(IDLE) {
                job();
            }
        };
        spawn::named("writer", work)?;
        Ok(())
    }
}

/// The right to a thread, until dropped.
struct Place(Arc<Writers>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, SeqCst);
    }
}

/// The body, as its engine reads it.
struct Written {
    state: State,
    piece: Vec<u8>,
    /// How much of the piece has been read.
    taken: usize,
}

enum State {
    Due(Producer, Place),
    /// It was made where there is no pool: as a deferred answer, or in a test.
    Unplaced(Producer),
    /// A piece without bytes is the end. What ends in any other way is cut short.
    Begun(Receiver<io::Result<Vec<u8>>>),
    Done,
    Cut,
}

impl Written {
    fn next_piece(&mut self) -> io::Result<Vec<u8>> {
        let cut = || io::Error::from(ErrorKind::UnexpectedEof);
        let (piece, next) = match mem::replace(&mut self.state, State::Cut) {
            State::Due(write, place) => {
                self.state = State::Begun(begin(write, place)?);
                return self.next_piece();
            }
            State::Begun(pieces) => match pieces.recv().map_err(|_| cut())?? {
                end if end.is_empty() => (end, State::Done),
                piece => (piece, State::Begun(pieces)),
            },
            State::Unplaced(write) => match place_here() {
                Some(Some(place)) => {
                    self.state = State::Due(write, place);
                    return self.next_piece();
                }
                Some(None) => return Err(io::Error::other(TOO_MANY)),
                None => {
                    let mut all = Vec::new();
                    caught(|| write(&mut all))?;
                    (all, State::Done)
                }
            },
            State::Done => (Vec::new(), State::Done),
            State::Cut => return Err(cut()),
        };
        self.state = next;
        Ok(piece)
    }
}

impl Read for Written {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.piece.len() {
            self.piece = self.next_piece()?;
            self.taken = 0;
        }
        let left = &self.piece[self.taken..];
        let count = left.len().min(into.len());
        into[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        Ok(count)
    }
}

/// Writes on a thread apart, logged as this one's request is.
fn begin(write: Producer, place: Place) -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, pieces) = bounded(1);
    let context = LogContext::current();
    let writers = Arc::clone(&place.0);
    writers.run(Box::new(move || {
        let _place = place;
        context.run(|| write_all(write, sender));
    }))?;
    Ok(pieces)
}

fn write_all(write: Producer, pieces: Sender<io::Result<Vec<u8>>>) {
    let mut out = Pieces {
        pieces,
        piece: Vec::new(),
    };
    let end = caught(|| write(&mut out)).and_then(|()| out.flush());
    // Where nobody reads any more, nobody needs to know.
    let _ = out.pieces.send(end.map(|()| Vec::new()));
}

/// How writing ended, for whoever reads: it learns of an error and of a panic alike that this is not the whole.
fn caught(write: impl FnOnce() -> Result<(), Error>) -> io::Result<()> {
    let panicked = |panicked| Err(io::Error::other(format!("panicked: {panicked}")));
    panics::catch(|| write().map_err(reason)).unwrap_or_else(panicked)
}

/// What the log is told.
fn reason(error: Error) -> io::Error {
    io::Error::other(error.cause().unwrap_or(error.message()).to_owned())
}

/// Hands over in pieces what is written.
struct Pieces {
    pieces: Sender<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE - self.piece.len();
        let count = bytes.len().min(room);
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let sent = self.pieces.send(Ok(mem::take(&mut self.piece)));
        sent.map_err(|_| io::Error::new(ErrorKind::BrokenPipe, "the client has gone"))
    }
}
