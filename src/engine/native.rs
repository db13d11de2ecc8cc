//! The native engine: non-blocking sockets, everything bounded and timed, no runtime.
//!
//! One thread at a time, the one in the pool's seat, drives all connections through [`Reactor::turn`]. A connection
//! with a whole request *moves* out to the pool and comes back when the response is on its way, so no connection is
//! ever locked, and a worker writes its response straight to the socket. Slow clients cost a table entry and what
//! they sent, never a thread.

use super::{
    Cut, Engine, Exchange, Pulled, Ready,
    connection::{Connection, Rules, Stream},
    http1::Limits,
    memory::Memory,
    reactor::Reactor,
};
use crate::{config::Config, request::Request, response::Response};
use mio::{Token, Waker, net::TcpStream};
use socket2::SockRef;
use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

/// What the reactor and the exchanges share.
pub(super) struct Shared {
    pub(super) rules: Rules,
    waker: Waker,
    home: Mutex<Home>,
    /// How many have come home, to be read without the lock.
    home_count: AtomicUsize,
    stage: AtomicU8,
    woken: AtomicBool,
    /// The reactor waits for events, or is about to: whoever wants it otherwise has to wake it.
    waits: AtomicBool,
    /// The reactor waits for connections to end: because it is closing, or because it has too many.
    pub(super) waits_for_ends: AtomicBool,
}

/// Connections on their way from the pool to the reactor.
#[derive(Default)]
struct Home {
    back: Vec<Back>,
    /// Connections that had an event while they were away: their return is worth waking the reactor for.
    awaited: Vec<usize>,
}

/// What comes back from the pool.
pub(super) enum Back {
    Here(Box<Visit>),
    /// It has ended; its place is free.
    Gone(usize),
}

/// How open the engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Open,
    Closing,
    Cut,
}

/// The waker's token; connections count from 0, the listener is above.
pub(super) const WAKER: Token = Token(usize::MAX);
pub(super) const LISTENER: Token = Token(usize::MAX - 1);

/// See the module.
pub(crate) struct Native {
    shared: Arc<Shared>,
    reactor: Mutex<Reactor>,
    addr: SocketAddr,
}

/// Serves the listener's connections.
///
/// # Errors
/// Where the system gives no poll instance.
pub(crate) fn start(listener: TcpListener, config: &Config) -> io::Result<Box<dyn Engine>> {
    let addr = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let poll = mio::Poll::new()?;
    let shared = Arc::new(Shared {
        rules: rules(config),
        waker: Waker::new(poll.registry(), WAKER)?,
        home: Mutex::default(),
        home_count: AtomicUsize::new(0),
        stage: AtomicU8::new(Stage::Open as u8),
        woken: AtomicBool::new(false),
        waits: AtomicBool::new(false),
        waits_for_ends: AtomicBool::new(false),
    });
    let listener = mio::net::TcpListener::from_std(listener);
    let reactor = Mutex::new(Reactor::new(
        poll,
        listener,
        config.max_connections,
        Arc::clone(&shared),
    )?);
    Ok(Box::new(Native {
        shared,
        reactor,
        addr,
    }))
}

fn rules(config: &Config) -> Rules {
    Rules {
        limits: Limits {
            max_head_bytes: config.max_head_bytes,
            max_body_bytes: config.max_body_bytes as u64,
        },
        head_timeout: config.head_timeout,
        body_timeout: config.body_timeout,
        write_timeout: config.write_timeout,
        keep_alive_timeout: config.keep_alive_timeout,
        memory: Memory::new(config.buffer_memory),
    }
}

impl Engine for Native {
    fn pull(&self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        self.reactor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .turn(until, ready)
    }

    fn wake(&self) {
        self.shared.woken.store(true, SeqCst);
        self.shared.wake();
    }

    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn stop_accepting(&self) {
        self.shared.enter(Stage::Closing);
    }

    fn cut(&self) -> Cut {
        self.shared.enter(Stage::Cut);
        // Whoever drives leaves the reactor at this stage, and nobody comes back for it.
        self.reactor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .cut()
    }
}

impl Shared {
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!(reason:% = error; "the reactor cannot be woken");
        }
    }

    pub(super) fn take_woken(&self) -> bool {
        self.woken.load(SeqCst) && self.woken.swap(false, SeqCst)
    }

    pub(super) fn stage(&self) -> Stage {
        [Stage::Open, Stage::Closing, Stage::Cut][usize::from(self.stage.load(SeqCst))]
    }

    fn enter(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, SeqCst);
        self.waits_for_ends.store(true, SeqCst);
        self.wake();
    }

    /// Takes what has come home; nothing is locked where nothing has.
    pub(super) fn take_home(&self, into: &mut Vec<Back>) {
        if self.home_count.load(SeqCst) > 0 {
            let mut home = self.home();
            into.append(&mut home.back);
            self.home_count.store(0, SeqCst);
        }
    }

    /// A connection that is away had an event: unless it is on its way home already, its return is to wake the reactor.
    pub(super) fn await_return(&self, place: usize) {
        let mut home = self.home();
        let is_back = home.back.iter().any(|back| back.place() == place);
        if !is_back && !home.awaited.contains(&place) {
            home.awaited.push(place);
        }
    }

    /// Brackets the reactor's wait. False where something has come home in the meantime, so that it must not wait.
    pub(super) fn begin_wait(&self) -> bool {
        self.waits.store(true, SeqCst);
        self.home_count.load(SeqCst) == 0
    }

    pub(super) fn end_wait(&self) {
        self.waits.store(false, SeqCst);
    }

    /// Gives a connection back to the reactor, and wakes it only where it has something to do at once.
    fn bring_home(&self, mut visit: Box<Visit>) {
        let place = visit.place;
        visit.is_away = false;
        // After a cut nobody takes in what comes home.
        let ended = visit.connection.is_closed() || self.stage() == Stage::Cut;
        let urgent = !ended && (visit.connection.has_more() || !visit.connection.is_idle());
        let back = if ended {
            end(visit, &self.rules)
        } else {
            Back::Here(visit)
        };
        self.send_home(back, place, urgent);
    }

    fn send_home(&self, back: Back, place: usize, urgent: bool) {
        let mut home = self.home();
        home.back.push(back);
        self.home_count.store(home.back.len(), SeqCst);
        let awaited = home.awaited.iter().position(|waiting| *waiting == place);
        if let Some(position) = awaited {
            home.awaited.swap_remove(position);
        }
        drop(home);
        let matters = urgent || awaited.is_some() || self.waits_for_ends.load(SeqCst);
        if matters && self.waits.load(SeqCst) {
            self.wake();
        }
    }

    fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the socket now, whatever the reactor is doing.
fn end(mut visit: Box<Visit>, rules: &Rules) -> Back {
    visit.connection.release(rules);
    Back::Gone(visit.place)
}

impl Back {
    fn place(&self) -> usize {
        match self {
            Back::Here(visit) => visit.place,
            Back::Gone(place) => *place,
        }
    }
}

/// A connection with its place in the reactor's table and the way back there.
pub(super) struct Visit {
    pub(super) connection: Connection<TcpStream>,
    pub(super) place: usize,
    pub(super) shared: Arc<Shared>,
    /// With the pool: dropped there, its place would never be free again.
    pub(super) is_away: bool,
    /// The reactor is told when the socket has room again.
    pub(super) watches_room: bool,
}

impl Exchange for Visit {
    fn request(&mut self) -> &mut Request {
        self.connection.request()
    }

    fn is_reserve(&self) -> bool {
        self.connection.is_reserve
    }

    fn respond(mut self: Box<Self>, response: Response, close: bool) {
        let shared = Arc::clone(&self.shared);
        self.connection
            .respond(response, close, Instant::now(), &shared.rules);
        shared.bring_home(self);
    }

    fn stream(mut self: Box<Self>) {
        let shared = Arc::clone(&self.shared);
        self.connection.pump(Instant::now(), &shared.rules);
        shared.bring_home(self);
    }
}

impl Drop for Visit {
    /// A connection that was lost on its way, to a panic in somebody's reader or destructor, still frees its place.
    fn drop(&mut self) {
        if self.is_away {
            self.connection.release(&self.shared.rules);
            self.shared
                .send_home(Back::Gone(self.place), self.place, false);
        }
    }
}

impl Stream for TcpStream {
    fn close_sending(&self) {
        // The other side may be gone already, which is as good.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn abort_on_close(&self, abort: bool) {
        let _ = SockRef::from(self).set_linger(abort.then_some(Duration::ZERO));
    }
}

#[cfg(test)]
mod tests;
