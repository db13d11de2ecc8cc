//! The native engine: non-blocking sockets, everything bounded and timed, no runtime.
//!
//! One thread at a time drives all connections through [`Reactor::turn`]: the pool's leader, or who stands by and took
//! what came while that one ran a handler. A connection with a
//! whole request is *leased* to the pool: it moves out and is returned when the response is on its way, so no
//! connection is ever locked, and a worker writes its response straight to the socket. Slow clients cost a table entry
//! and what they sent, never a thread.
//!
//! # Where a connection is closed by the server's own decision
//!
//! Time passes while a process is stopped, so what is in a socket came in time, whatever the clock says. Each of these
//! looks at the socket first, reads and sends what it can, and closes only what that has not moved:
//!
//! - a deadline: [`Connection::time_out`](connection::Connection::time_out), which a sweep calls;
//! - a drain: what is idle when it begins or comes back idle, and after its last chance what never sent a byte;
//! - the end of a drain: [`Reactor::cut`];
//! - a want of places or descriptors: [`Reactor::accept`], for a newcomer that is there;
//! - a want of memory: [`Reactor::relieve`];
//! - the last response: where something unread would turn the close into a reset, the connection lingers.
//!
//! Not looked at is what a panic came upon, what the kernel will not watch, and what a client has closed itself.

mod acceptor;
mod buffer_pool;
pub(crate) mod connection;
mod events;
mod lease;
mod reactor;
mod shortages;
mod socket;
mod table;

use super::{
    Cut, Engine, Pulled, Ready, drop_apart,
    occupancy::Occupancy,
    rules::{Policy, Rules},
};
use crate::config::table::Config;
use events::{Events, Waiter};
use lease::{Shared, Stage};
use reactor::{Reactor, Wait};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// See the module.
pub(crate) struct Native {
    shared: Arc<Shared>,
    waiter: Waiter,
    reactor: Mutex<Reactor>,
    addr: SocketAddr,
}

/// Serves the listener's connections.
///
/// # Errors
/// Where the system gives no poll instance.
pub(crate) fn start(
    listener: TcpListener,
    config: &Config,
    policy: Policy,
) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Native::new(listener, config, policy)?))
}

impl Native {
    fn new(listener: TcpListener, config: &Config, policy: Policy) -> io::Result<Native> {
        let addr = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let poll = mio::Poll::new()?;
        let shared = Arc::new(Shared::new(&poll, Rules::of(config, policy))?);
        let listener = mio::net::TcpListener::from_std(listener);
        let registry = poll.registry().try_clone()?;
        let reactor = Reactor::new(registry, listener, Arc::clone(&shared))?;
        Ok(Native {
            shared,
            waiter: Waiter::new(poll)?,
            reactor: Mutex::new(reactor),
            addr,
        })
    }

    fn reactor(&self) -> MutexGuard<'_, Reactor> {
        self.reactor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Native {
    fn pull(&self, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        let mut events = Events::new();
        loop {
            // Before it looks for what was returned, and not locked while it waits: another thread may wait beside it.
            let waiting = self.shared.begin_wait();
            let Some(wait) = self.reactor().prepare(until, ready) else {
                return Pulled::Closed;
            };
            let arrived = match wait {
                Wait::Not => None,
                Wait::Events(bound) => {
                    self.waiter.wait(bound, &mut events);
                    Some(&events)
                }
            };
            drop(waiting);
            if self.reactor().turn(arrived, until, ready) {
                return Pulled::Open;
            }
        }
    }

    fn wake(&self) {
        self.shared.interrupt();
    }

    fn serves_two(&self) -> bool {
        Waiter::SERVES_TWO
    }

    fn is_pull_waiting(&self) -> bool {
        self.shared.is_waited()
    }

    fn wake_within(&self, time: Duration) {
        let now = Instant::now();
        self.shared.timer.wake_by(now + time, now);
    }

    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn stop_accepting(&self) {
        self.shared.enter(Stage::Closing);
    }

    fn resize(&self, max_connections: usize, buffer_memory: usize) {
        self.shared.rules.resize(max_connections, buffer_memory);
    }

    fn sent_later(&self) -> u64 {
        self.shared.sent_later.load(Relaxed)
    }

    fn occupancy(&self) -> Occupancy {
        let connections = self.reactor().count();
        self.shared.rules.occupancy(connections)
    }

    fn cut(&self) -> Cut {
        self.shared.enter(Stage::Cut);
        // The leader leaves the reactor at this stage, and nobody comes back for it.
        let mut left = Vec::new();
        let cut = self.reactor().cut(&mut left);
        drop_apart(left);
        cut
    }
}

#[cfg(test)]
mod tests;
