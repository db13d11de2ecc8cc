//! How the native engine's connections begin, where there is room for them and where there is none.

use super::{EVENTS, LAST_CHANCE, Reactor};
use crate::engine::native::{connection::Connection, lease::Lease, table::Table};
use mio::{Interest, Token, net::TcpStream};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Instant,
};

impl Reactor {
    /// Accepts what waits, and makes room for it where there is none.
    pub(super) fn accept(&mut self, now: Instant) {
        let Some(mut acceptor) = self.acceptor.take() else {
            return;
        };
        for _ in 0..EVENTS {
            if !acceptor.is_due(now) {
                break;
            }
            if acceptor.reserve_is_full(&self.table)
                && !self.make_room(now, Table::longest_idle)
                && !self.make_room(now, Table::oldest_reserve)
            {
                acceptor.wait_for_room(now);
                break;
            }
            match acceptor.accept_one(now) {
                Some((stream, peer)) => {
                    // Only now: an idle connection is closed for one that is there.
                    let is_reserve =
                        !acceptor.admits(&self.table) && !self.make_room(now, Table::longest_idle);
                    self.add(stream, peer, now, is_reserve);
                }
                None if acceptor.lacks_descriptors()
                    && self.make_room(now, Table::longest_idle) =>
                {
                    acceptor.try_soon()
                }
                None if acceptor.lacks_descriptors() => acceptor.wait_for_room(now),
                None => {}
            }
        }
        self.shared
            .waits_for_ends
            .store(acceptor.waits_for_room(), SeqCst);
        self.acceptor = Some(acceptor);
    }

    /// Closes the connection that can best be spared, if any can.
    fn make_room(
        &mut self,
        now: Instant,
        spared: impl FnOnce(&mut Table, Instant) -> Option<usize>,
    ) -> bool {
        spared(&mut self.table, now)
            .map(|place| self.close(place))
            .is_some()
    }

    pub(super) fn add(
        &mut self,
        mut stream: TcpStream,
        peer: SocketAddr,
        now: Instant,
        is_reserve: bool,
    ) {
        let place = self.table.reserve_place();
        if let Err(error) =
            self.poll
                .registry()
                .register(&mut stream, Token(place), Interest::READABLE)
        {
            log::warn!(reason:% = error; "a connection cannot be watched and is closed");
            self.table.clear(place);
            return;
        }
        let first_byte_timeout = if is_reserve {
            LAST_CHANCE
        } else {
            self.shared.rules.head_timeout
        };
        let mut connection = Connection::new(stream, peer, now, first_byte_timeout);
        connection.is_reserve = is_reserve;
        let shared = Arc::clone(&self.shared);
        self.table.put(
            place,
            Box::new(Lease {
                connection,
                place,
                shared,
                is_out: false,
                watches_room: false,
                is_in_line: false,
            }),
        );
        self.keep(place);
    }
}
