//! What crosses between the reactor and the pool: connections that are leased to answer their request, and returned.

mod exchange;

use super::{connection::Connection, events::Timer, open::OpenConnections, socket};
use crate::engine::{OnGone, occupancy::Closed, rules::Rules};
use mio::{Poll, Token, Waker, net::TcpStream};
use std::{
    collections::VecDeque,
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

/// The waker's token; connections count from 0.
pub(super) const WAKER: Token = Token(usize::MAX);

/// How open the engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Open,
    Closing,
    Cut,
}

/// What the reactor and the leases share.
#[repr(align(128))]
pub(super) struct Shared {
    pub(super) rules: Rules,
    /// What all reactors share.
    pub(super) open: Arc<OpenConnections>,
    /// The reactor's, from 0.
    pub(super) index: usize,
    waker: Waker,
    returns: Mutex<Returns>,
    /// How many were returned, to be read without the lock.
    returned_count: AtomicUsize,
    /// Places whose response has more to send by now.
    news: Mutex<Vec<usize>>,
    /// Whom to tell that the client of a leased connection has gone, by its place.
    watched: Mutex<Vec<Option<OnGone>>>,
    has_news: AtomicBool,
    stage: AtomicU8,
    /// Responses that the reactor has sent to their end.
    pub(super) sent_later: AtomicU64,
    interrupted: AtomicBool,
    /// How many threads wait for events, or are about to: whoever wants it otherwise has to wake one.
    waiting: AtomicUsize,
    pub(super) timer: Timer,
}

/// Somebody waits for events, for as long as this lives.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Connections on their way from the pool to the reactor.
#[derive(Default)]
struct Returns {
    returned: VecDeque<Returned>,
    /// Connections that had an event while they were leased: their return is worth waking the reactor for.
    awaited: Vec<usize>,
}

/// What comes back from the pool.
pub(super) enum Returned {
    Connection(Box<Lease>),
    /// It has ended; its place is free.
    Ended(usize),
}

impl Returned {
    fn place(&self) -> usize {
        match self {
            Returned::Connection(lease) => lease.place,
            Returned::Ended(place) => *place,
        }
    }
}

impl Shared {
    pub(super) fn new(
        poll: &Poll,
        rules: Rules,
        open: Arc<OpenConnections>,
        index: usize,
    ) -> io::Result<Shared> {
        Ok(Shared {
            rules,
            open,
            index,
            waker: Waker::new(poll.registry(), WAKER)?,
            returns: Mutex::default(),
            returned_count: AtomicUsize::new(0),
            news: Mutex::default(),
            watched: Mutex::default(),
            has_news: AtomicBool::new(false),
            stage: AtomicU8::new(Stage::Open as u8),
            sent_later: AtomicU64::new(0),
            interrupted: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            timer: Timer::new(poll.registry())?,
        })
    }

    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!(reason:% = error; "the reactor cannot be woken");
        }
    }

    /// Makes a turn in progress, or else the next one, end early.
    pub(super) fn interrupt(&self) {
        self.interrupted.store(true, SeqCst);
        self.wake();
    }

    pub(super) fn take_interrupt(&self) -> bool {
        self.interrupted.load(SeqCst) && self.interrupted.swap(false, SeqCst)
    }

    pub(super) fn stage(&self) -> Stage {
        [Stage::Open, Stage::Closing, Stage::Cut][usize::from(self.stage.load(SeqCst))]
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, SeqCst);
        self.open.waits_for_ends.store(true, SeqCst);
        self.wake();
    }

    /// Takes what was returned; nothing is locked where nothing was.
    pub(super) fn take_returned(&self, into: &mut VecDeque<Returned>) {
        if self.returned_count.load(SeqCst) > 0 {
            let mut returns = self.returns();
            match into.is_empty() {
                true => mem::swap(into, &mut returns.returned),
                false => into.append(&mut returns.returned),
            }
            // Nobody else looks at it without the lock.
            self.returned_count.store(0, Relaxed);
        }
    }

    /// The response at this place has more to send. Of many at once, the first wakes the reactor.
    fn tell_news(&self, place: usize) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.push(place);
        let is_first = !self.has_news.swap(true, SeqCst);
        drop(news);
        if is_first && self.is_waited() {
            self.wake();
        }
    }

    /// The client of the connection at this place, which is leased, has gone. What that leaves is a worker's to drop.
    pub(super) fn client_has_gone(&self, place: usize) -> Option<Box<dyn Send>> {
        let on_gone = self.take_watch(place)?;
        on_gone()
    }

    fn take_watch(&self, place: usize) -> Option<OnGone> {
        self.watched().get_mut(place).and_then(Option::take)
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Option<OnGone>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the places that have news; nothing is locked where none has.
    pub(super) fn take_news(&self) -> Vec<usize> {
        if !self.has_news.load(SeqCst) {
            return Vec::new();
        }
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        self.has_news.store(false, SeqCst);
        mem::take(&mut news)
    }

    /// Looks at what was returned and not taken in yet.
    pub(super) fn for_each_returned(&self, look: impl FnMut(&Returned)) {
        self.returns().returned.iter().for_each(look);
    }

    /// A leased connection had an event: unless it is on its way back already, its return is to wake the reactor.
    pub(super) fn await_return(&self, place: usize) {
        let mut returns = self.returns();
        let is_back = returns.returned.iter().any(|one| one.place() == place);
        if !is_back && !returns.awaited.contains(&place) {
            returns.awaited.push(place);
        }
    }

    /// The reactor takes in what was returned so far, and then waits: what is returned from now on has to wake it.
    pub(super) fn begin_wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, SeqCst);
        Waiting(&self.waiting)
    }

    pub(super) fn is_waited(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// Gives a connection back to the reactor, and wakes it only where it has something to do at once.
    fn give_back(&self, mut lease: Box<Lease>) {
        let place = lease.place;
        lease.is_out = false;
        lease.end_watch();
        // After a cut nobody takes in what is returned.
        let ended = lease.connection.is_closed() || self.stage() == Stage::Cut;
        let urgent = !ended && (lease.connection.has_more() || !lease.connection.is_idle());
        if ended {
            if !lease.connection.is_closed() {
                lease.connection.ends_for(Closed::Cut);
            }
            lease.connection.release(&self.rules);
        }
        // Dropped last, when neither the client nor the reactor waits for it: a destructor may block.
        let discarded = &mut lease.connection.discarded;
        let _discarded = (!discarded.is_empty()).then(|| mem::take(discarded));
        let returned = if ended {
            // The socket is closed here and now, whatever the reactor is doing.
            drop(lease);
            Returned::Ended(place)
        } else {
            Returned::Connection(lease)
        };
        self.push(returned, urgent);
    }

    fn push(&self, returned: Returned, urgent: bool) {
        let place = returned.place();
        let mut returns = self.returns();
        returns.returned.push_back(returned);
        self.returned_count.store(returns.returned.len(), SeqCst);
        let awaited = returns.awaited.iter().position(|waiting| *waiting == place);
        if let Some(position) = awaited {
            returns.awaited.swap_remove(position);
        }
        drop(returns);
        let matters = urgent || awaited.is_some() || self.open.waits_for_ends.load(SeqCst);
        if matters && self.is_waited() {
            self.wake();
        }
    }

    fn returns(&self) -> MutexGuard<'_, Returns> {
        self.returns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection with its place in the reactor's table and the way back there.
pub(super) struct Lease {
    pub(super) connection: Connection<TcpStream>,
    pub(super) place: usize,
    pub(super) shared: Arc<Shared>,
    /// Somebody wants to know of its client's end.
    pub(super) is_watched: bool,
    /// With the pool: dropped there, its place would never be free again.
    pub(super) is_out: bool,
    /// The reactor is told when the socket has room again.
    pub(super) watches_room: bool,
    /// It has had its turn and is in line for the next.
    pub(super) is_in_line: bool,
}

impl Lease {
    /// What was to be called at the client's end, where that has not come.
    #[inline]
    fn end_watch(&mut self) -> Option<OnGone> {
        match mem::take(&mut self.is_watched) {
            true => self.shared.take_watch(self.place),
            false => None,
        }
    }
}

impl Drop for Lease {
    /// A connection whose request nobody answers any more frees its place: its client has gone while it waited for a
    /// deferred answer, all is cut, or it was lost on its way to a panic in somebody's reader or destructor.
    fn drop(&mut self) {
        if self.is_out {
            self.end_watch();
            let why = match self.shared.stage() {
                Stage::Cut => Closed::Cut,
                _ if socket::has_left(self.connection.socket()) => Closed::Client,
                _ => Closed::Failed,
            };
            self.connection.ends_for(why);
            self.connection.release(&self.shared.rules);
            self.shared.push(Returned::Ended(self.place), false);
        }
    }
}
