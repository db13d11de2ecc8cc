//! A response on its way through a connection of tiny_http's.
//!
//! tiny_http's writer waits for the client. So it is only used while there is room for sure; what the client does not
//! take at once is left to a thread that may wait.

use super::{
    doorbell::Doorbell,
    lingering::{Hold, LingeringClose},
    peer::Stage,
    shared::Shared,
};
use crate::engine::{
    occupancy::Closed,
    outgoing::{Outgoing, Sending, note_failed_body},
    rules::{LEAST_PROGRESS, passed_in_a_stall},
};
use log::Level;
use std::{
    fmt::Display,
    io::{self, ErrorKind, Write},
    mem,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

/// So much of a body is written at a time by who must not wait: less than a socket takes that has nothing to send.
const PIECE: usize = 16 * 1024;

/// Dropped before it is finished, be it by a panic in a streamed body's reader, it is cut.
pub(super) struct Answer {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: SocketAddr,
    pub(super) writer: Option<Box<dyn Write + Send>>,
    pub(super) outgoing: Outgoing,
    /// For a body that may have nothing to send at times.
    pub(super) doorbell: Option<Arc<Doorbell>>,
    /// It had nothing when it was read, and rings.
    pub(super) awaits_more: bool,
    /// Whether the connection ends with it.
    pub(super) close: bool,
    /// Whether tiny_http ends the connection by itself.
    pub(super) is_last: bool,
    /// What it is charged for of `BUFFER_MEMORY`, while it waits.
    pub(super) charged: usize,
    /// When its client should have taken the piece that is being written.
    pub(super) deadline: Option<Instant>,
    /// Why its connection is cut, where it is.
    pub(super) cut_for: Closed,
}

impl Answer {
    /// Sends what the client takes, and reads the body where there is a reader, on this thread. True where all of it is
    /// sent.
    pub(super) fn send(mut self, route: impl FnOnce() -> String) -> bool {
        match self.send_without_waiting() {
            Ok(Sending::Done) => {
                self.finish();
                true
            }
            Ok(_) => {
                self.wait_apart(route());
                false
            }
            // The client is gone, or the body's reader has failed; the connection is cut.
            Err(error) => {
                self.log_cut(&route(), &error);
                false
            }
        }
    }

    fn send_without_waiting(&mut self) -> io::Result<Sending> {
        loop {
            let bytes = self.outgoing.left().min(PIECE);
            if bytes > 0 && !self.shared.has_room(self.peer, bytes) {
                return Ok(Sending::Blocked);
            }
            match self.send_through_writer(PIECE)? {
                Sending::Paused => {}
                Sending::WantsMore if self.read_more()? => {}
                Sending::WantsMore => {
                    self.awaits_more = true;
                    return Ok(Sending::Blocked);
                }
                sent => return Ok(sent),
            }
        }
    }

    /// Leaves it to a thread of its own.
    fn wait_apart(mut self, route: String) {
        let shared = Arc::clone(&self.shared);
        let holds = self.outgoing.holds();
        shared
            .rules
            .memory
            .responses
            .settle(&mut self.charged, holds);
        shared.peers().leave_to_wait(self.peer, route.clone());
        let send = move || match self.send_and_wait() {
            Ok(()) => {
                self.shared.sent_later.fetch_add(1, Relaxed);
                self.shared.peers().note_unsent(self.peer, usize::MAX);
                self.finish();
            }
            Err(error) => self.log_cut(&route, &error),
        };
        if let Err(error) = shared.waiting.run(send) {
            // The response was dropped with it, and its connection is cut.
            log::warn!(reason:% = error; "no thread for a client that takes its time");
        }
    }

    fn send_and_wait(&mut self) -> io::Result<()> {
        loop {
            let deadline = Instant::now() + self.shared.rules.live.write_timeout.get();
            self.deadline = Some(deadline);
            self.enter(Some(deadline));
            match self.send_through_writer(LEAST_PROGRESS)? {
                Sending::Done => return Ok(()),
                Sending::Paused => {}
                // The socket has a timeout too, and while the process stood still it may have passed for a client that
                // reads.
                Sending::Blocked if self.shared.takes_more(self.peer) => {}
                Sending::Blocked if passed_in_a_stall(deadline, Instant::now()) => {}
                Sending::Blocked => return Err(ErrorKind::TimedOut.into()),
                Sending::WantsMore => {
                    // The time that the reader takes is not the client's.
                    self.enter(None);
                    while (mem::take(&mut self.awaits_more) || !self.read_more()?)
                        && let Some(doorbell) = &self.doorbell
                    {
                        doorbell.wait(self.peer)?;
                    }
                }
            }
        }
    }

    fn enter(&self, deadline: Option<Instant>) {
        self.shared
            .peers()
            .enter(self.peer, Stage::Sending(deadline));
    }

    fn send_through_writer(&mut self, most: usize) -> io::Result<Sending> {
        let writer = self.writer.as_mut().ok_or(ErrorKind::NotConnected)?;
        let sent = self.outgoing.send(writer, most)?;
        writer.flush()?;
        Ok(sent)
    }

    fn read_more(&mut self) -> io::Result<bool> {
        self.outgoing.read_more().inspect_err(|error| {
            self.cut_for = note_failed_body(error);
        })
    }

    /// Says that the response was cut: its access record tells only how it began.
    fn log_cut(&mut self, route: &str, reason: &io::Error) {
        let is_late = self
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
            || matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        if is_late {
            self.cut_for = Closed::WriteTimeout;
        }
        let (level, reason): (_, &dyn Display) = match is_late {
            true => (Level::Info, &"its client took too long to read it"),
            false => (Level::Debug, reason),
        };
        log::log!(level, peer:% = self.peer, route = route, reason:% = reason; "response cut");
    }

    fn finish(mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        let (shared, peer) = (&self.shared, self.peer);
        if self.is_last {
            // tiny_http has stopped reading by itself; this was all it waited for to close the connection.
            drop(writer);
            shared.forget(peer);
        } else if self.close || shared.peers().must_close(peer) {
            let close = LingeringClose::after_answer(peer, writer);
            shared.begin_close(close, Closed::Answered);
        } else {
            // Before the next request is let out: its writer waits for this one.
            drop(writer);
            shared.finish(peer);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let memory = &self.shared.rules.memory;
        memory.responses.settle(&mut self.charged, 0);
        if let Some(writer) = self.writer.take() {
            let close = LingeringClose::cut(self.peer, Hold::Writer(writer));
            self.shared.begin_close(close, self.cut_for);
        }
    }
}
