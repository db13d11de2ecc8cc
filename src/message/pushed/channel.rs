//! The queue between who pushes a body and who sends it.

use super::{
    message::Message,
    outlet::{self, LAGGING, Outlet},
};
use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    io::{self, ErrorKind, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

/// How long a message may wait for a handler to return the response that it is for: a handler that waits in turn for the
/// message never would.
const UNRETURNED: Duration = Duration::from_secs(10);

/// Memory that others give back is looked for so often.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The client has gone, the connection was cut, or the response was dropped: nothing will ever be sent.
    Closed,
    /// There is no room: as many messages as the channel's capacity wait for the client already, or `BUFFER_MEMORY` is
    /// used up. [`send`](super::sender::Sender::send) waits for room, and says so only where its handler has not returned the response yet,
    /// so that nobody takes anything.
    Full,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Closed => "the client has gone",
            SendError::Full => "the channel of the response is full",
        })
    }
}

impl Error for SendError {}

/// Whether to wait for room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Awaited,
    Needed,
}

pub(super) struct Channel {
    capacity: usize,
    /// Who is to return the response.
    maker: ThreadId,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Message>,
    /// So many bytes of the first message have been read.
    taken: usize,
    /// What the queue weighs, and what of it is charged for.
    weight: usize,
    charged: usize,
    end: Option<End>,
    /// Somebody has begun to read.
    is_read: bool,
    /// Nobody reads any more.
    is_closed: bool,
    /// Who reads has found nothing, and is to be told of what comes.
    is_awaited: bool,
    outlet: Option<Arc<dyn Outlet>>,
}

#[derive(Clone, Copy)]
pub(super) enum End {
    Whole,
    Cut(ErrorKind, &'static str),
}

impl End {
    pub(super) const DROPPED: End = End::Cut(
        ErrorKind::UnexpectedEof,
        "its sender was dropped before it had finished",
    );
    pub(super) const LAGGING: End = End::Cut(LAGGING, "its client lags behind what is broadcast");
}

impl Channel {
    pub(super) fn new(capacity: usize) -> Arc<Channel> {
        Arc::new(Channel {
            capacity,
            maker: thread::current().id(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn push(&self, message: Message, room: Room) -> Result<(), SendError> {
        let begun = Instant::now();
        let mut state = self.state();
        loop {
            if state.is_closed {
                return Err(SendError::Closed);
            }
            if state.queue.len() < self.capacity && state.charge_for(&message) {
                break;
            }
            let never_taken = !state.is_read
                && (thread::current().id() == self.maker || begun.elapsed() >= UNRETURNED);
            if room == Room::Needed || never_taken {
                return Err(SendError::Full);
            }
            let wait = match state.queue.len() < self.capacity {
                true => BETWEEN_LOOKS,
                false => UNRETURNED,
            };
            let waited = self.changed.wait_timeout(state, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.queue.push_back(message);
        self.tell_reader(state);
        Ok(())
    }

    /// The first word counts.
    pub(super) fn end(&self, end: End) {
        let mut state = self.state();
        if state.end.is_none() {
            state.end = Some(end);
            self.tell_reader(state);
        }
    }

    fn tell_reader(&self, mut state: MutexGuard<'_, State>) {
        let is_awaited = std::mem::take(&mut state.is_awaited);
        let outlet = state.outlet.clone().filter(|_| is_awaited);
        let waits_here = is_awaited && outlet.is_none();
        drop(state);
        if let Some(outlet) = outlet {
            outlet.notify();
        } else if waits_here {
            self.changed.notify_all();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    pub(super) fn is_closing(&self) -> bool {
        self.state().is_closing()
    }

    /// Waits until nothing more should be sent, and says whether that is so.
    pub(super) fn wait_for_end(&self, time: Duration) -> bool {
        let is_over = |state: &State| state.is_closed || state.is_closing();
        let waits = |state: &mut State| !is_over(state);
        let waited = self.changed.wait_timeout_while(self.state(), time, waits);
        is_over(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_closing(&self) -> bool {
        let outlet = self.outlet.as_ref();
        outlet.is_some_and(|outlet| outlet.is_closing())
    }

    /// False where there is no memory for the message.
    fn charge_for(&mut self, message: &Message) -> bool {
        let weight = self.weight + message.weight();
        if let Some(outlet) = &self.outlet {
            let fits = match message {
                Message::Own(_) => outlet.charge(&mut self.charged, weight),
                Message::Shared(shared) => shared.charge_to(outlet),
            };
            if !fits {
                return false;
            }
        }
        self.weight = weight;
        true
    }

    /// Charges for what is there. What was pushed before anybody knew of an outlet is sent whatever the memory.
    fn settle(&mut self) {
        if let Some(outlet) = &self.outlet {
            outlet.charge(&mut self.charged, self.weight);
        }
    }

    /// Takes as much as there is and has room.
    fn take(&mut self, into: &mut [u8]) -> usize {
        let mut count = 0;
        while let Some(message) = self.queue.front() {
            let left = &message.bytes()[self.taken..];
            let some = left.len().min(into.len() - count);
            into[count..count + some].copy_from_slice(&left[..some]);
            count += some;
            self.taken += some;
            if some < left.len() {
                break;
            }
            self.weight -= message.weight();
            self.taken = 0;
            self.queue.pop_front();
        }
        count
    }
}

/// The body, for whoever sends it.
pub(super) struct Receiver(pub(super) Arc<Channel>);

impl Receiver {
    /// Whether it is sent by an engine that does not listen any more.
    pub(super) fn is_closing(&self) -> bool {
        self.0.is_closing()
    }
}

impl Read for Receiver {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let channel = &*self.0;
        let mut state = channel.state();
        state.is_read = true;
        if state.outlet.is_none() {
            state.outlet = outlet::current();
            state.settle();
        }
        loop {
            let count = state.take(into);
            if count > 0 {
                state.settle();
                drop(state);
                channel.changed.notify_all();
                return Ok(count);
            }
            match state.end {
                _ if into.is_empty() => return Ok(0),
                Some(End::Whole) => return Ok(0),
                Some(End::Cut(kind, reason)) => return Err(io::Error::new(kind, reason)),
                None => state.is_awaited = true,
            }
            if state.outlet.is_some() {
                if state.is_closing() {
                    channel.changed.notify_all();
                }
                return Err(ErrorKind::WouldBlock.into());
            }
            let waited = channel.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Receiver {
    /// What has not been sent is not wanted any more.
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_closed = true;
        state.weight = 0;
        state.settle();
        let unsent = std::mem::take(&mut state.queue);
        let outlet = state.outlet.take();
        drop(state);
        drop((unsent, outlet));
        self.0.changed.notify_all();
    }
}
