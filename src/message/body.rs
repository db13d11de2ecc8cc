//! What a response sends behind its head.

use super::{deferral::Deferral, pending::Pending};
use std::{
    fmt,
    io::{self, Cursor, Read},
    mem,
};

/// A response's body. Handlers rarely see one; layers change it by [`Response::map_body`](crate::Response::map_body).
///
/// ```
/// use seaworthy::{Body, IntoResponse};
/// use std::io::Read;
///
/// let body = "hello".into_response().into_body();
/// assert_eq!(body.len(), Some(5));
/// let mut text = String::new();
/// body.into_reader().read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[non_exhaustive]
pub enum Body {
    /// Bytes that are part of the program.
    Static(&'static [u8]),
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// What a reader gives while it is sent, with its length in bytes where that is known: see
    /// [`Response::stream`](crate::Response::stream).
    Stream(Box<dyn Read + Send>, Option<u64>),
    /// None yet: the answer is to come, once the request's body has. A layer leaves it as it is.
    Pending(Box<Pending>),
    /// What is sent when somebody has it: see [`Response::channel`](crate::Response::channel).
    Pushed(Pushed),
    /// What is not known yet, nor anything else of the answer: see [`Response::deferred`](crate::Response::deferred).
    Deferred(Deferred),
}

/// Stands for an answer that is given later. To a layer it is something to pass on, or to drop.
pub struct Deferred(pub(crate) Box<dyn Deferral>);

/// A body that is pushed by its [`Sender`](crate::Sender). To a layer it is something to pass on, or to drop.
pub struct Pushed(
    /// It never blocks where it has an outlet, runs nobody's code but ours, and may be dropped anywhere.
    pub(crate) Box<dyn Read + Send>,
);

impl Body {
    /// The length in bytes; none for a stream of unknown length.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "of a stream nobody knows whether it is empty"
    )]
    pub fn len(&self) -> Option<u64> {
        match self {
            Body::Static(bytes) => Some(bytes.len() as u64),
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Stream(_, length) => *length,
            Body::Pushed(_) | Body::Deferred(_) => None,
            Body::Pending(_) => Some(0),
        }
    }

    /// The bytes, where they are in memory; none for a stream.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Body::Static(bytes) => Some(bytes),
            Body::Bytes(bytes) => Some(bytes),
            Body::Stream(..) | Body::Pushed(_) | Body::Deferred(_) => None,
            Body::Pending(_) => Some(&[]),
        }
    }

    /// A reader of all of it, wherever it is. That of a stream whose length was promised gives no more than that, and fails
    /// where there is less: a layer that sends it on without a length cannot make a whole of a part. That of what is pushed
    /// waits for whoever pushes, where no engine reads it,
    /// and of a deferred answer this waits for the answer.
    #[must_use]
    pub fn into_reader(self) -> Box<dyn Read + Send> {
        match self {
            Body::Static(bytes) => Box::new(bytes),
            Body::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Body::Stream(reader, None) | Body::Pushed(Pushed(reader)) => reader,
            Body::Pending(_) => Box::new(io::empty()),
            Body::Stream(reader, Some(left)) => Box::new(Exactly { reader, left }),
            Body::Deferred(Deferred(deferral)) => deferral.into_reader(),
        }
    }
}

impl Body {
    /// Puts a reader of ours around the one of a body that is not in memory. It must not wait for anything by itself.
    pub(crate) fn wrap<R: Read + Send + 'static>(
        &mut self,
        wrap: impl FnOnce(Box<dyn Read + Send>, Option<u64>) -> R,
    ) {
        let (reader, length) = match self {
            Body::Static(_) | Body::Bytes(_) | Body::Pending(_) | Body::Deferred(_) => return,
            Body::Stream(reader, length) => (reader, *length),
            Body::Pushed(Pushed(reader)) => (reader, None),
        };
        let bare = mem::replace(reader, Box::new(io::empty()));
        *reader = Box::new(wrap(bare, length));
    }

    /// Keeps something for as long as the body takes, where it is not in memory. It must not wait when it is dropped.
    pub(crate) fn keep(&mut self, what: impl Send + 'static) {
        match self {
            Body::Deferred(Deferred(deferral)) => deferral.keep(Box::new(what)),
            Body::Pending(pending) => pending.kept.held.push(Box::new(what)),
            body => body.wrap(|reader, _| Keeping {
                reader,
                _what: what,
            }),
        }
    }
}

/// A reader with what is to be kept until it is dropped. It goes first: what is scarce may be its own.
struct Keeping<T> {
    reader: Box<dyn Read + Send>,
    _what: T,
}

impl<T> Read for Keeping<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reader.read(into)
    }
}

/// A reader of as many bytes as were promised.
struct Exactly {
    reader: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = into.len().min(most);
        if wanted == 0 {
            return Ok(0);
        }
        match self.reader.read(&mut into[..wanted])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

impl Default for Body {
    /// Nothing.
    fn default() -> Body {
        Body::Static(&[])
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Body {
        Body::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Body {
        Body::Static(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        Body::Bytes(text.into_bytes())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body::Bytes(bytes)
    }
}

impl fmt::Debug for Body {
    /// Its kind and length: what it holds may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Body::Static(_) | Body::Bytes(_) => "in memory",
            Body::Stream(..) => "stream",
            Body::Pending(_) => "pending",
            Body::Pushed(_) => "pushed",
            Body::Deferred(_) => "deferred",
        };
        match self.len() {
            Some(length) => write!(f, "Body({kind}, {length} bytes)"),
            None => write!(f, "Body({kind})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_to_its_promised_length_and_no_further_and_fails_where_it_is_shorter() {
        for (length, expected) in [(3, Some("exa")), (5, Some("exact")), (6, None)] {
            let body = Body::Stream(Box::new(&b"exact"[..]), Some(length));
            let mut text = String::new();
            let read = body.into_reader().read_to_string(&mut text);
            assert_eq!(read.is_ok(), expected.is_some(), "{length}");
            assert_eq!(text, expected.unwrap_or("exact"), "{length}");
        }
    }
}
