//! Which connection is in which state: what tiny_http does not tell, gathered from the requests that come out of it
//! and from the descriptors.
//!
//! Each connection has one request in flight. tiny_http hands out pipelined ones all at once, and the writer of the
//! second would block its worker until the first is answered; so they wait here, in order.

mod counting;
mod crowd;

use super::{
    peer::{Peer, Review, Stage, Turn},
    sock_diag::Diagnosis,
    sockets::{Look, Snapshot, Sockets},
};
use crate::engine::{
    Cut,
    occupancy::{Closed, ClosedCounts},
    rules::Rules,
};
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
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

pub(super) type Diagnoses = HashMap<SocketAddr, Diagnosis>;

/// What a request shows of its connection.
pub(super) enum News {
    /// That it exists.
    Connection,
    /// That its client does not wait for answers.
    Pipeline,
}

/// How this side has ended a body.
pub(super) enum BodyEnd {
    TimedOut,
    /// Its connection was idle and was being closed when the request came.
    Closed,
}

/// All connections that are known.
pub(super) struct Peers {
    known: HashMap<SocketAddr, Peer>,
    /// Bytes a second.
    min_body_rate: u32,
    /// `MAX_CONNECTIONS` at the last review.
    most: usize,
    /// How many there may be for as long as none comes: more than that where it was lowered.
    tolerated: usize,
    /// How many of those that were there then are to end with their next answer.
    surplus: usize,
    lowered: Instant,
    /// Whether `MAX_CONNECTIONS` have a request, or have begun to send one.
    is_full: bool,
}

impl Peers {
    pub(super) fn new(rules: &Rules) -> Peers {
        Peers {
            known: HashMap::new(),
            min_body_rate: rules.min_body_rate,
            most: rules.max_connections(),
            tolerated: rules.max_connections(),
            surplus: 0,
            lowered: Instant::now(),
            is_full: false,
        }
    }

    /// Takes note of a request, and says what else is new. `socket` finds out which socket the client has now, near where
    /// it was last.
    pub(super) fn arrive(
        &mut self,
        peer: SocketAddr,
        request: Inner,
        socket: impl FnOnce(Option<RawFd>) -> Option<u64>,
    ) -> (Turn, Option<News>) {
        let entry = self.known.entry(peer);
        let is_new = matches!(&entry, Entry::Vacant(_));
        let newcomer = || Peer::newcomer(Stage::Idle, Instant::now(), self.is_full);
        let known = entry.or_insert_with(newcomer);
        if known.may_have_returned(Instant::now())
            && known.is_succeeded_by(socket(known.descriptor()))
        {
            *known = newcomer();
        }
        let pipelined_before = known.has_pipelined;
        let turn = known.arrive(request);
        let news = match () {
            () if is_new => Some(News::Connection),
            () if known.has_pipelined && !pipelined_before => Some(News::Pipeline),
            () => None,
        };
        (turn, news)
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

    /// The same when that response is about to begin: it may be the last that this connection gets, or the connection one
    /// of too many.
    pub(super) fn ends_with(&mut self, peer: SocketAddr, rules: &Rules) -> bool {
        let Some(known) = self.known.get_mut(&peer) else {
            return false;
        };
        if known.must_close() {
            return true;
        }
        let lifetime = &rules.lifetime;
        let is_over = lifetime.is_bounded() && known.past.ends(lifetime, peer, Instant::now());
        if self.surplus > 0 && !is_over && known.past.began_before(self.lowered) {
            self.surplus -= 1;
            known.close_after = true;
        }
        is_over || known.close_after
    }

    /// So much of a body has arrived.
    pub(super) fn note_progress(&mut self, peer: SocketAddr, bytes: usize) {
        let least = self.min_body_rate;
        if let Some(known) = self.known.get_mut(&peer) {
            known.pace.note(bytes, Instant::now(), least);
        }
    }

    /// Gives up the body that is furthest behind `MIN_BODY_RATE`, if one is, and says whose it is.
    pub(super) fn give_up_slowest(&mut self, now: Instant) -> Option<SocketAddr> {
        let is_slow = |(peer, known): (&SocketAddr, &Peer)| {
            let is_received = matches!(known.stage, Stage::Receiving(_)) && !known.timed_out;
            Some((known.pace.behind_since(now).filter(|_| is_received)?, *peer))
        };
        let (_, slowest) = self.known.iter().filter_map(is_slow).min()?;
        if let Some(known) = self.known.get_mut(&slowest) {
            known.timed_out = true;
        }
        Some(slowest)
    }

    /// Whether a body was given up that is still read.
    pub(super) fn is_giving_up(&self) -> bool {
        let is_going = |known: &Peer| matches!(known.stage, Stage::Receiving(_)) && known.timed_out;
        self.known.values().any(is_going)
    }

    /// A request whose body was read is whole now.
    pub(super) fn complete(&mut self, peer: SocketAddr) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.note_arrival();
            known.enter(Stage::Handling);
        }
    }

    /// A response of this route is not written by a worker any more.
    pub(super) fn leave_to_wait(&mut self, peer: SocketAddr, route: String) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.left_to_wait = Some(route);
        }
    }

    /// Why nothing more is to be expected of a body, if it is this side that has ended it.
    pub(super) fn why_body_ended(&self, peer: SocketAddr) -> Option<BodyEnd> {
        let known = self.known.get(&peer)?;
        match () {
            () if known.timed_out => Some(BodyEnd::TimedOut),
            () if known.shut.is_some() => Some(BodyEnd::Closed),
            () => None,
        }
    }

    /// Whether so many bytes can be written to a client without waiting for it, as far as that is known here. They count
    /// as written then.
    pub(super) fn take_room(&mut self, peer: SocketAddr, bytes: usize) -> bool {
        let known = self.known.get_mut(&peer);
        known.is_some_and(|known| known.take_room(bytes))
    }

    /// So many bytes are unsent on a connection, which a look at it has told.
    pub(super) fn note_unsent(&mut self, peer: SocketAddr, bytes: usize) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.note_unsent(bytes);
        }
    }

    /// Where the connection was last seen among the descriptors.
    pub(super) fn descriptor(&self, peer: SocketAddr) -> Option<RawFd> {
        self.known.get(&peer)?.descriptor()
    }

    pub(super) fn was_seen_at(&mut self, peer: SocketAddr, fd: RawFd) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.was_seen_at(fd);
        }
    }

    /// How many times it was found to send more than may wait.
    pub(super) fn times_choked(&self, peer: SocketAddr) -> u8 {
        self.known.get(&peer).map_or(0, |known| known.times_choked)
    }

    pub(super) fn note_choking(&mut self, peer: SocketAddr) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.times_choked += 1;
        }
    }

    /// Those of these connections of which tiny_http may know more than it tells.
    pub(super) fn unclear(&self, connections: &Snapshot) -> Vec<(SocketAddr, RawFd)> {
        let is_unclear = |peer| self.known.get(peer).is_none_or(Peer::is_unclear);
        let unclear = connections.iter().filter(|(peer, _)| is_unclear(peer));
        unclear.map(|(&peer, &fd)| (peer, fd)).collect()
    }

    /// Notes that a response was written on a connection that goes on.
    pub(super) fn finish(&mut self, peer: SocketAddr) -> Next {
        let Some(known) = self.known.get_mut(&peer) else {
            return Next::Idle;
        };
        if known.close_after {
            return Next::Close;
        }
        known.left_to_wait = None;
        match known.next_waiting() {
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
    pub(super) fn forget(&mut self, peer: SocketAddr, closed: &ClosedCounts) -> VecDeque<Inner> {
        self.known
            .remove(&peer)
            .map(|mut known| {
                known.count_end(Closed::Answered, closed);
                known.take_waiting()
            })
            .unwrap_or_default()
    }

    /// Notes that nothing more is to be taken from a connection, and returns the requests that waited.
    pub(super) fn end(
        &mut self,
        peer: SocketAddr,
        why: Closed,
        closed: &ClosedCounts,
    ) -> VecDeque<Inner> {
        let known = self
            .known
            .entry(peer)
            .or_insert_with(|| Peer::new(Stage::Ended, Instant::now()));
        known.end();
        known.count_end(why, closed);
        known.take_waiting()
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

    /// Whether any connection has a request in flight.
    pub(super) fn are_busy(&self) -> bool {
        self.known.values().any(|known| known.is_busy())
    }

    /// How many connections that have a request in flight were let go.
    pub(super) fn busy_and_closing(&self) -> usize {
        self.known
            .values()
            .filter(|known| known.is_busy() && known.close_after)
            .count()
    }

    /// Compares what is known with what a look has found, and says what is to be done. Connections that are `parting` are
    /// being ended elsewhere; of those that were quiet, the kernel has told.
    pub(super) fn review(
        &mut self,
        look: &Look<'_>,
        parting: &HashSet<SocketAddr>,
        diagnoses: &Diagnoses,
        sockets: &Sockets,
        rules: &Rules,
    ) -> Review {
        let &Look {
            connections,
            stopped,
            now,
            ..
        } = look;
        let mut review = Review::default();
        let threads_are_held = !parting.is_empty() || self.are_busy();
        for (&peer, &fd) in connections {
            let known = self
                .known
                .entry(peer)
                .or_insert_with(|| Peer::newcomer(Stage::FRESH, now, self.is_full));
            known.see(fd, peer, sockets, now);
            known.notice_neglect(fd, &mut review, now);
            let diagnosis = diagnoses.get(&peer).copied();
            if let Some(diagnosis) = diagnosis {
                known.hear(diagnosis, now);
                review.is_flood |= known.has_more_in_line();
            }
            // After the stop tiny_http starts no thread any more, but one that comes to its connection's end goes on
            // with a stuck one.
            let will_be_served = stopped.is_some() && threads_are_held && known.is_neglected();
            if !will_be_served
                && !parting.contains(&peer)
                && let Some(end) = known.due(fd, diagnosis, rules, stopped, now)
            {
                review.to_end.push((peer, end));
            }
            review.suspects += usize::from(known.is_on_trial());
            review.open += usize::from(!known.has_ignored_its_end(now));
        }
        if stopped.is_none() {
            self.make_room(look, parting, &mut review, rules);
        }
        self.known.retain(|peer, known| {
            let is_there = connections.contains_key(peer);
            if !is_there {
                known.miss(now);
            }
            let stays = is_there || known.is_worth_remembering(now) || parting.contains(peer);
            if !stays {
                known.count_end(Closed::Client, &rules.closed);
            }
            stays
        });
        review
    }

    /// What a deadline cuts off: the connections to be shut down, and what was under way on them. What a worker writes, it
    /// has a name for itself.
    pub(super) fn cut(
        &mut self,
        connections: &Snapshot,
        diagnoses: &Diagnoses,
    ) -> (Vec<(SocketAddr, RawFd)>, Cut) {
        let now = Instant::now();
        for (&peer, &diagnosis) in diagnoses {
            let unknown = || Peer::new(Stage::FRESH, now);
            let known = self.known.entry(peer).or_insert_with(unknown);
            known.hear(diagnosis, now);
        }
        let is_handling = |peer| {
            self.known
                .get(peer)
                .is_some_and(|known| known.stage == Stage::Handling)
        };
        let to_shut = connections.iter().filter(|(peer, _)| !is_handling(peer));
        let all = || self.known.values();
        let cut = Cut {
            uploading: Vec::new(),
            receiving: all().filter(|known| known.has_begun()).count(),
            sending: all()
                .filter_map(|known| known.left_to_wait.clone())
                .collect(),
        };
        (to_shut.map(|(&peer, &fd)| (peer, fd)).collect(), cut)
    }
}
