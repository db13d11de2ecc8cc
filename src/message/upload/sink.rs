//! Where a body goes, and what a handler returns for it.

use crate::message::{error::Error, request::Request, response::Response};

/// Where the body of a request goes as it comes.
///
/// All of it runs on worker threads and may block; it holds a worker only while it runs, never while its client makes it
/// wait. What the client sends meanwhile stays in its socket, so that a slow sink slows its client down. A sink that is
/// dropped without [`finish`](BodySink::finish) was not given the whole body: its client has left, was too slow, sent too
/// much or nonsense, or the service had to end. Its `Drop` undoes what it has begun, on a worker too.
///
/// ```
/// use seaworthy::{BodySink, Error, IntoResponse, Request, Response, Upload};
///
/// /// Counts the lines of a text that is larger than memory.
/// struct Lines(u64);
///
/// impl BodySink for Lines {
///     fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
///         self.0 += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
///         Ok(())
///     }
///
///     fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
///         Ok(format!("{} lines", self.0).into_response())
///     }
/// }
///
/// let service = seaworthy::Service::new("count").post("/lines", |_: &Request| Upload::new(Lines(0)));
/// assert_eq!(service.call(Request::post("/lines", "one\ntwo\n")).body(), Some(&b"2 lines"[..]));
/// ```
pub trait BodySink: Send + 'static {
    /// Takes the next piece: at least a byte and at most 64 KiB, which say nothing of how the client has split its body.
    ///
    /// # Errors
    /// Ends the upload: it is answered with the error, and the connection is closed since the rest is not read. A panic
    /// is a 500.
    fn write(&mut self, piece: &[u8]) -> Result<(), Error>;

    /// Answers, once the whole body has been written. `request` is what the handler saw.
    ///
    /// # Errors
    /// Are answered as a handler's.
    fn finish(self: Box<Self>, request: &Request) -> Result<Response, Error>;
}

/// What a handler returns that takes its request's body as it comes, in place of a response.
///
/// A handler whose type is `Upload`, or a `Result` of one, runs when the head of its request is there, and its
/// [`Request::body`] is empty. Layers run around it then, authentication among them. Only what it returns decides whether
/// there is an upload: an `Err` is answered at once and the body is not read, and a client that waits for `100 Continue`
/// (RFC 9110 section 10.1.1) is told to go on by the `Upload` alone, so that a refusal costs it nothing.
///
/// The body goes to the sink in pieces of at most 64 KiB, and that is all the memory it takes. It may be as long as the
/// [`body_limit`](crate::Routes::body_limit) of the route's group, else `MAX_BODY_BYTES`; past it 413. It may take as
/// long as it takes, at `MIN_BODY_RATE` or faster while the server waits for it (where that is 0, without a pause of
/// `BODY_TIMEOUT`); else 408. Of layers, what they do to the response that they see, an empty 200, is done to its headers
/// alone: the later answer gets those that it has not set itself.
///
/// ```no_run
/// # use std::path::PathBuf;
/// use seaworthy::{Error, Request, Routes, Service, Settings, Upload};
///
/// fn store(request: &Request, data: &PathBuf) -> Result<Upload, Error> {
///     let file = Upload::to_file_in(data, request.param("name"))?;       // 400 for a name that leads elsewhere
///     Ok(file.synced().then(|_, stored| format!("{} bytes", stored.length)))
/// }
///
/// let mut settings = Settings::from_env();
/// let data = settings.writable_directory("DATA_DIR", "/data");           // checked at start, else exit 78
/// let files = Routes::new().put("/{name}", store).body_limit("10GiB");   // past it 413
/// # let _ =
/// Service::with_state("files", data).settings(settings).nest("/files", files)
/// # ;
/// ```
///
/// Where the engine is `tiny_http`, a service with such a route does not start.
pub struct Upload {
    pub(crate) sink: Box<dyn BodySink>,
}

impl Upload {
    /// Has the body written to `sink`.
    #[must_use]
    pub fn new(sink: impl BodySink) -> Upload {
        Upload {
            sink: Box::new(sink),
        }
    }

    /// Has `look` see each piece before the sink takes it: to hash it, or count it.
    ///
    /// ```
    /// use seaworthy::{Error, Request, Upload};
    /// use std::{hash::{DefaultHasher, Hasher}, sync::{Arc, Mutex}};
    ///
    /// fn store(request: &Request) -> Result<Upload, Error> {
    ///     let hasher = Arc::new(Mutex::new(DefaultHasher::new()));
    ///     let hash = Arc::clone(&hasher);
    ///     let file = Upload::to_file("/data/report")?.then(move |_, _| format!("{:x}", hash.lock().unwrap().finish()));
    ///     Ok(file.inspect(move |piece| hasher.lock().unwrap().write(piece)))
    /// }
    /// ```
    #[must_use]
    pub fn inspect(self, look: impl FnMut(&[u8]) + Send + 'static) -> Upload {
        let sink = Inspected {
            look,
            sink: self.sink,
        };
        Upload::new(sink)
    }
}

struct Inspected<F> {
    look: F,
    sink: Box<dyn BodySink>,
}

impl<F: FnMut(&[u8]) + Send + 'static> BodySink for Inspected<F> {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        (self.look)(piece);
        self.sink.write(piece)
    }

    fn finish(self: Box<Self>, request: &Request) -> Result<Response, Error> {
        self.sink.finish(request)
    }
}
