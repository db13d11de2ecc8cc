//! What is known of one connection.

use super::{head, sockets::Sockets};
use crate::engine::rules::Rules;
use nix::sys::socket::Shutdown;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    os::fd::RawFd,
    time::{Duration, Instant},
};
use tiny_http::Request as Inner;

/// Pipelined requests that wait behind the one in flight; a client that sends more is closed after the answer.
const MOST_WAITING: usize = 32;

/// How long a connection that has not sent a request yet is kept when the listener is closed.
const FRESH_GRACE: Duration = Duration::from_secs(1);

/// How long a connection that was half shut down may take to end by itself.
const END_GRACE: Duration = Duration::from_secs(1);

/// How long it is remembered that nothing more is to be taken from a connection: longer than tiny_http may still find
/// requests in what had arrived.
const MEMORY_OF_THE_ENDED: Duration = Duration::from_secs(4);

/// Bytes that no thread reads for so long mean that tiny_http has no thread for the connection.
const NEGLECT: Duration = Duration::from_millis(10);

/// Such a connection is helped at most so often.
const MOST_NUDGES: u8 = 3;

/// Where a connection is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Stage {
    /// Accepted; no request has come out of it yet. Bytes that nobody reads were first seen at `suspect`.
    Fresh {
        suspect: Option<Instant>,
        nudges: u8,
    },
    /// Between requests.
    Idle,
    /// Its request is in the queue, or in a handler.
    Handling,
    /// A worker reads its body, until then at most.
    Receiving(Instant),
    /// A worker writes a long response, of which the next part should have been taken by then.
    Sending(Instant),
    /// Nothing that still comes out of it is a request any more.
    Ended,
}

impl Stage {
    pub(super) const FRESH: Stage = Stage::Fresh {
        suspect: None,
        nudges: 0,
    };
}

/// What becomes of a request that has just come out.
pub(super) enum Turn {
    Now(Inner),
    Waits,
    /// It came behind the end of its connection.
    Never(Inner),
}

/// What a look at all connections found.
#[derive(Default)]
pub(super) struct Review {
    pub(super) to_shut: Vec<(SocketAddr, RawFd, Shutdown)>,
    /// Connections where bytes have arrived that nobody has read yet.
    pub(super) neglected: usize,
    /// Those of them that should be looked at again soon, for they may be stuck.
    pub(super) suspects: usize,
    /// Connections that are stuck in tiny_http.
    pub(super) stuck: usize,
    /// Connections that will still end by themselves.
    pub(super) open: usize,
}

/// By what a connection that was ended is told from a new one of the same client's, from the same port.
#[derive(Clone, Copy)]
enum Identity {
    /// Not looked at since; its descriptors are still held.
    Unseen,
    Socket(u64),
    Gone,
}

/// One connection.
pub(super) struct Peer {
    pub(super) stage: Stage,
    /// Since when it is in that stage.
    since: Instant,
    pub(super) waiting: VecDeque<Inner>,
    /// Ends with the response in flight.
    pub(super) close_after: bool,
    /// The body did not arrive in time.
    pub(super) timed_out: bool,
    /// When it was told to end, from outside.
    shut: Option<Instant>,
    identity: Identity,
    /// Where it was last seen among the descriptors.
    pub(super) descriptor: Option<RawFd>,
}

impl Peer {
    pub(super) fn new(stage: Stage, since: Instant) -> Peer {
        Peer {
            stage,
            since,
            waiting: VecDeque::new(),
            close_after: false,
            timed_out: false,
            shut: None,
            identity: Identity::Unseen,
            descriptor: None,
        }
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        (self.stage, self.since) = (stage, Instant::now());
    }

    pub(super) fn end(&mut self) {
        self.enter(Stage::Ended);
        self.identity = Identity::Unseen;
    }

    /// Whether it has a request in flight.
    pub(super) fn is_busy(&self) -> bool {
        matches!(
            self.stage,
            Stage::Handling | Stage::Receiving(_) | Stage::Sending(_)
        )
    }

    pub(super) fn must_close(&self) -> bool {
        self.close_after || self.shut.is_some()
    }

    /// Takes note of a request.
    pub(super) fn arrive(&mut self, request: Inner) -> Turn {
        match self.stage {
            Stage::Ended => Turn::Never(request),
            Stage::Fresh { .. } | Stage::Idle => {
                self.enter(Stage::Handling);
                Turn::Now(request)
            }
            _ if self.close_after || self.waiting.len() >= MOST_WAITING => {
                self.close_after = true;
                self.drop_or_keep(request)
            }
            _ => {
                self.waiting.push_back(request);
                Turn::Waits
            }
        }
    }

    /// A request behind the last one. To drop one whose body is still to be read would shut the connection down before
    /// that is answered; but tiny_http has to wait for it too, so there is one at most.
    fn drop_or_keep(&mut self, request: Inner) -> Turn {
        if head::reads_on_drop(&request) {
            self.waiting.push_back(request);
            Turn::Waits
        } else {
            Turn::Never(request)
        }
    }

    /// Whether the client, whose socket is now this one, has come back after the connection that was ended.
    pub(super) fn is_succeeded_by(&self, socket: Option<u64>) -> bool {
        match (self.identity, socket) {
            (Identity::Socket(traced), Some(socket)) => traced != socket,
            (Identity::Gone, Some(_)) => true,
            (Identity::Unseen, _) | (_, None) => false,
        }
    }

    /// Takes note of the descriptor.
    pub(super) fn see(&mut self, fd: RawFd, address: SocketAddr, sockets: &Sockets, now: Instant) {
        self.descriptor = Some(fd);
        if self.is_marked() {
            let socket = sockets.identity(fd, address);
            if self.is_succeeded_by(socket) {
                *self = Peer::new(Stage::FRESH, now);
            } else if let Some(socket) = socket {
                self.identity = Identity::Socket(socket);
            }
        }
    }

    /// Takes note that it was not among the descriptors that were listed after `now`.
    pub(super) fn miss(&mut self, now: Instant) {
        if self.is_marked() && self.since < now {
            self.identity = Identity::Gone;
        }
    }

    fn is_marked(&self) -> bool {
        self.stage == Stage::Ended || self.shut.is_some() && !self.is_busy()
    }

    /// Whether there is more to be known of it than that it is there.
    pub(super) fn is_worth_remembering(&self, now: Instant) -> bool {
        self.is_busy() || self.stage == Stage::Ended && now < self.since + MEMORY_OF_THE_ENDED
    }

    /// Counts the connection as stuck where bytes have been waiting for a while and no thread reads them.
    pub(super) fn notice_neglect(&mut self, fd: RawFd, review: &mut Review, now: Instant) {
        let Stage::Fresh { suspect, nudges } = &mut self.stage else {
            return;
        };
        if !Sockets::has_unread(fd) {
            *suspect = None;
            return;
        }
        review.neglected += 1;
        if *nudges == MOST_NUDGES {
            return;
        }
        review.suspects += 1;
        match *suspect {
            None => *suspect = Some(now),
            Some(since) if now < since + NEGLECT => {}
            Some(_) => {
                *suspect = Some(now);
                *nudges += 1;
                review.stuck += 1;
            }
        }
    }

    pub(super) fn is_neglected(&self) -> bool {
        matches!(
            self.stage,
            Stage::Fresh {
                suspect: Some(_),
                ..
            }
        )
    }

    /// How the connection is to be shut down now, if at all. `stopped` is when the listener was closed.
    pub(super) fn due(
        &mut self,
        rules: &Rules,
        stopped: Option<Instant>,
        now: Instant,
    ) -> Option<Shutdown> {
        let may_stay_until = match self.stage {
            Stage::Handling => return None,
            Stage::Sending(deadline) => return (deadline <= now).then_some(Shutdown::Both),
            Stage::Receiving(deadline) => {
                self.timed_out = deadline <= now;
                // The worker that reads sees an end, and answers.
                return self.timed_out.then_some(Shutdown::Read);
            }
            Stage::Ended => return (self.since + END_GRACE <= now).then_some(Shutdown::Both),
            _ if self.close_after => now,
            Stage::Fresh { .. } => match stopped {
                Some(stopped) => self.since.max(stopped) + FRESH_GRACE,
                None => self.since + rules.head_timeout,
            },
            Stage::Idle => stopped.unwrap_or(self.since + rules.keep_alive_timeout),
        };
        match self.shut {
            None if may_stay_until <= now => {
                // tiny_http sees an end where the next request would begin, and closes. One that has arrived is still
                // read before that, and answered.
                self.shut = Some(now);
                self.identity = Identity::Unseen;
                Some(Shutdown::Read)
            }
            Some(shut) if shut + END_GRACE <= now => Some(Shutdown::Both),
            _ => None,
        }
    }

    /// Whether no thread of tiny_http's is left that would close this connection, however it is shut down.
    pub(super) fn has_ignored_its_end(&self, now: Instant) -> bool {
        !self.is_busy() && self.shut.is_some_and(|shut| shut + 2 * END_GRACE <= now)
    }
}
