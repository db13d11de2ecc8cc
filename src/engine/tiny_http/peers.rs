//! Which connection is in which state: what tiny_http does not tell, gathered from the requests that come out of it
//! and from the descriptors.
//!
//! Each connection has one request in flight. tiny_http hands out pipelined ones all at once, and the writer of the
//! second would block its worker until the first is answered; so they wait here, in order.

use super::{
    peer::{Peer, Review, Stage, Turn},
    sockets::{Snapshot, Sockets},
};
use crate::engine::{Cut, rules::Rules};
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    mem,
    net::SocketAddr,
    os::fd::RawFd,
    time::Instant,
};
use tiny_http::Request as Inner;

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

/// What there is to be compared with what is known.
pub(super) struct Seen<'a> {
    pub(super) connections: &'a Snapshot,
    /// Connections that are being ended elsewhere.
    pub(super) parting: HashSet<SocketAddr>,
    /// When the listener was closed.
    pub(super) stopped: Option<Instant>,
    /// When the look began, before the descriptors were listed.
    pub(super) now: Instant,
}

impl Peers {
    /// Takes note of a request, and says whether its connection was unknown before it. `socket` finds out which socket
    /// the client has now.
    pub(super) fn arrive(
        &mut self,
        peer: SocketAddr,
        request: Inner,
        socket: impl FnOnce() -> Option<u64>,
    ) -> (Turn, bool) {
        let entry = self.known.entry(peer);
        let is_news = matches!(&entry, Entry::Vacant(_));
        let known = entry.or_insert_with(|| Peer::new(Stage::Idle, Instant::now()));
        if known.stage == Stage::Ended && known.is_succeeded_by(socket()) {
            *known = Peer::new(Stage::Idle, Instant::now());
        }
        (known.arrive(request), is_news)
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
        if known.close_after {
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
        known.end();
        mem::take(&mut known.waiting)
    }

    /// Lets every connection end as soon as it can: idle ones at the next review, others with their response.
    pub(super) fn close_all(&mut self, connections: &Snapshot, now: Instant) {
        for &peer in connections.keys() {
            self.known
                .entry(peer)
                .or_insert_with(|| Peer::new(Stage::FRESH, now))
                .close_after = true;
        }
    }

    /// How many connections have a request in flight.
    pub(super) fn busy(&self) -> usize {
        self.known.values().filter(|known| known.is_busy()).count()
    }

    /// How many of these were let go.
    pub(super) fn busy_and_closing(&self) -> usize {
        self.known
            .values()
            .filter(|known| known.is_busy() && known.close_after)
            .count()
    }

    /// Compares what is known with the connections that are there, and says what is to be done.
    pub(super) fn review(&mut self, seen: &Seen<'_>, sockets: &Sockets, rules: &Rules) -> Review {
        let &Seen {
            connections,
            ref parting,
            stopped,
            now,
        } = seen;
        let mut review = Review::default();
        let threads_are_held = !parting.is_empty() || self.busy() > 0;
        for (&peer, &fd) in connections {
            let known = self
                .known
                .entry(peer)
                .or_insert_with(|| Peer::new(Stage::FRESH, now));
            known.see(fd, peer, sockets, now);
            known.notice_neglect(fd, &mut review, now);
            // After the stop tiny_http starts no thread any more, but one that comes to its connection's end goes on
            // with a stuck one.
            let will_be_served = stopped.is_some() && threads_are_held && known.is_neglected();
            if !will_be_served
                && !parting.contains(&peer)
                && let Some(how) = known.due(rules, stopped, now)
            {
                review.to_shut.push((peer, fd, how));
            }
            review.open += usize::from(!known.has_ignored_its_end(now));
        }
        self.known.retain(|peer, known| {
            let is_there = connections.contains_key(peer);
            if !is_there {
                known.miss(now);
            }
            is_there || known.is_worth_remembering(now) || parting.contains(peer)
        });
        review
    }

    /// What a deadline cuts off: the connections to be shut down, and how many of them a body was read from. Who writes a
    /// response is a worker, which has a name for it.
    pub(super) fn cut(&self, connections: &Snapshot) -> (Vec<(SocketAddr, RawFd)>, Cut) {
        let is_handling = |peer| {
            self.known
                .get(peer)
                .is_some_and(|known| known.stage == Stage::Handling)
        };
        let to_shut = connections.iter().filter(|(peer, _)| !is_handling(peer));
        let is_receiving = |known: &&Peer| matches!(known.stage, Stage::Receiving(_));
        let cut = Cut {
            receiving: self.known.values().filter(is_receiving).count(),
            sending: Vec::new(),
        };
        (to_shut.map(|(&peer, &fd)| (peer, fd)).collect(), cut)
    }
}
