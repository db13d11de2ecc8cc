//! The native engine: non-blocking sockets, everything bounded and timed, no runtime.
//!
//! One thread at a time drives all connections through [`Reactor::turn`]: the pool's leader, or who stands by and took
//! what came while that one ran a handler. A connection with a
//! whole request is *leased* to the pool: it moves out and is returned when the response is on its way, so no
//! connection is ever locked, and a worker writes its response straight to the socket. Slow clients cost a table entry
//! and what they sent, never a thread.
//!
//! # Several reactors
//!
//! Above two CPUs there are several, each with its table, its epoll instance, its timer and what comes back to it. The
//! first has the acceptor, which gives a newcomer to the one with the fewest connections, and all connections beyond
//! `MAX_CONNECTIONS`. Bounds are over all: memory is a [`Budget`](super::budget::Budget) in parts, and who has to make room
//! is looked for in all tables (`reactor/dealing.rs`). In a drain a reactor ends once it has no connections; what still
//! waits in the backlog is the first one's.
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
mod open;
mod reactor;
mod shortages;
mod socket;
mod table;

use super::{
    Cut, Engine, Pulled, Ready, drop_apart,
    occupancy::{Connections, Occupancy},
    rules::{Policy, Rules},
};
use crate::config::table::Config;
use events::Waiter;
use lease::Stage;
use open::OpenConnections;
use reactor::{EventLoop, Wait};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

/// See the module.
pub(crate) struct Native {
    loops: Arc<[EventLoop]>,
    addr: SocketAddr,
}

/// Serves the listener's connections.
///
/// # Errors
/// Where the system gives too few poll instances.
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
        // Where one thread waits at a time, there is nobody to wake it for a connection that it is dealt.
        let reactors = if Waiter::SERVES_TWO {
            config.reactors.max(1)
        } else {
            1
        };
        let open = OpenConnections::new(reactors);
        let listener = mio::net::TcpListener::from_std(listener);
        let rules = Rules::of(config, policy, reactors);
        let first = EventLoop::new(Some(listener), rules, &open, 0)?;
        let mut loops = vec![first];
        for index in 1..reactors {
            let rules = loops[0].shared.rules.part(index);
            loops.push(EventLoop::new(None, rules, &open, index)?);
        }
        let loops: Arc<[EventLoop]> = loops.into();
        EventLoop::introduce(&loops);
        Ok(Native { loops, addr })
    }
}

impl Engine for Native {
    fn reactors(&self) -> usize {
        self.loops.len()
    }

    fn pull(&self, reactor: usize, until: Option<Instant>, ready: &mut Vec<Ready>) -> Pulled {
        let one = &self.loops[reactor];
        loop {
            // Before it looks for what was returned, and not locked while it waits: another thread may wait beside it.
            let waiting = one.shared.begin_wait();
            let Some(wait) = one.reactor().prepare(until, ready) else {
                return Pulled::Closed;
            };
            let arrived = match wait {
                Wait::Not => None,
                Wait::Events(bound, mut events) => {
                    one.waiter.wait(bound, &mut events);
                    Some(events)
                }
            };
            drop(waiting);
            if one.reactor().turn(arrived, until, ready) {
                return Pulled::Open;
            }
        }
    }

    fn wake(&self, reactor: usize) {
        self.loops[reactor].shared.interrupt();
    }

    fn serves_two(&self) -> bool {
        Waiter::SERVES_TWO
    }

    fn is_pull_waiting(&self, reactor: usize) -> bool {
        self.loops[reactor].shared.is_waited()
    }

    fn wake_within(&self, reactor: usize, time: Duration) {
        let now = Instant::now();
        self.loops[reactor].shared.timer.wake_by(now + time, now);
    }

    fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    fn stop_accepting(&self) {
        for one in self.loops.iter() {
            one.shared.enter(Stage::Closing);
        }
    }

    fn resize(&self, max_connections: usize, buffer_memory: usize) {
        for one in self.loops.iter() {
            one.shared.rules.resize(max_connections, buffer_memory);
        }
    }

    fn sent_later(&self) -> u64 {
        let sent = |one: &EventLoop| one.shared.sent_later.load(Relaxed);
        self.loops.iter().map(sent).sum()
    }

    fn occupancy(&self) -> Occupancy {
        let mut connections = Connections::default();
        for one in self.loops.iter() {
            one.reactor().count(&mut connections);
        }
        self.loops[0].shared.rules.occupancy(connections)
    }

    fn cut(&self) -> Cut {
        let (mut cut, mut left) = (Cut::default(), Vec::new());
        for one in self.loops.iter() {
            one.shared.enter(Stage::Cut);
            // The leader leaves the reactor at this stage, and nobody comes back for it.
            one.reactor().cut(&mut cut, &mut left);
        }
        drop_apart(left);
        cut
    }
}

#[cfg(test)]
pub(crate) mod tests;
