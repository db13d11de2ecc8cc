//! Accepting connections, through every shortage: too many of them, or too few descriptors.

use super::table::Table;
use crate::engine::listen::canonical_peer;
use mio::net::{TcpListener, TcpStream};
use nix::errno::Errno;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Connections let in beyond `MAX_CONNECTIONS`, so that a probe is answered while every other place is taken; they
/// are told 503 otherwise. The 32 descriptors that the configuration keeps back have room for them.
const RESERVE: usize = 16;

/// How long to wait before an accept that failed for want of something is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// The log hears of a shortage no more often than this.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// When to try next. The listener is watched edge-triggered: once it has had nothing more, an event will tell.
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
    max_connections: usize,
    attempt: Attempt,
    lacks_descriptors: bool,
    last_warning: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener, max_connections: usize) -> Acceptor {
        let attempt = Attempt::Now;
        Acceptor {
            listener,
            max_connections,
            attempt,
            lacks_descriptors: false,
            last_warning: None,
        }
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

    /// Whether there is an ordinary place left.
    pub(super) fn admits(&self, table: &Table) -> bool {
        table.len() < self.max_connections
    }

    pub(super) fn reserve_is_full(&self, table: &Table) -> bool {
        table.len() >= self.max_connections.saturating_add(RESERVE)
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
                Ok(accepted) => return Some(prepared(accepted)),
                Err(error) => error,
            };
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EAGAIN) => self.attempt = Attempt::OnEvent,
                // The client gave up before it was accepted; the next one may not have.
                Some(Errno::ECONNABORTED | Errno::EINTR | Errno::EPROTO) => continue,
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

/// On Linux an accepted socket has the listener's options; elsewhere it has to be told.
fn prepared((stream, peer): (TcpStream, SocketAddr)) -> (TcpStream, SocketAddr) {
    if !cfg!(target_os = "linux") {
        let _ = stream.set_nodelay(true);
    }
    (stream, canonical_peer(peer))
}
