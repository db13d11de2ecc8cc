//! Which connection is in which state: what tiny_http does not tell, gathered from the requests that come out of it
//! and from the descriptors.
//!
//! Each connection has one request in flight. tiny_http hands out pipelined ones all at once, and the writer of the
//! second would block its worker until the first is answered; so they wait here, in order.

use super::{
    Inner, Rules, head,
    sockets::{Snapshot, Sockets},
};
use crate::engine::Cut;
use nix::sys::socket::Shutdown;
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    mem,
    net::SocketAddr,
    os::fd::RawFd,
    time::{Duration, Instant},
};

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
    const FRESH: Stage = Stage::Fresh {
        suspect: None,
        nudges: 0,
    };
}

struct Peer {
    stage: Stage,
    since: Instant,
    waiting: VecDeque<Inner>,
    /// Ends with the response in flight.
    let_go: bool,
    /// The body did not arrive in time.
    timed_out: bool,
    /// When it was told to end, from outside.
    shut: Option<Instant>,
    /// Where it was last seen among the descriptors.
    descriptor: Option<RawFd>,
}

/// What becomes of a request that has just come out.
pub(super) enum Turn {
    Now(Inner),
    Waits,
    /// It came behind the end of its connection.
    Never(Inner),
}

/// What becomes of a connection whose response has been written.
pub(super) enum Next {
    Idle,
    Request(Inner),
    Close,
}

/// All connections that are known.
#[derive(Default)]
pub(super) struct Peers {
    known: HashMap<SocketAddr, Peer>,
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

impl Peer {
    fn new(stage: Stage, since: Instant) -> Peer {
        Peer {
            stage,
            since,
            waiting: VecDeque::new(),
            let_go: false,
            timed_out: false,
            shut: None,
            descriptor: None,
        }
    }

    fn enter(&mut self, stage: Stage) {
        (self.stage, self.since) = (stage, Instant::now());
    }

    fn is_busy(&self) -> bool {
        matches!(
            self.stage,
            Stage::Handling | Stage::Receiving(_) | Stage::Sending(_)
        )
    }

    fn must_close(&self) -> bool {
        self.let_go || self.shut.is_some()
    }
}

impl Peers {
    /// Takes note of a request, and says whether its connection was unknown before it.
    pub(super) fn arrive(&mut self, peer: SocketAddr, request: Inner) -> (Turn, bool) {
        let entry = self.known.entry(peer);
        let is_news = matches!(&entry, Entry::Vacant(_));
        let known = entry.or_insert_with(|| Peer::new(Stage::Idle, Instant::now()));
        let turn = match known.stage {
            Stage::Ended => Turn::Never(request),
            Stage::Fresh { .. } | Stage::Idle => {
                known.enter(Stage::Handling);
                Turn::Now(request)
            }
            _ if known.let_go || known.waiting.len() >= MOST_WAITING => {
                known.let_go = true;
                known.drop_or_keep(request)
            }
            _ => {
                known.waiting.push_back(request);
                Turn::Waits
            }
        };
        (turn, is_news)
    }

    /// Notes how far a connection's request has come.
    pub(super) fn enter(&mut self, peer: SocketAddr, stage: Stage) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.enter(stage);
        }
    }

    /// Whether the connection is to end with the response in flight.
    pub(super) fn must_close(&self, peer: SocketAddr) -> bool {
        self.known.get(&peer).is_some_and(Peer::must_close)
    }

    /// Whether the body was shut off because it took too long.
    pub(super) fn timed_out(&self, peer: SocketAddr) -> bool {
        self.known.get(&peer).is_some_and(|known| known.timed_out)
    }

    /// The descriptor under which the connection was last seen.
    pub(super) fn descriptor(&self, peer: SocketAddr) -> Option<RawFd> {
        self.known.get(&peer)?.descriptor
    }

    /// Notes that a response was written on a connection that goes on.
    pub(super) fn finish(&mut self, peer: SocketAddr) -> Next {
        let Some(known) = self.known.get_mut(&peer) else {
            return Next::Idle;
        };
        if known.let_go {
            return Next::Close;
        }
        match known.waiting.pop_front() {
            Some(request) => {
                known.enter(Stage::Handling);
                Next::Request(request)
            }
            None => {
                known.enter(Stage::Idle);
                Next::Idle
            }
        }
    }

    /// Forgets a connection that tiny_http itself closes now. Returns what waited behind it: nothing, in truth.
    pub(super) fn forget(&mut self, peer: SocketAddr) -> VecDeque<Inner> {
        self.known
            .remove(&peer)
            .map(|known| known.waiting)
            .unwrap_or_default()
    }

    /// Notes that nothing more is to be taken from a connection, and returns the requests that waited.
    pub(super) fn end(&mut self, peer: SocketAddr) -> VecDeque<Inner> {
        let known = self
            .known
            .entry(peer)
            .or_insert_with(|| Peer::new(Stage::Ended, Instant::now()));
        known.enter(Stage::Ended);
        mem::take(&mut known.waiting)
    }

    /// Lets every connection end as soon as it can: idle ones at the next review, others with their response.
    pub(super) fn let_all_go(&mut self, connections: &Snapshot, now: Instant) {
        for &peer in connections.keys() {
            self.known
                .entry(peer)
                .or_insert_with(|| Peer::new(Stage::FRESH, now))
                .let_go = true;
        }
    }

    /// How many connections have a request in flight; of those that were let go only, where asked.
    pub(super) fn busy(&self, let_go_only: bool) -> usize {
        self.known
            .values()
            .filter(|known| known.is_busy() && (known.let_go || !let_go_only))
            .count()
    }

    /// Compares what is known with the connections that are there, and says what is to be done.
    ///
    /// `stopped` is when the listener was closed. Connections in `parting` are taken care of elsewhere.
    pub(super) fn review(
        &mut self,
        connections: &Snapshot,
        parting: &HashSet<SocketAddr>,
        rules: &Rules,
        stopped: Option<Instant>,
        now: Instant,
    ) -> Review {
        let mut review = Review::default();
        let threads_are_held = !parting.is_empty() || self.busy(false) > 0;
        for (&peer, &fd) in connections {
            let known = self
                .known
                .entry(peer)
                .or_insert_with(|| Peer::new(Stage::FRESH, now));
            known.descriptor = Some(fd);
            known.notice_neglect(fd, &mut review, now);
            // After the stop tiny_http starts no thread any more, but one that comes to its connection's end goes on
            // with a stuck one.
            let will_be_served = stopped.is_some() && threads_are_held && known.is_neglected();
            let due = known.due(parting.contains(&peer), rules, stopped, now);
            if let Some(how) = due.filter(|_| !will_be_served) {
                review.to_shut.push((peer, fd, how));
            }
            review.open += usize::from(known.is_busy() || !known.has_ignored_its_end(now));
        }
        self.known.retain(|peer, known| {
            let is_remembered =
                known.stage == Stage::Ended && known.since + MEMORY_OF_THE_ENDED > now;
            connections.contains_key(peer)
                || known.is_busy()
                || is_remembered
                || parting.contains(peer)
        });
        review
    }

    /// Forgets everything, for a deadline has passed: returns what is to be shut down, and what that cuts off.
    pub(super) fn cut(&mut self, connections: &Snapshot) -> (Vec<(SocketAddr, RawFd)>, Cut) {
        let stage = |peer| self.known.get(peer).map(|known| known.stage);
        let cuttable = connections
            .iter()
            .filter(|(peer, _)| stage(peer) != Some(Stage::Handling));
        let to_shut: Vec<_> = cuttable.map(|(&peer, &fd)| (peer, fd)).collect();
        let is_at =
            |is: fn(&Stage) -> bool| self.known.values().filter(|known| is(&known.stage)).count();
        let cut = Cut {
            receiving: is_at(|stage| matches!(stage, Stage::Receiving(_))),
            sending: is_at(|stage| matches!(stage, Stage::Sending(_))),
        };
        (to_shut, cut)
    }
}

impl Peer {
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

    /// Counts the connection as stuck where bytes have been waiting for a while and no thread reads them.
    fn notice_neglect(&mut self, fd: RawFd, review: &mut Review, now: Instant) {
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

    fn is_neglected(&self) -> bool {
        matches!(
            self.stage,
            Stage::Fresh {
                suspect: Some(_),
                ..
            }
        )
    }

    /// How the connection is to be shut down now, if at all.
    fn due(
        &mut self,
        is_parting: bool,
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
            Stage::Ended if is_parting => return None,
            Stage::Ended => return (self.since + END_GRACE <= now).then_some(Shutdown::Both),
            _ if self.let_go => now,
            Stage::Fresh { .. } => match stopped {
                Some(stopped) => self.since.max(stopped) + FRESH_GRACE,
                None => self.since + rules.head_timeout,
            },
            Stage::Idle => stopped.unwrap_or(self.since + rules.keep_alive_timeout),
        };
        match self.shut {
            None if may_stay_until <= now => {
                // tiny_http sees an end where the next request would begin, and closes. One that has arrived is
                // still read before that, and answered.
                self.shut = Some(now);
                Some(Shutdown::Read)
            }
            Some(shut) if shut + END_GRACE <= now => Some(Shutdown::Both),
            _ => None,
        }
    }

    /// Whether no thread of tiny_http's is left that would close this connection, however it is shut down.
    fn has_ignored_its_end(&self, now: Instant) -> bool {
        self.shut.is_some_and(|shut| shut + 2 * END_GRACE <= now)
    }
}
