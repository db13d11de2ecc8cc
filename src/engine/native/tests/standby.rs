//! What a thread leaves behind that comes back with requests, and is gone with them for who knows how long: it is for who
//! stands by, whose wait has begun before and ends for it. Nothing else would end it but the next look at leases, which is
//! a second away.

use super::*;
use crate::message::body::Body;

/// Less than the next look, and far more than what is left behind waits for.
const SOON: Duration = Duration::from_millis(500);

/// A wait and a turn of the thread that leads, while another stands by. What comes back with it.
fn lead(engine: &Native, meanwhile: impl FnOnce()) -> Vec<Ready> {
    let one = &engine.loops[0];
    let mut ready = Vec::new();
    let _standby = one.shared.begin_wait();
    let Some(Wait::Events(_, mut events)) = one.reactor().prepare(None, &mut ready) else {
        panic!("nobody else leads");
    };
    meanwhile();
    one.waiter.wait(None, &mut events);
    assert!(one.reactor().turn(Some(events), None, &mut ready));
    ready
}

/// How long the standby's wait lasts from now on.
fn standby_sleeps(engine: &Native) -> Duration {
    let began = Instant::now();
    engine.loops[0].waiter.wait(None, &mut Default::default());
    began.elapsed()
}

fn idle_engine() -> (Native, Client) {
    let engine = native_with(&Config::default(), Policy::default(), 1);
    let client = idle(&engine);
    (engine, client)
}

#[test]
fn requests_that_one_turn_has_no_room_for_are_taken_at_once_by_who_stands_by() {
    const CONNECTIONS: usize = 8;
    let (engine, _) = idle_engine();
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| idle(&engine)).collect();
    let head = "POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 50000\r\n\r\n";
    let upload = [head.as_bytes(), &[b'x'; 50_000]].concat();
    let ready = lead(&engine, || {
        let send = |client: &mut Client| client.write_all(&upload).unwrap();
        clients.iter_mut().for_each(send);
    });
    assert!((1..CONNECTIONS).contains(&ready.len()), "{}", ready.len());
    let slept = standby_sleeps(&engine);
    assert!(slept < SOON, "{slept:?}");
    requests(&engine, CONNECTIONS - ready.len());
}

#[test]
fn what_the_leader_was_woken_for_is_taken_at_once_by_who_stands_by() {
    let (engine, mut client) = idle_engine();
    let mut other = idle(&engine);
    client.write_all(GET).unwrap();
    let exchange = requests(&engine, 1).remove(0);
    client.write_all(GET).unwrap();
    assert!(pull_for(&engine, MOMENT).is_empty(), "it has its turn");
    let ready = lead(&engine, || {
        answer(exchange);
        other.write_all(GET).unwrap();
    });
    assert_eq!(ready.len(), 1, "the other's");
    let slept = standby_sleeps(&engine);
    assert!(slept < SOON, "{slept:?}");
    requests(&engine, 1);
}

#[test]
fn memory_that_is_freed_in_pieces_is_freed_on_by_who_stands_by() {
    let (engine, mut client) = idle_engine();
    let mut slow = ask(&engine);
    let exchange = requests(&engine, 1).remove(0);
    let response = Response {
        body: Body::Bytes(vec![b'x'; 64 << 20]),
        ..Response::new(StatusCode::OK)
    };
    exchange.respond(response, true);
    pull_for(&engine, MOMENT);
    let ready = lead(&engine, || {
        read(&mut slow, &mut [0; 1024]).unwrap();
        drop(slow);
        client.write_all(GET).unwrap();
    });
    assert_eq!(ready.len(), 1);
    let slept = standby_sleeps(&engine);
    assert!(slept < SOON, "{slept:?}");
}

#[test]
fn where_nothing_is_left_behind_who_stands_by_sleeps_on() {
    let (engine, mut client) = idle_engine();
    let ready = lead(&engine, || client.write_all(GET).unwrap());
    assert_eq!(ready.len(), 1);
    let slept = standby_sleeps(&engine);
    assert!(slept >= SOON, "{slept:?}");
}
