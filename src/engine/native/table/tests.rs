//! The places of connections that come and go.

use super::*;
use crate::{
    config::table::Config,
    engine::{
        native::{connection::Connection, lease::Shared},
        rules::Policy,
    },
};
use std::{net::TcpListener, sync::Arc};

/// Leases of connections to a listener that accepts nobody.
struct Leases {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Leases {
    fn new() -> Leases {
        let poll = mio::Poll::new().unwrap();
        let rules = Rules::of(&Config::from_pairs([]).unwrap(), Policy::default(), 1);
        Leases {
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            shared: Arc::new(Shared::new(&poll, rules, OpenConnections::new(1), 0).unwrap()),
        }
    }

    /// A new connection that has a place in `table`.
    fn enter(&self, table: &mut Table, most: usize) -> usize {
        let peer = self.listener.local_addr().unwrap();
        let stream = mio::net::TcpStream::connect(peer).unwrap();
        let mut connection = Connection::new(stream, peer, Instant::now(), Duration::from_secs(1));
        connection.is_reserve = table.ordinary() >= most;
        let place = table.take_place();
        let shared = Arc::clone(&self.shared);
        let lease = Lease {
            is_watched: false,
            connection,
            place,
            shared,
            is_out: false,
            watches_room: false,
            is_in_line: false,
        };
        table.put(place, Box::new(lease));
        place
    }
}

#[test]
fn connections_that_were_refused_leave_nothing_behind() {
    let leases = Leases::new();
    let mut table = Table::new(&leases.shared);
    leases.enter(&mut table, 1);
    for _ in 0..1000 {
        let place = leases.enter(&mut table, 1);
        assert_eq!(table.reserve().collect::<Vec<_>>(), [place]);
        let lease = table.lease(place).unwrap();
        assert!(lease.connection.is_reserve);
        table.clear(place);
    }
    assert_eq!((table.places.len(), table.reserve.len()), (2, 0));
    assert!(table.reserve.capacity() < 100 && table.ordinary() == 1);
}

#[test]
fn one_that_was_admitted_beyond_the_limit_makes_room_there_for_another() {
    let leases = Leases::new();
    let mut table = Table::new(&leases.shared);
    let first = leases.enter(&mut table, 1);
    let beyond: Vec<usize> = (0..RESERVE).map(|_| leases.enter(&mut table, 1)).collect();
    assert!(table.reserve_is_full());
    table.clear(first);
    table.admit(beyond[3]);
    let lease = table.lease(beyond[3]).unwrap();
    assert!(table.ordinary() == 1 && !table.reserve_is_full());
    table.put(beyond[3], lease);
    let rest: Vec<usize> = table.reserve().collect();
    assert_eq!(rest, [&beyond[..3], &beyond[4..]].concat());
}

#[test]
fn those_beyond_the_limit_take_nobody_an_ordinary_place() {
    let leases = Leases::new();
    let mut table = Table::new(&leases.shared);
    let ordinary = [leases.enter(&mut table, 2), leases.enter(&mut table, 2)];
    let beyond = [leases.enter(&mut table, 2), leases.enter(&mut table, 2)];
    assert_eq!(table.ordinary(), 2);
    table.clear(ordinary[0]);
    assert_eq!(table.ordinary(), 1);
    leases.enter(&mut table, 2);
    assert_eq!(table.ordinary(), 2);
    assert_eq!(table.reserve().collect::<Vec<_>>(), beyond);
}

#[test]
fn as_many_end_with_their_answer_as_there_are_too_many() {
    let leases = Leases::new();
    let mut table = Table::new(&leases.shared);
    let places: Vec<usize> = (0..5).map(|_| leases.enter(&mut table, 5)).collect();
    let told = |table: &mut Table, place: usize, most| {
        let lease = table.lease(place).unwrap();
        let retires = table.retires(place, most);
        table.put(place, lease);
        retires
    };
    assert!(places.iter().all(|place| !told(&mut table, *place, 5)));
    let retiring = places.iter().filter(|place| told(&mut table, **place, 3));
    assert_eq!(retiring.count(), 2);
    // One that has not had its answer yet is still to go, and counts once.
    assert!(told(&mut table, places[0], 3));
    table.clear(places[0]);
    table.clear(places[1]);
    assert!(!told(&mut table, places[2], 3));
    assert!(table.retiring.is_empty());
}

#[test]
fn of_more_connections_than_are_looked_up_at_once_the_longest_silent_are_spared_first() {
    let leases = Leases::new();
    let rules = Rules::of(&Config::from_pairs([]).unwrap(), Policy::default(), 1);
    let mut table = Table::new(&leases.shared);
    let most = 3 * CANDIDATES;
    let cleared: Vec<usize> = (0..most).map(|_| leases.enter(&mut table, most)).collect();
    cleared.iter().for_each(|place| table.clear(*place));
    // Places are used again, the last one first: the longest silent has the highest.
    let entered: Vec<usize> = (0..most).map(|_| leases.enter(&mut table, most)).collect();
    let later = Instant::now() + Duration::from_secs(3600);
    let spared: Vec<usize> = (0..most)
        .map(|_| {
            let place = table.best_spared(Claim::Request, later, &rules).unwrap().1;
            table.clear(place);
            place
        })
        .collect();
    assert_eq!(spared, entered);
}
