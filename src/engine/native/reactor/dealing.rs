//! What one reactor does with the others' connections: deals them out, and has one of them make room.
//!
//! Whoever drives a reactor has it locked, and may wait for no other's lock but under one that they have in common, which
//! it does not wait for: two at a time would wait for each other. The second one tries again with its next turn.

use super::{
    EventLoop, Reactor,
    others::{Busy, Others, lock, try_lock},
};
use crate::engine::{
    Ready,
    native::{
        events::Waiter,
        lease::{Shared, Stage},
        open::OpenConnections,
    },
    rules::Rules,
};
use mio::{
    Poll,
    net::{TcpListener, TcpStream},
};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Instant,
};

/// All event loops, held while something is done with the others.
pub(super) struct All {
    loops: Option<Arc<[EventLoop]>>,
    turn: Arc<Mutex<()>>,
    mine: usize,
}

/// The other reactors, locked.
pub(super) struct Locked<'a> {
    reactors: Vec<(&'a EventLoop, MutexGuard<'a, Reactor>)>,
    _turn: Option<MutexGuard<'a, ()>>,
}

impl All {
    /// Locks the others, which take in what was returned to them meanwhile.
    ///
    /// # Errors
    /// Where one of them does the same.
    pub(super) fn lock(&self, now: Instant, ready: &mut Vec<Ready>) -> Result<Locked<'_>, Busy> {
        let Some(loops) = &self.loops else {
            return Ok(Locked {
                reactors: Vec::new(),
                _turn: None,
            });
        };
        let turn = try_lock(&self.turn).ok_or(Busy)?;
        let mut locked = Locked {
            reactors: Vec::with_capacity(loops.len()),
            _turn: Some(turn),
        };
        for (index, one) in loops.iter().enumerate() {
            if index != self.mine {
                locked.reactors.push((one, one.reactor()));
            }
        }
        for (_, reactor) in &mut locked.reactors {
            reactor.take_in_returned(now, ready);
        }
        Ok(locked)
    }
}

impl Locked<'_> {
    /// The reactor of this number, `me` being 0 and the others counting from 1.
    pub(super) fn reactor<'a>(&'a mut self, number: usize, me: &'a mut Reactor) -> &'a mut Reactor {
        match number.checked_sub(1) {
            None => me,
            Some(other) => &mut self.reactors[other].1,
        }
    }

    pub(super) fn count(&self) -> usize {
        1 + self.reactors.len()
    }
}

impl Drop for Locked<'_> {
    /// Whoever waits for a reactor's events knows nothing of what was put off or is due now.
    fn drop(&mut self) {
        for (one, reactor) in &mut self.reactors {
            reactor.tell_who_waits(one, Instant::now());
        }
    }
}

impl Reactor {
    pub(super) fn all(&self) -> All {
        All {
            loops: self.others.all(),
            turn: self.others.turn(),
            mine: self.shared.index,
        }
    }

    /// Gives a newcomer to the reactor that has the fewest connections, or keeps it where that one is busy: the next will
    /// be its. In a drain all stay here, since the others end as they come to have none.
    pub(super) fn deal(&mut self, stream: TcpStream, peer: SocketAddr, now: Instant) {
        let emptiest = self.shared.open.emptiest();
        let is_mine = emptiest == self.shared.index || self.stage != Stage::Open;
        let loops = (!is_mine).then(|| self.others.all()).flatten();
        if let Some(loops) = loops
            && let Some(mut other) = try_lock(&loops[emptiest].reactor)
            && other.stage == Stage::Open
        {
            other.add(stream, peer, now, false);
            return other.tell_who_waits(&loops[emptiest], now);
        }
        self.add(stream, peer, now, false);
    }

    /// After another has changed something here.
    fn tell_who_waits(&mut self, me: &EventLoop, now: Instant) {
        let due = self.next_due(None, now);
        me.shared.timer.bound(due, now);
        let is_last = self.stage != Stage::Open && self.table.is_empty();
        if is_last || self.later.has_work() {
            me.shared.wake();
        }
    }

    /// A connection has ended here: the acceptor may wait for that elsewhere.
    pub(super) fn tell_acceptor(&self) {
        if self.acceptor.is_none()
            && self.shared.open.tell_of_end()
            && let Some(loops) = self.others.all()
        {
            loops[0].shared.wake();
        }
    }
}

impl EventLoop {
    /// # Errors
    /// Where the system gives no poll instance, or nothing to wake it or to time it by.
    pub(in crate::engine::native) fn new(
        listener: Option<TcpListener>,
        rules: Rules,
        open: &Arc<OpenConnections>,
        index: usize,
    ) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared::new(&poll, rules, Arc::clone(open), index)?);
        let registry = poll.registry().try_clone()?;
        let reactor = Reactor::new(registry, listener, Arc::clone(&shared))?;
        Ok(EventLoop {
            shared,
            waiter: Waiter::new(poll)?,
            reactor: Mutex::new(reactor),
        })
    }

    /// Each of several knows the others from now on.
    pub(in crate::engine::native) fn introduce(loops: &Arc<[EventLoop]>) {
        let turn = Arc::default();
        for one in loops.iter().filter(|_| loops.len() > 1) {
            one.reactor().others = Others::of(Arc::downgrade(loops), &turn);
        }
    }

    pub(in crate::engine::native) fn reactor(&self) -> MutexGuard<'_, Reactor> {
        lock(&self.reactor)
    }
}
