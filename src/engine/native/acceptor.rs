//! Accepting connections, through every shortage: too many of them, or too few descriptors.

use super::socket;
use crate::engine::listen::{self, BACKLOG, canonical_peer};
use mio::net::{TcpListener, TcpStream};
use nix::{errno::Errno, poll::PollFlags};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long to wait before an accept that failed for want of something is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// The log hears of a shortage no more often than this.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// In a drain, what waits to be accepted waits for an ordinary place for so long; then it is let in beyond the limit.
const HELD_BACK: Duration = Duration::from_secs(1);

/// When to try next. The listener is watched edge-triggered: once it has had nothing more, an event will tell.
///
/// Level-triggered, a connection would cost one accept instead of two, and wake the thread that stands by as well: of two
/// that wait, 500 connections one by one woke 1,002 times instead of 502.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    OnEvent,
    Now,
    At(Instant),
    /// As soon as a connection ends, or at this time.
    OnRoom(Instant),
}

pub(super) struct Acceptor {
    listener: TcpListener,
    attempt: Attempt,
    lacks_descriptors: bool,
    last_warning: Option<Instant>,
    last_call: Option<LastCall>,
}

/// What is still accepted before the listener closes: what was waiting when the drain began, and no more than that.
struct LastCall {
    held_back_until: Instant,
    left: i32,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Acceptor {
        Acceptor {
            listener,
            attempt: Attempt::Now,
            lacks_descriptors: false,
            last_warning: None,
            last_call: None,
        }
    }

    /// Accepts what waits now, and then is [done](Acceptor::is_done).
    pub(super) fn call_last(&mut self, now: Instant) {
        self.try_soon();
        self.last_call = Some(LastCall {
            held_back_until: now + HELD_BACK,
            left: BACKLOG,
        });
    }

    /// True once nothing waits any more that was there at the last call.
    pub(super) fn is_done(&self) -> bool {
        let is_over = |call: &LastCall| call.left <= 0 || self.attempt == Attempt::OnEvent;
        self.last_call.as_ref().is_some_and(is_over)
    }

    /// Whether what waits is to wait for an ordinary place: in a drain each connection ends with its response, so there
    /// will soon be one.
    pub(super) fn holds_back(&self, now: Instant) -> bool {
        let is_early = |call: &LastCall| now < call.held_back_until;
        self.last_call.as_ref().is_some_and(is_early)
    }

    pub(super) fn try_soon(&mut self) {
        self.attempt = Attempt::Now;
    }

    /// A connection has ended, if that is what the next attempt waits for.
    pub(super) fn room_was_made(&mut self) {
        if self.waits_for_room() {
            self.try_soon();
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_attempt(now).is_some_and(|attempt| attempt <= now)
    }

    pub(super) fn next_attempt(&self, now: Instant) -> Option<Instant> {
        match self.attempt {
            Attempt::OnEvent => None,
            Attempt::Now => Some(now),
            Attempt::At(time) | Attempt::OnRoom(time) => Some(time),
        }
    }

    pub(super) fn wait_for_room(&mut self, now: Instant) {
        self.attempt = Attempt::OnRoom(now + PAUSE);
    }

    pub(super) fn waits_for_room(&self) -> bool {
        matches!(self.attempt, Attempt::OnRoom(_))
    }

    /// Whether a connection waits to be accepted; where none does, an event will tell of the next.
    pub(super) fn is_awaited(&mut self) -> bool {
        let is_awaited = socket::is_ready(&self.listener, PollFlags::POLLIN);
        if !is_awaited {
            self.attempt = Attempt::OnEvent;
        }
        is_awaited
    }

    /// True where the last attempt failed for want of a descriptor, which closing a connection would mend.
    pub(super) fn lacks_descriptors(&self) -> bool {
        self.lacks_descriptors
    }

    /// Accepts one connection, or sets the time of the next attempt.
    pub(super) fn accept_one(&mut self, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        self.lacks_descriptors = false;
        loop {
            let error = match self.listener.accept() {
                Ok(accepted) => {
                    self.last_call.iter_mut().for_each(|call| call.left -= 1);
                    return Some(prepared(accepted));
                }
                Err(error) => error,
            };
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EAGAIN) => self.attempt = Attempt::OnEvent,
                // The client gave up before it was accepted; the next one may not have.
                Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EPROTO) => continue,
                // Without a descriptor to be had, that is said before anybody is looked for.
                _ if !self.is_awaited() => {}
                errno => {
                    self.lacks_descriptors = matches!(errno, Some(Errno::EMFILE | Errno::ENFILE));
                    self.attempt = Attempt::At(now + PAUSE);
                    self.warn(now, &error);
                }
            }
            return None;
        }
    }

    fn warn(&mut self, now: Instant, error: &std::io::Error) {
        if self
            .last_warning
            .is_none_or(|last| now > last + BETWEEN_WARNINGS)
        {
            self.last_warning = Some(now);
            log::warn!(reason:% = error; "connections cannot be accepted for now");
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        listen::stop(&self.listener);
    }
}

/// On Linux an accepted socket has the listener's options; elsewhere it has to be told.
fn prepared((stream, peer): (TcpStream, SocketAddr)) -> (TcpStream, SocketAddr) {
    if !cfg!(target_os = "linux") {
        let _ = stream.set_nodelay(true);
    }
    (stream, canonical_peer(peer))
}
