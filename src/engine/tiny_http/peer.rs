//! What is known of one connection.

mod endings;
mod line;

use super::{
    head,
    sock_diag::{Diagnosis, TICKS},
    sockets::Sockets,
};
use crate::engine::{http1::Refusal, lifetime::Past, pace::Pace};
use line::Line;
use nix::sys::socket::Shutdown;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    os::fd::RawFd,
    time::{Duration, Instant},
};
use tiny_http::Request as Inner;

/// Pipelined requests of so many bytes may be in tiny_http's own line, which has no end: a client that sends more is cut
/// off.
const MOST_IN_LINE: u64 = 64 * 1024;

/// So much fits into a socket that has nothing to send, as the kernel counts it: an ethernet's has 87,040 bytes at first.
const ROOM: usize = 64 * 1024;

/// What the kernel counts for a write beside its bytes.
const COST_OF_A_WRITE: usize = 1280;

/// What is unsent may be in writes as short as this.
const SHORT_WRITE: usize = 128;

/// A client is not sought more often than this.
const BETWEEN_SEARCHES: Duration = Duration::from_millis(10);

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
    /// Its body is read, until then at most.
    Receiving(Instant),
    /// A response is written that its client takes slowly. What is being written should have been taken by then; none
    /// while the response itself is waited for.
    Sending(Option<Instant>),
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
    /// It is one more than may wait, or it came behind the end of its connection.
    Never(Inner),
}

/// What a connection without a request has to show for its place, the least first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// It has never said anything, since then.
    Silent(Instant),
    /// It has begun to send a request, then, and has had the time for it.
    Arriving(Instant),
    /// It has had a request, until then.
    Idle(Instant),
    /// It is new.
    New(Instant),
}

/// How a connection is to end.
pub(super) enum End {
    Shut(RawFd, Shutdown),
    /// At once, and what it has sent is thrown away.
    CutOff(RawFd),
    Refuse(Refusal),
}

/// A request that has begun to arrive and is not whole yet: so much is to be seen of it from outside.
#[derive(Clone, Copy)]
struct Beginning {
    since: Instant,
    /// What tiny_http had read of the connection before, and has read now.
    before: u64,
    read: u64,
}

/// What a look at all connections found.
#[derive(Default)]
pub(super) struct Review {
    pub(super) to_end: Vec<(SocketAddr, End)>,
    /// Connections where bytes have arrived that nobody has read yet.
    pub(super) neglected: usize,
    /// Those of them that should be looked at again soon, for they may be stuck.
    pub(super) suspects: usize,
    /// Whether somebody sends more than may wait.
    pub(super) is_flood: bool,
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
    pub(super) past: Past,
    /// Since when it is in that stage.
    since: Instant,
    /// When the last request that is known had arrived wholly.
    heard: Instant,
    /// How many bytes all requests took that are known, as long as that can be told.
    accounted: Option<u64>,
    beginning: Option<Beginning>,
    /// It was found to be too late or too long once, and what it lacks may have been on its way.
    is_condemned: bool,
    line: Line,
    /// Bytes of requests that tiny_http has read while another one was in flight, and that have not come yet.
    in_line: u64,
    /// It came when every place was taken, and is there for a probe.
    pub(super) is_reserve: bool,
    /// Whether it ever sent a request before the one in flight was answered.
    pub(super) has_pipelined: bool,
    /// Ends with the response in flight.
    pub(super) close_after: bool,
    /// How many times it was found to send more than may wait.
    pub(super) times_choked: u8,
    /// How the body that is read keeps up with the least rate.
    pub(super) pace: Pace,
    /// The body did not arrive in time.
    pub(super) timed_out: bool,
    /// The route of a response that no worker writes any more.
    pub(super) left_to_wait: Option<String>,
    /// When it was told to end, from outside.
    pub(super) shut: Option<Instant>,
    /// That it ends, and why, was counted.
    is_counted: bool,
    identity: Identity,
    /// When the client was last sought for having come back.
    sought: Instant,
    /// Where it was last seen among the descriptors.
    descriptor: Option<RawFd>,
    /// What its socket may have to send at most, as the kernel counts it.
    unsent: usize,
}

impl Peer {
    pub(super) fn new(stage: Stage, since: Instant) -> Peer {
        Peer {
            stage,
            past: Past::beginning(since),
            since,
            heard: since,
            accounted: Some(0),
            beginning: None,
            is_condemned: false,
            line: Line::default(),
            in_line: 0,
            is_reserve: false,
            has_pipelined: false,
            close_after: false,
            times_choked: 0,
            pace: Pace::begin(since),
            timed_out: false,
            left_to_wait: None,
            shut: None,
            is_counted: false,
            identity: Identity::Unseen,
            sought: since,
            descriptor: None,
            unsent: 0,
        }
    }

    pub(super) fn newcomer(stage: Stage, since: Instant, is_reserve: bool) -> Peer {
        Peer {
            is_reserve,
            ..Peer::new(stage, since)
        }
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        (self.stage, self.since) = (stage, now);
        if let Stage::Receiving(_) = stage {
            self.pace = Pace::begin(now);
        }
    }

    pub(super) fn end(&mut self) {
        self.enter(Stage::Ended);
        self.identity = Identity::Unseen;
        self.left_to_wait = None;
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

    /// Whether nothing is known to be under way: if something is, tiny_http keeps it to itself.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.stage, Stage::Fresh { .. } | Stage::Idle)
    }

    /// Whether tiny_http may know more of it than it tells.
    pub(super) fn is_unclear(&self) -> bool {
        self.is_quiet() || self.has_pipelined
    }

    /// Takes note of a request.
    pub(super) fn arrive(&mut self, request: Inner) -> Turn {
        self.note_arrival();
        let length = head::wire_length(&request);
        self.accounted = self.accounted.and_then(|known| known.checked_add(length?));
        match self.stage {
            Stage::Ended => Turn::Never(request),
            Stage::Fresh { .. } | Stage::Idle => {
                self.enter(Stage::Handling);
                Turn::Now(request)
            }
            // Behind the last one, only what cannot be dropped is kept.
            _ if self.close_after && !head::reads_on_drop(&request) => Turn::Never(request),
            _ => {
                self.has_pipelined = true;
                match self.line.push(request) {
                    None => Turn::Waits,
                    Some(request) => {
                        self.close_after = true;
                        Turn::Never(request)
                    }
                }
            }
        }
    }

    /// A request, or the rest of its body, is known to have arrived.
    pub(super) fn note_arrival(&mut self) {
        self.heard = Instant::now();
        self.beginning = None;
        self.is_condemned = false;
    }

    /// The next of those that wait.
    pub(super) fn next_waiting(&mut self) -> Option<Inner> {
        self.line.next()
    }

    pub(super) fn take_waiting(&mut self) -> VecDeque<Inner> {
        self.line.take_all()
    }

    /// Whether so many bytes can be written without waiting for the client; they count as written then.
    pub(super) fn take_room(&mut self, bytes: usize) -> bool {
        let after = self.unsent.saturating_add(bytes + COST_OF_A_WRITE);
        let has_room = after <= ROOM;
        if has_room {
            self.unsent = after;
        }
        has_room
    }

    /// So much of what was written is unsent, as was seen.
    pub(super) fn note_unsent(&mut self, bytes: usize) {
        self.unsent = bytes.saturating_mul(COST_OF_A_WRITE / SHORT_WRITE);
    }

    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.descriptor
    }

    pub(super) fn was_seen_at(&mut self, fd: RawFd) {
        self.descriptor = Some(fd);
    }

    /// Takes note of what has arrived of which no request has come.
    pub(super) fn hear(&mut self, diagnosis: Diagnosis, now: Instant) {
        let read = diagnosis.received - diagnosis.unread;
        if let Some(beginning) = &mut self.beginning {
            beginning.read = read;
            return;
        }
        if !self.is_quiet() {
            self.in_line = self.accounted.map_or(0, |known| read.saturating_sub(known));
            return;
        }
        // Fewer than that: this client writes otherwise.
        self.accounted = self.accounted.filter(|&known| known <= diagnosis.received);
        let last = now.checked_sub(diagnosis.last_received).unwrap_or(now);
        let has_begun = match self.accounted {
            Some(known) => known < diagnosis.received,
            // What came about when the last request did came with it.
            None => self.heard + TICKS < last,
        };
        if has_begun {
            self.beginning = Some(Beginning {
                since: last,
                before: self.accounted.unwrap_or(read),
                read,
            });
        }
    }

    /// Whether tiny_http has read requests of it that have not come yet.
    pub(super) fn has_more_in_line(&self) -> bool {
        self.in_line > 0
    }

    /// Whether a request has begun to arrive, as far as that can be seen.
    pub(super) fn has_begun(&self) -> bool {
        self.is_quiet() && self.beginning.is_some() || matches!(self.stage, Stage::Receiving(_))
    }

    /// Whether it is worth finding out whether the client has come back after the connection that was ended. That takes a
    /// while, and requests may come in thousands.
    pub(super) fn may_have_returned(&mut self, now: Instant) -> bool {
        let is_worth_it = self.stage == Stage::Ended
            && !matches!(self.identity, Identity::Unseen)
            && self.sought + BETWEEN_SEARCHES <= now;
        if is_worth_it {
            self.sought = now;
        }
        is_worth_it
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
        self.was_seen_at(fd);
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
}
