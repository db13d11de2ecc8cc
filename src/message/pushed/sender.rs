//! Who pushes a body.

use super::{
    channel::{Channel, End, Receiver, Room, SendError},
    message::{Message, Shared},
};
use crate::message::{
    body::{Body, Pushed},
    response::{BYTES, Response},
};
use std::{fmt, io::Read, marker::PhantomData, sync::Arc, time::Duration};

impl Response {
    /// A 200 whose body is pushed: what the sender is given, any thread may give it, also long after the handler has
    /// returned this. The engine sends it, in `Transfer-Encoding: chunked`; no thread waits for the client.
    ///
    /// At most `capacity` messages wait for a client that is slower than what is sent to it, and all of them together
    /// take their part of `BUFFER_MEMORY`. While there is something to send, the client has `WRITE_TIMEOUT` to take it;
    /// while there is not, the connection has no deadline, and a client that closes it, be it only its own side, has gone. The response is whole once its sender says so
    /// ([`finish`](Sender::finish)). A sender that is dropped before, as by a panic, cuts the connection, so that the
    /// client does not take what it has for the whole. The answer to HEAD has no body: its sender is
    /// [closed](Sender::is_closed) from the beginning.
    ///
    /// When the service ends, responses of channels have until `SHUTDOWN_TIMEOUT`: see
    /// [`is_stopping`](Sender::is_stopping).
    ///
    /// With the `tiny_http` engine each such response takes a thread for as long as it lasts.
    ///
    /// A layer that reads the body itself ([`Body::into_reader`]) waits for whoever sends, on its worker.
    ///
    /// ```
    /// use seaworthy::{Request, Response, Service};
    /// use std::{io::Read, thread};
    ///
    /// fn count(_: &Request) -> Response {
    ///     let (sender, response) = Response::channel(16);
    ///     thread::spawn(move || {
    ///         for number in 1..=3 {
    ///             if sender.send(format!("{number}\n")).is_err() {
    ///                 return; // the client has gone
    ///             }
    ///         }
    ///         sender.finish();
    ///     });
    ///     response
    /// }
    ///
    /// let service = Service::new("counter").get("/count", count);
    /// let mut text = String::new();
    /// service.call(Request::get("/count")).into_body().into_reader().read_to_string(&mut text)?;
    /// assert_eq!(text, "1\n2\n3\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// With a capacity of 0.
    #[must_use]
    #[track_caller]
    pub fn channel(capacity: usize) -> (Sender, Response) {
        let (sender, receiver) = channel(capacity);
        (sender, pushed(receiver, BYTES))
    }
}

#[track_caller]
pub(super) fn channel<M>(capacity: usize) -> (Sender<M>, Receiver) {
    assert!(capacity > 0, "a channel of capacity 0 sends nothing");
    let channel = Channel::new(capacity);
    let sender = Sender {
        channel: Arc::clone(&channel),
        messages: PhantomData,
    };
    (sender, Receiver(channel))
}

pub(super) fn pushed(reader: impl Read + Send + 'static, content_type: &'static str) -> Response {
    Response::of(Body::Pushed(Pushed(Box::new(reader))), content_type)
}

/// What can be pushed: bytes, or what becomes bytes.
pub trait Encode {
    /// Its bytes. None are no message: nothing is sent.
    fn encode(self) -> Vec<u8>;
}

impl Encode for Vec<u8> {
    fn encode(self) -> Vec<u8> {
        self
    }
}

/// Sends the body of a [`Response::channel`], or the events of a [`Response::events`].
///
/// There is one for each response, since its word ends the body. Threads share it by reference or in an
/// [`Arc`].
pub struct Sender<M = Vec<u8>> {
    channel: Arc<Channel>,
    messages: PhantomData<fn(M)>,
}

impl<M: Encode> Sender<M> {
    /// Sends a message, and waits where there is no room for it. What is returned says that it is on its way, not that
    /// the client has it. An empty message is none.
    ///
    /// # Errors
    /// [`Closed`](SendError::Closed) where the client has gone, also while this waits. [`Full`](SendError::Full) where
    /// this would never end, because the handler has not returned the response: at once on the thread that made the
    /// channel, on another one after 10 s.
    pub fn send(&self, message: impl Into<M>) -> Result<(), SendError> {
        self.push(message.into(), Room::Awaited)
    }

    /// Sends a message if there is room for it. Never waits.
    ///
    /// # Errors
    /// [`Full`](SendError::Full) where there is none; [`Closed`](SendError::Closed) where the client has gone.
    pub fn try_send(&self, message: impl Into<M>) -> Result<(), SendError> {
        self.push(message.into(), Room::Needed)
    }

    fn push(&self, message: M, room: Room) -> Result<(), SendError> {
        match message.encode() {
            nothing if nothing.is_empty() && self.is_closed() => Err(SendError::Closed),
            nothing if nothing.is_empty() => Ok(()),
            bytes => self.channel.push(Message::Own(bytes), room),
        }
    }
}

impl<M> Sender<M> {
    pub(super) fn try_share(&self, shared: &Arc<Shared>) -> Result<(), SendError> {
        let message = Message::Shared(Arc::clone(shared));
        self.channel.push(message, Room::Needed)
    }

    /// Cuts the connection, behind what was sent before.
    pub(super) fn cut_off(&self) {
        self.channel.end(End::LAGGING);
    }

    /// Ends the body. Once what was sent before has gone out, the client has the whole response.
    pub fn finish(self) {
        self.channel.end(End::Whole);
    }

    /// Whether nothing that is sent can arrive any more: the client has closed or reset the connection, the connection
    /// was cut, or the response was dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// Whether the service ends: its listener is closed, and what is not finished by `SHUTDOWN_TIMEOUT` is cut. Before
    /// that, in `DRAIN_DELAY`, a client that is sent away might come back to this same pod. Always false before the
    /// response is returned.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.channel.is_closing()
    }

    /// Sleeps for `pause`, or until nothing more should be sent: true where the client has gone
    /// ([`is_closed`](Sender::is_closed)) or the service ends ([`is_stopping`](Sender::is_stopping)), which it learns
    /// of within a second. For whoever sends from time to time.
    ///
    /// ```
    /// use seaworthy::{Request, Response};
    /// use std::{thread, time::Duration};
    ///
    /// fn clock(_: &Request) -> Response {
    ///     let (sender, response) = Response::channel(4);
    ///     thread::spawn(move || {
    ///         while sender.send("tick\n").is_ok() && !sender.wait(Duration::from_secs(1)) {}
    ///         sender.finish();
    ///     });
    ///     response
    /// }
    /// ```
    pub fn wait(&self, pause: Duration) -> bool {
        self.channel.wait_for_end(pause)
    }
}

impl<M> Drop for Sender<M> {
    fn drop(&mut self) {
        self.channel.end(End::DROPPED);
    }
}

impl<M> fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
