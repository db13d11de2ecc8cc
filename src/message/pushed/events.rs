//! Streams of events: what keeps them awake, and how they end.

use super::{
    channel::Receiver,
    event::Event,
    sender::{Sender, channel, pushed},
};
use crate::message::response::Response;
use http::{HeaderName, HeaderValue, header};
use std::{
    io::{self, ErrorKind, Read},
    mem,
};

/// Clients leave out what begins with a colon, and proxies see that the connection is alive.
const KEEP_ALIVE: &[u8] = b":\n\n";

impl Response {
    /// A stream of server-sent events, for the browser's `EventSource`: a [`channel`](Response::channel) of
    /// [`Event`]s with `Content-Type: text/event-stream` and `Cache-Control: no-store`, which nginx is told not to hold
    /// back (`X-Accel-Buffering: no`).
    ///
    /// Where nothing was sent for 15 seconds, a comment is, so that proxies keep the connection and a client that has
    /// vanished is noticed. When the service ends, the stream ends whole as soon as the listener is closed, within a
    /// second, and its sender is [closed](Sender::is_closed): an `EventSource` reconnects, to another pod. So a stream is
    /// never in the way of a rolling update, and what is sent has an [`id`](Event::id) by which it is sent again:
    /// [`Request::last_event_id`](crate::Request::last_event_id).
    ///
    /// ```
    /// use seaworthy::{Event, Request, Response, Service};
    /// use std::{io::Read, thread};
    ///
    /// fn ticks(request: &Request) -> Response {
    ///     let seen = request.last_event_id().and_then(|id| id.parse().ok()).unwrap_or(0);
    ///     let (sender, response) = Response::events(16);
    ///     thread::spawn(move || {
    ///         for number in seen + 1..=3 {
    ///             if sender.send(Event::new("tick").id(number.to_string())).is_err() {
    ///                 return; // the client has gone
    ///             }
    ///         }
    ///         sender.finish();
    ///     });
    ///     response
    /// }
    ///
    /// let service = Service::new("clock").get("/ticks", ticks);
    /// let id = "last-event-id".parse::<seaworthy::http::HeaderName>().unwrap();
    /// let request = Request::get("/ticks").with_header(id, "2".parse().unwrap());
    /// let mut text = String::new();
    /// service.call(request).into_body().into_reader().read_to_string(&mut text)?;
    /// assert_eq!(text, "id: 3\ndata: tick\n\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Panics
    /// With a capacity of 0.
    #[must_use]
    #[track_caller]
    pub fn events(capacity: usize) -> (Sender<Event>, Response) {
        let (sender, receiver) = channel(capacity);
        let stream = EventStream {
            receiver,
            was_empty: false,
            comment: &[],
        };
        let response = pushed(stream, "text/event-stream")
            .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with_header(
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            );
        (sender, response)
    }
}

/// The body of a response of events.
struct EventStream {
    receiver: Receiver,
    /// There was nothing when it was last read. If there still is not, nothing has come for its engine's patience.
    was_empty: bool,
    /// What is to be read of a comment before there is anything else.
    comment: &'static [u8],
}

impl Read for EventStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.comment.is_empty() {
            let read = self.receiver.read(into);
            let was_empty = mem::take(&mut self.was_empty);
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.receiver.is_closing() {
                        return Ok(0);
                    }
                    if !was_empty {
                        self.was_empty = true;
                        return Err(error);
                    }
                    self.comment = KEEP_ALIVE;
                }
                read => return read,
            }
        }
        self.comment.read(into)
    }
}
