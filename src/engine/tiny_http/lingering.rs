//! Ending a connection around tiny_http, without a byte that comes behind being taken for a request, and without the
//! close destroying what was said last.

use super::{
    duplicate::{Duplicate, Found},
    head,
    sockets::{Look, Sockets},
};
use crate::{
    engine::{
        outgoing::{Outgoing, Sending},
        rules::{LINGER, LINGER_BETWEEN_READS},
    },
    observe::panics,
};
use nix::sys::socket::Shutdown;
use std::{
    io::Write,
    mem,
    net::SocketAddr,
    os::fd::RawFd,
    time::{Duration, Instant},
};
use tiny_http::Request as Inner;

/// How long a client that has sent its request wholly may go on sending: it can only be another one.
const LINGER_AFTER_ANSWER: Duration = Duration::from_secs(1);

/// Once the listener is closed, none may go on for longer than this.
const LINGER_IN_DRAIN: Duration = Duration::from_secs(2);

/// What keeps tiny_http from going on with a connection.
pub(super) enum Hold {
    /// A request whose body was not read, so that tiny_http does not have the connection's reading end. Its writer
    /// cannot be had without reading the body first, which is why the last words go past it.
    Request(Inner),
    /// The writer that the answer went through. The next one, be it that of tiny_http's own 400, has to wait for it.
    Writer(#[expect(dead_code, reason = "held, not used")] Box<dyn Write + Send>),
    Nothing,
}

/// A connection that is to end.
pub(super) struct LingeringClose {
    pub(super) peer: SocketAddr,
    hold: Hold,
    /// What is still to be said, where it could not go through the writer, and until when the client may take it.
    last_words: Option<(Outgoing, Instant)>,
    /// How long the client may go on sending, in all and between two reads, once everything has been said.
    linger: (Duration, Duration),
    /// The client has sent its whole request: whatever else comes can only be another one.
    is_answered: bool,
    /// From the first look at it on, so that it does not end where tiny_http ends.
    connection: Option<Duplicate>,
    until: Option<Until>,
}

/// How long a client may still go on sending.
struct Until {
    at_most: Instant,
    /// If nothing more comes.
    next: Instant,
}

impl LingeringClose {
    /// Ends a connection whose last answer was written.
    pub(super) fn after_answer(peer: SocketAddr, writer: Box<dyn Write + Send>) -> LingeringClose {
        let linger = (LINGER_AFTER_ANSWER, LINGER_AFTER_ANSWER);
        let mut close = LingeringClose::new(peer, Hold::Writer(writer), linger);
        close.is_answered = true;
        close
    }

    /// Answers a request whose body will not be read, or what is no whole request yet, and ends its connection. The
    /// client may take the answer until `deadline`.
    pub(super) fn refusing(
        peer: SocketAddr,
        request: Hold,
        answer: Outgoing,
        deadline: Instant,
    ) -> LingeringClose {
        let mut close = LingeringClose::new(peer, request, (LINGER, LINGER_BETWEEN_READS));
        close.last_words = Some((answer, deadline));
        close
    }

    /// Lets go of a request behind the end of its connection, once that has been closed.
    pub(super) fn behind_the_end(peer: SocketAddr, request: Inner) -> LingeringClose {
        LingeringClose::new(peer, Hold::Request(request), (LINGER, LINGER_BETWEEN_READS))
    }

    /// Ends a connection at once, so that its client sees that what it got is not the whole.
    pub(super) fn cut(peer: SocketAddr, hold: Hold) -> LingeringClose {
        LingeringClose::new(peer, hold, (Duration::ZERO, Duration::ZERO))
    }

    fn new(peer: SocketAddr, hold: Hold, linger: (Duration, Duration)) -> LingeringClose {
        LingeringClose {
            peer,
            hold,
            last_words: None,
            linger,
            is_answered: false,
            connection: None,
            until: None,
        }
    }

    /// Goes one step on; false where it is over.
    pub(super) fn proceed(&mut self, sockets: &Sockets, look: &Look<'_>) -> bool {
        let found = look.connections.get(&self.peer).copied();
        if self.connection.is_none() {
            self.connection = found.and_then(|fd| sockets.open_at(fd, self.peer));
        }
        let goes_on = self.goes_on(sockets, look);
        if !goes_on {
            self.shut(sockets, found);
            self.release();
        }
        goes_on
    }

    fn goes_on(&mut self, sockets: &Sockets, look: &Look<'_>) -> bool {
        if self.until.is_none() && !self.say_last(look.now) {
            return false;
        }
        let Some(connection) = &self.connection else {
            return false;
        };
        let found = connection.discard();
        let Some(until) = &mut self.until else {
            return true;
        };
        if found == Found::Something {
            until.next = look.now + self.linger.1;
        }
        // Nothing unread can turn the close into a reset, and the drain ends with the last answer.
        if look.stopped.is_some() && self.is_answered && found != Found::Something {
            return false;
        }
        let drained = look.stopped.map(|stopped| stopped + LINGER_IN_DRAIN);
        let end = until.at_most.min(until.next);
        look.now < drained.map_or(end, |drained| end.min(drained))
            && !(found == Found::ToTheEnd && sockets.client_has_ended(connection, self.peer))
    }

    /// Says the last words, as far as the client takes them, and then that nothing more will be said. False where there
    /// is nobody to say it to, and where nobody is to listen any longer.
    fn say_last(&mut self, now: Instant) -> bool {
        let Some(connection) = &mut self.connection else {
            return false;
        };
        if let Some((words, deadline)) = &mut self.last_words {
            match words.send(connection, usize::MAX) {
                Ok(Sending::Done) => self.last_words = None,
                Ok(_) => return now < *deadline,
                Err(_) => return false,
            }
        }
        connection.shut(Shutdown::Write);
        self.until = Some(Until {
            at_most: now + self.linger.0,
            next: now + self.linger.1,
        });
        match self.hold {
            // What tiny_http may write behind this goes nowhere, so it may go on to read until the end.
            Hold::Writer(_) => self.hold = Hold::Nothing,
            // It is not to keep what it reads.
            Hold::Nothing => connection.shut(Shutdown::Read),
            Hold::Request(_) => {}
        }
        !self.linger.0.is_zero()
    }

    /// Gives the client no more time, once everything has been said.
    pub(super) fn hasten(&mut self) {
        if let Some(until) = &mut self.until {
            until.at_most = Instant::now();
        }
    }

    /// Ends it without waiting for anything: nobody will look after it any more.
    pub(super) fn cut_now(mut self, sockets: &Sockets) {
        let found = sockets.find(self.peer, None);
        if self.connection.is_none() {
            self.connection = found.and_then(|fd| sockets.open_at(fd, self.peer));
        }
        if self.until.is_none() {
            self.say_last(Instant::now());
        }
        self.shut(sockets, found);
        self.release();
    }

    fn shut(&self, sockets: &Sockets, found: Option<RawFd>) {
        match (&self.connection, found) {
            (Some(connection), _) => connection.shut(Shutdown::Both),
            (None, Some(fd)) => sockets.shut(fd, self.peer, Shutdown::Both),
            (None, None) => {}
        }
    }

    fn release(&mut self) {
        if let Hold::Request(request) = mem::replace(&mut self.hold, Hold::Nothing) {
            drop_request(request);
        }
    }
}

/// Drops a request whose connection was shut down, and with it what tiny_http left to be done on drop: to send a 500,
/// and to read the rest of the body into a buffer of the *declared* length.
///
/// Where memory of that size cannot even be reserved, that would abort the process. Such a request is kept for ever
/// instead: it costs a thread that waits for it and two descriptors, and the log says so.
pub(super) fn drop_request(request: Inner) {
    let length = if head::reads_on_drop(&request) {
        request.body_length().unwrap_or(0)
    } else {
        0
    };
    if isize::try_from(length).is_ok() && Vec::<u8>::new().try_reserve_exact(length).is_err() {
        log::error!(
            content_length = length;
            "a request declared a body that no memory can be reserved for: tiny_http keeps its thread for good"
        );
        mem::forget(request);
        return;
    }
    // A length that no allocation may have at all is a panic in there, and no abort.
    if panics::catch(|| drop(request.into_writer())).is_err() {
        log::warn!(content_length = length; "a request declared a body larger than the address space");
    }
}
