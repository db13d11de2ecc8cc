//! More connections than there may be: who goes for whom.

use super::*;
use crate::message::body::Body;

/// After so long, one that says nothing may be closed for another.
const SILENT: Duration = Duration::from_millis(1100);

/// A newcomer beyond the limit is let go after a second; what has to happen before is judged where it took less.
const NOT_YET: Duration = Duration::from_millis(900);

/// The connections that the server has closed, by their index.
fn closed(clients: &mut [Client]) -> Vec<usize> {
    let closed = clients.iter_mut().map(is_closed).enumerate();
    closed
        .filter_map(|(index, closed)| closed.then_some(index))
        .collect()
}

/// Pulls until the server has closed these, by their index, and nobody else.
#[track_caller]
fn expect_closed(engine: &dyn Engine, clients: &mut [Client], these: &[usize]) {
    let began = Instant::now();
    while closed(clients) != these && began.elapsed() < NEVER {
        pull_for(engine, MOMENT / 10);
    }
    assert_eq!(closed(clients), these);
}

#[test]
fn newcomers_close_those_who_never_said_a_word_and_nobody_else() {
    let engine = engine("MAX_CONNECTIONS", "20");
    let mut idle: Vec<Client> = (0..10).map(|_| idle(&*engine)).collect();
    let mut silent: Vec<Client> = (0..10).map(|_| connect(&*engine)).collect();
    pull_for(&*engine, SILENT);
    assert!(closed(&mut silent).is_empty(), "nobody needs their places");
    let mut newcomers: Vec<Client> = (0..8).map(|_| connect(&*engine)).collect();
    // The oldest first.
    expect_closed(&*engine, &mut silent, &[0, 1, 2, 3, 4, 5, 6, 7]);
    pull_for(&*engine, MOMENT);
    assert_eq!(closed(&mut silent).len(), 8);
    assert!(closed(&mut idle).is_empty() && closed(&mut newcomers).is_empty());
}

#[test]
fn newcomers_who_say_nothing_close_nobody_who_has_had_a_request() {
    let engine = engine("MAX_CONNECTIONS", "5");
    let mut idle: Vec<Client> = (0..5).map(|_| idle(&*engine)).collect();
    let mut silent: Vec<Client> = (0..40).map(|_| connect(&*engine)).collect();
    pull_for(&*engine, MOMENT);
    assert!(closed(&mut idle).is_empty());
    // One who has something to say is heard all the same, and takes the place of the longest idle.
    let mut speaks = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    assert!(!exchange.is_reserve());
    answer(exchange);
    expect_answer(&mut speaks);
    expect_closed(&*engine, &mut idle, &[0]);
    // Beyond the limit there is room for a few, and for a second.
    assert!(closed(&mut silent).len() >= 40 - 16);
    let all: Vec<usize> = (0..40).collect();
    expect_closed(&*engine, &mut silent, &all);
    assert_eq!(closed(&mut idle), [0]);
}

#[test]
fn whoever_was_refused_and_lingers_is_the_first_to_go() {
    let engine = engine("MAX_CONNECTIONS", "20");
    let mut idle: Vec<Client> = (0..5).map(|_| idle(&*engine)).collect();
    let mut silent: Vec<Client> = (0..5).map(|_| connect(&*engine)).collect();
    pull_for(&*engine, SILENT);
    let mut refused: Vec<Client> = (0..10).map(|_| connect(&*engine)).collect();
    for client in &mut refused {
        client.write_all(b"no request\r\n\r\n").unwrap();
    }
    pull_for(&*engine, MOMENT);
    refused.iter_mut().for_each(expect_answer);
    // It has had its time to read that, and goes on sending.
    pull_for(&*engine, SILENT);
    for client in &mut refused {
        client.write_all(&[b'x'; 1000]).unwrap();
    }
    let mut newcomers: Vec<Client> = (0..10).map(|_| ask(&*engine)).collect();
    let exchanges = requests(&*engine, 10);
    assert!(exchanges.iter().all(|exchange| !exchange.is_reserve()));
    exchanges.into_iter().for_each(answer);
    newcomers.iter_mut().for_each(expect_answer);
    assert_eq!(closed(&mut idle).len() + closed(&mut silent).len(), 0);
}

#[test]
fn one_newcomer_closes_one_connection() {
    in_time(|| {
        let engine = engine("MAX_CONNECTIONS", "4");
        let mut clients: Vec<Client> = (0..4).map(|_| ask(&*engine)).collect();
        let exchanges = requests(&*engine, 4);
        let began = Instant::now();
        // As many more as are let in beyond the limit, while all others are busy.
        let mut beyond: Vec<Client> = (0..16).map(|_| connect(&*engine)).collect();
        pull_for(&*engine, MOMENT);
        exchanges.into_iter().for_each(answer);
        clients.iter_mut().for_each(expect_answer);
        let _newcomer = ask(&*engine);
        let exchange = requests(&*engine, 1).remove(0);
        let is_in_time = began.elapsed() < NOT_YET;
        let has_place = !exchange.is_reserve();
        // The first is for being let in at all, where all those are silent; the other for its request.
        is_in_time.then(|| {
            assert!(has_place);
            expect_end(&mut beyond[0]);
            // Of several reactors, it is one of the newcomer's.
            let waited = Instant::now();
            while closed(&mut clients).is_empty() && waited.elapsed() < NEVER {
                thread::sleep(MOMENT / 100);
            }
            assert_eq!(closed(&mut clients).len(), 1);
        })?;
        let others = closed(&mut beyond[1..]);
        (began.elapsed() < NOT_YET).then(|| assert!(others.is_empty(), "{others:?}"))
    });
}

#[test]
fn nobody_is_closed_for_a_newcomer_who_is_not_there() {
    in_time(|| {
        let engine = engine("MAX_CONNECTIONS", "1");
        let mut first = ask(&*engine);
        let exchange = requests(&*engine, 1).remove(0);
        let began = Instant::now();
        let mut beyond: Vec<Client> = (0..16).map(|_| connect(&*engine)).collect();
        pull_for(&*engine, 2 * MOMENT);
        let before = closed(&mut beyond);
        answer(exchange);
        expect_answer(&mut first);
        pull_for(&*engine, 2 * MOMENT);
        let after = (closed(&mut beyond), is_closed(&mut first));
        (began.elapsed() < NOT_YET).then(|| {
            assert!(before.is_empty(), "{before:?}");
            assert!(after.0.is_empty() && !after.1, "{after:?}");
        })
    });
}

#[test]
fn beyond_the_limit_the_oldest_goes_first_whatever_place_it_has() {
    in_time(|| {
        let engine = engine("MAX_CONNECTIONS", "1");
        let _busy = ask(&*engine);
        let _exchange = requests(&*engine, 1).remove(0);
        let began = Instant::now();
        let mut beyond: Vec<Client> = (0..16).map(|_| connect(&*engine)).collect();
        pull_for(&*engine, MOMENT);
        // The third leaves, and a newcomer has its place.
        drop(beyond.remove(2));
        pull_for(&*engine, MOMENT);
        let mut newest = connect(&*engine);
        pull_for(&*engine, MOMENT);
        let _newcomers: Vec<Client> = (0..5).map(|_| connect(&*engine)).collect();
        pull_for(&*engine, MOMENT);
        let seen = (closed(&mut beyond), is_closed(&mut newest));
        (began.elapsed() < NOT_YET).then(|| assert_eq!(seen, (vec![0, 1, 2, 3, 4], false)))
    });
}

#[test]
fn one_client_cannot_hold_every_place_with_heads_that_never_end() {
    let (engine, mut heads) = in_time(|| {
        let engine = engine("MAX_CONNECTIONS", "3");
        let began = Instant::now();
        let heads = [20, 2, 10].map(|bytes| {
            let mut client = connect(&*engine);
            client.write_all(&GET[..bytes]).unwrap();
            client
        });
        pull_for(&*engine, MOMENT);
        let _early = ask(&*engine);
        let exchange = requests(&*engine, 1).remove(0);
        let has_place = !exchange.is_reserve();
        exchange.respond(Response::new(StatusCode::OK), true);
        (began.elapsed() < NOT_YET).then(|| {
            assert!(!has_place, "they have had no time yet");
            (engine, heads)
        })
    });
    pull_for(&*engine, SILENT);
    let _late = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    assert!(!exchange.is_reserve());
    // The slowest makes room.
    expect_closed(&*engine, &mut heads, &[1]);
}

#[test]
fn one_client_cannot_hold_every_place_with_bodies_and_answers_that_never_end() {
    let engine = engine("MAX_CONNECTIONS", "3");
    let mut idle = idle(&*engine);
    let mut reads_nothing = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    let body = Body::Bytes(vec![b'x'; 32 << 20]);
    let endless = Response {
        body,
        ..Response::new(StatusCode::OK)
    };
    exchange.respond(endless, false);
    let mut body = connect(&*engine);
    body.write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n1")
        .unwrap();
    pull_for(&*engine, Duration::from_millis(5300));
    let began = Instant::now();
    let mut newcomers = [connect(&*engine), connect(&*engine), connect(&*engine)];
    // The upload makes way.
    expect_closed(&*engine, std::slice::from_mut(&mut body), &[0]);
    let closed = closed(&mut newcomers);
    assert!(closed.is_empty() || began.elapsed() > NOT_YET, "{closed:?}");
    pull_for(&*engine, MOMENT);
    let cut = reads_nothing.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(cut.kind(), io::ErrorKind::ConnectionReset, "{cut}");
    assert!(!is_closed(&mut idle), "it has done nothing wrong");
}

#[test]
fn a_request_that_has_arrived_is_answered_where_its_connection_looked_silent() {
    // More than one wait tells of.
    const CONNECTIONS: usize = 70;
    let engine = engine("MAX_CONNECTIONS", "70");
    let mut silent: Vec<Client> = (0..CONNECTIONS).map(|_| connect(&*engine)).collect();
    pull_for(&*engine, SILENT);
    // The newcomers are told of first, and there are as many as silent ones of whom nothing is told.
    let _newcomers: Vec<Client> = (0..7).map(|_| connect(&*engine)).collect();
    for client in &mut silent {
        client.write_all(GET).unwrap();
    }
    let exchanges = requests(&*engine, CONNECTIONS);
    exchanges.into_iter().for_each(answer);
    silent.iter_mut().for_each(expect_answer);
}

#[test]
fn a_connection_that_is_idle_now_makes_room_where_none_did_a_moment_ago() {
    let engine = engine("MAX_CONNECTIONS", "1");
    // Nothing is tried again for 100 ms where it was in vain: more than this takes, but not always.
    for _ in 0..5 {
        let mut busy = ask(&*engine);
        let exchange = requests(&*engine, 1).remove(0);
        let _refused = ask(&*engine);
        let refused = requests(&*engine, 1).remove(0);
        assert!(refused.is_reserve());
        refused.respond(Response::new(StatusCode::OK), true);
        answer(exchange);
        expect_answer(&mut busy);
        let _served = ask(&*engine);
        let served = requests(&*engine, 1).remove(0);
        assert!(
            !served.is_reserve(),
            "an idle connection has kept its place"
        );
        served.respond(Response::new(StatusCode::OK), true);
    }
}

/// Asks on a new connection, which is answered and stays; it must have been given an ordinary place.
#[track_caller]
fn newcomer(engine: &dyn Engine) -> Client {
    let mut client = ask(engine);
    let exchange = requests(engine, 1).remove(0);
    assert!(!exchange.is_reserve(), "others could have made room");
    answer(exchange);
    expect_answer(&mut client);
    client
}

#[test]
fn one_that_has_just_been_served_is_not_taken_for_the_longest_idle() {
    let engine = engine("MAX_CONNECTIONS", "3");
    // Who could make room is looked up for 100 ms, which is longer than this takes, but not always.
    for _ in 0..5 {
        let mut idle = [newcomer(&*engine), newcomer(&*engine), newcomer(&*engine)];
        let _first = newcomer(&*engine);
        expect_end(&mut idle[0]);
        idle[1].write_all(GET).unwrap();
        requests(&*engine, 1).into_iter().for_each(answer);
        expect_answer(&mut idle[1]);
        let _second = newcomer(&*engine);
        // It was the longest idle by then.
        expect_end(&mut idle[2]);
        assert!(!is_closed(&mut idle[1]));
    }
}

#[test]
fn where_all_who_could_make_room_have_gone_others_are_looked_for() {
    let engine = engine("MAX_CONNECTIONS", "2");
    for _ in 0..5 {
        let mut idle = [newcomer(&*engine), newcomer(&*engine)];
        let mut third = newcomer(&*engine);
        let mut busy = ask(&*engine);
        let exchange = requests(&*engine, 1).remove(0);
        idle.iter_mut().for_each(expect_end);
        let _fifth = newcomer(&*engine);
        expect_end(&mut third);
        answer(exchange);
        expect_answer(&mut busy);
    }
}
