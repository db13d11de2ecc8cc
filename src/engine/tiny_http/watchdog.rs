//! The thread that looks after what tiny_http leaves alone: connections that are to end, its acceptor, its stuck
//! connections, and the time.
//!
//! It looks at all descriptors, so it does so seldom where nothing happens and soon where something was reported; but
//! with many connections a look takes long, and then it rests a while after each.

use super::{
    acceptor,
    lingering::LingeringClose,
    peer::{End, Review},
    shared::{Note, Shared},
    sockets::{Look, Snapshot, descriptors_left},
};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    io,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

/// Between two looks when nothing happens.
const REST: Duration = Duration::from_millis(250);

/// Between two looks while something is to be seen through.
const HURRY: Duration = Duration::from_millis(10);

/// Between two looks once the last request of a drain is answered: the service ends with the last connection.
const AT_THE_END: Duration = Duration::from_millis(1);

/// After a connection that was unknown: others that came with it may be stuck.
const AFTER_NEWS: Duration = Duration::from_millis(20);

/// How many times as long as a look the pause after it is at least; less where somebody sends more than is taken, and
/// where the end of a drain waits for it.
const LEISURE: u32 = 20;
const LITTLE_LEISURE: u32 = 3;

/// An acceptor that does not end by itself when told to is interrupted, once nobody waits to be accepted. One that has not
/// run for so long, in a process that is throttled, still has its backlog before it.
const ACCEPTOR_GRACE: Duration = Duration::from_millis(500);

/// After so many looks, five seconds or more of a process that runs, it is interrupted whoever waits: more may come for as
/// long as it listens.
const ACCEPTOR_LOOKS: u32 = 500;

/// Between two new acceptors: one that dies at once again leaves threads behind that take seconds to end.
const BETWEEN_ACCEPTORS: Duration = Duration::from_millis(400);

/// How long the servers of acceptors that died are listened to at least.
const RETIREMENT: Duration = Duration::from_secs(2);

/// How many connections are made to our own port in one look at most.
const MOST_NUDGES: usize = 256;

/// A time in which nothing is accepted.
struct Outage {
    since: Instant,
    /// Connections that were answered 503 meanwhile.
    turned_away: usize,
}

pub(super) struct Watchdog {
    shared: Arc<Shared>,
    notes: Receiver<Note>,
    closes: Vec<LingeringClose>,
    stopped: Option<Instant>,
    /// Looks at an acceptor that was told to end and has not.
    looks_at_ending: u32,
    outage: Option<Outage>,
    /// When the acceptor was last replaced, while there are retired servers.
    mended: Option<Instant>,
    leisure: u32,
}

impl Watchdog {
    pub(super) fn new(shared: Arc<Shared>, notes: Receiver<Note>) -> Watchdog {
        Watchdog {
            shared,
            notes,
            closes: Vec::new(),
            stopped: None,
            looks_at_ending: 0,
            outage: None,
            mended: None,
            leisure: LEISURE,
        }
    }

    pub(super) fn run(mut self) {
        let mut earliest = Instant::now();
        let mut due = earliest + REST;
        loop {
            match self.notes.recv_deadline(due) {
                Ok(Note::End) => return self.end(),
                Ok(note) => {
                    let wanted = Instant::now() + self.take(note);
                    due = due.min(match self.is_at_the_end() {
                        true => wanted,
                        false => earliest.max(wanted),
                    });
                }
                Err(RecvTimeoutError::Timeout) => {
                    let began = Instant::now();
                    let pause = self.look(began);
                    earliest = Instant::now() + (began.elapsed() * self.leisure).min(REST);
                    due = earliest.max(began + pause);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes a note, and says how soon it wants a look.
    fn take(&mut self, note: Note) -> Duration {
        match note {
            Note::News => return AFTER_NEWS,
            Note::Close(close) => self.closes.push(*close),
            Note::AcceptorDied(error) => self.note_death(Some(&error)),
            Note::Stop => {
                self.stopped = Some(Instant::now());
                self.shared.acceptor().finish(self.shared.address);
            }
            Note::Pipeline | Note::Ended | Note::End => {}
        }
        Duration::ZERO
    }

    /// Whether the last request of a drain is answered.
    fn is_at_the_end(&self) -> bool {
        self.stopped.is_some() && !self.shared.peers().are_busy()
    }

    /// Looks at everything once, and says when to look again.
    fn look(&mut self, now: Instant) -> Duration {
        self.shared.news.store(false, SeqCst);
        let Shared { sockets, rules, .. } = &*self.shared;
        let most = rules.max_connections();
        let connections = sockets.all();
        let look = Look {
            now,
            most,
            connections: &connections,
            stopped: self.stopped,
        };
        self.closes
            .retain_mut(|close| close.proceed(sockets, &look));
        self.tend_acceptor(&connections, now);
        let mut review = self.review(&look);
        let is_at_the_end = self.is_at_the_end();
        self.leisure = match review.is_flood || is_at_the_end {
            true => LITTLE_LEISURE,
            false => LEISURE,
        };
        for (peer, end) in review.to_end.drain(..) {
            match end {
                End::Shut(fd, how) => self.shared.sockets.shut(fd, peer, how),
                End::CutOff(fd) => self.shared.sockets.cut_off(fd, peer),
                End::Refuse(refusal) => self.shared.refuse_beginning(peer, refusal),
            }
        }
        match self.stopped {
            None => self.unstick(review.stuck),
            Some(_) => self.conclude(&review),
        }
        // An acceptor that died once may die again at once.
        let acceptor_is_shaky = self.outage.is_some() || self.mended.is_some();
        let something_is_going_on = self.stopped.is_some()
            || acceptor_is_shaky
            || review.suspects > 0
            || !self.closes.is_empty();
        match () {
            () if is_at_the_end => AT_THE_END,
            () if something_is_going_on => HURRY,
            () => REST,
        }
    }

    fn review(&self, look: &Look<'_>) -> Review {
        let parting = self.closes.iter().map(|close| close.peer).collect();
        let diagnoses = self.shared.diagnose(look.connections);
        let Shared { sockets, rules, .. } = &*self.shared;
        self.shared
            .peers()
            .review(look, &parting, &diagnoses, sockets, rules)
    }

    /// Sees to it that there is an acceptor, or, after the stop, that there is none.
    fn tend_acceptor(&mut self, connections: &Snapshot, now: Instant) {
        let is_alive = self.shared.acceptor().is_alive(&self.shared.sockets);
        match self.stopped {
            Some(_) if !is_alive => self.shared.acceptor().close(),
            Some(stopped) => {
                let acceptor = self.shared.acceptor();
                let may_be_stuck = stopped + ACCEPTOR_GRACE < now && !acceptor.has_backlog();
                self.looks_at_ending += 1;
                if may_be_stuck || self.looks_at_ending > ACCEPTOR_LOOKS {
                    acceptor.interrupt();
                }
            }
            None if !is_alive => self.mend(connections, now),
            None => self.let_retired_go(now),
        }
    }

    /// Replaces an acceptor that died. Its connections end as soon as they can: that gives back what it died for the
    /// want of, and its queue need not be looked at for ever.
    fn mend(&mut self, connections: &Snapshot, now: Instant) {
        self.note_death(None);
        self.shared.peers().close_all(connections, now);
        let is_early = self
            .mended
            .is_some_and(|mended| now < mended + BETWEEN_ACCEPTORS);
        let is_replaced = !is_early && self.shared.acceptor().replace().is_ok();
        if !is_replaced {
            let turned_away = self.shared.acceptor().shed(&self.shared.rules);
            self.outage
                .iter_mut()
                .for_each(|outage| outage.turned_away += turned_away);
            return;
        }
        self.mended = Some(now);
        self.shared.wake_retired();
        if let Some(Outage { since, turned_away }) = self.outage.take() {
            let down_ms = since.elapsed().as_millis() as u64;
            log::info!(down_ms = down_ms, turned_away = turned_away; "connections are accepted again");
        }
    }

    fn note_death(&mut self, error: Option<&io::Error>) {
        if self.stopped.is_none() && self.outage.is_none() {
            self.outage = Some(Outage {
                since: Instant::now(),
                turned_away: 0,
            });
            let reason = error.map_or_else(
                || "no descriptor or no thread was left".to_owned(),
                ToString::to_string,
            );
            log::warn!(reason = reason.as_str(); "connections cannot be accepted for now");
        }
    }

    fn let_retired_go(&mut self, now: Instant) {
        let is_over = |mended: Instant| {
            mended + RETIREMENT < now && self.shared.peers().busy_and_closing() == 0
        };
        if self.mended.is_some_and(is_over) {
            self.mended = None;
            self.shared.acceptor().forget_retired();
        }
    }

    /// Makes tiny_http start a thread for each stuck connection: it counts threads as idle that are already spoken for,
    /// so a connection that comes in a burst may wait in its queue until some thread has come to the end of another
    /// one. A connection that is over at once gets a new thread, which then takes what waits.
    ///
    /// Each takes three descriptors for a moment: where they are few, that would end the acceptor.
    fn unstick(&self, stuck: usize) {
        if stuck == 0 {
            return;
        }
        for _ in 0..stuck.min(MOST_NUDGES).min(descriptors_left() / 4) {
            if acceptor::nudge(self.shared.address).is_err() {
                return;
            }
        }
    }

    /// Declares the engine closed where nothing is left.
    fn conclude(&mut self, review: &Review) {
        if review.neglected > 0 {
            // The threads that wait for clients to leave are needed.
            self.closes.iter_mut().for_each(LingeringClose::hasten);
        }
        let nothing_is_left = review.open == 0
            && self.closes.is_empty()
            && self.shared.acceptor().is_closed()
            && !self.shared.peers().are_busy();
        if nothing_is_left {
            self.shared.close();
        }
    }

    fn end(mut self) {
        self.look(Instant::now());
        self.shared.cut();
        while let Ok(note) = self.notes.try_recv() {
            if let Note::Close(close) = note {
                self.closes.push(*close);
            }
        }
        let sockets = &self.shared.sockets;
        self.closes
            .drain(..)
            .for_each(|close| close.cut_now(sockets));
    }
}
