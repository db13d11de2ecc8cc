//! What a drain does to what is there and to what still comes.

use super::*;
use crate::{engine::native::connection::invariants::flows, message::body::Body};

/// Pulls until the engine is closed, and answers all that comes. How many were answered so, and how many were beyond
/// the limit.
fn drain(engine: &dyn Engine) -> (usize, usize) {
    let (mut served, mut beyond) = (0, 0);
    let mut ready = Vec::new();
    let began = Instant::now();
    while engine.pull(0, Some(Instant::now() + NEVER), &mut ready) == Pulled::Open {
        assert!(began.elapsed() < NEVER, "it never ends");
        for one in ready.drain(..) {
            let Ready::Request(exchange) = one else {
                panic!("a stream")
            };
            match exchange.is_reserve() {
                true => beyond += 1,
                false => served += 1,
            }
            exchange.respond(Response::new(StatusCode::OK), true);
        }
    }
    (served, beyond)
}

#[test]
fn a_request_that_has_arrived_when_the_drain_closes_idle_connections_is_answered() {
    let engine = engine("PORT", "0");
    let mut client = idle(&*engine);
    client.write_all(GET).unwrap();
    engine.stop_accepting();
    assert_eq!(drain(&*engine), (1, 0));
    expect_answer(&mut client);
}

#[test]
fn a_request_that_arrived_while_the_one_before_was_answered_is_not_lost_in_a_drain() {
    let engine = engine("PORT", "0");
    let mut client = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    engine.stop_accepting();
    pull_for(&*engine, MOMENT);
    // Begun before the drain, so its answer does not say that it is the last.
    client.write_all(GET).unwrap();
    answer(exchange);
    assert_eq!(drain(&*engine), (1, 0));
    expect_answer(&mut client);
}

#[test]
fn the_backlog_is_served_within_the_limit_before_the_listener_closes() {
    const BACKLOG: usize = 30;
    let engine = engine("MAX_CONNECTIONS", "2");
    let mut clients: Vec<Client> = (0..BACKLOG).map(|_| ask(&*engine)).collect();
    engine.stop_accepting();
    let mut ready = Vec::new();
    engine.pull(0, Some(Instant::now() + NEVER), &mut ready);
    pull_for(&*engine, MOMENT);
    assert!((1..=2).contains(&ready.len()), "{} at once", ready.len());
    for one in ready.drain(..) {
        if let Ready::Request(exchange) = one {
            exchange.respond(Response::new(StatusCode::OK), true);
        }
    }
    drain(&*engine);
    clients.iter_mut().for_each(expect_answer);
    assert!(Client::connect(engine.local_addr()).is_err());
}

#[test]
fn where_no_place_becomes_free_the_backlog_is_told_so_and_not_cut() {
    const BACKLOG: usize = 40;
    let engine = engine("MAX_CONNECTIONS", "1");
    let mut busy = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    let mut clients: Vec<Client> = (0..BACKLOG).map(|_| ask(&*engine)).collect();
    engine.stop_accepting();
    let began = Instant::now();
    let mut told = 0;
    while told < BACKLOG {
        let mut ready = Vec::new();
        engine.pull(0, Some(began + NEVER), &mut ready);
        assert!(began.elapsed() < NEVER, "{told} of {BACKLOG}");
        for one in ready {
            if let Ready::Request(exchange) = one {
                assert!(exchange.is_reserve(), "the only place is taken");
                exchange.respond(Response::new(StatusCode::SERVICE_UNAVAILABLE), true);
                told += 1;
            }
        }
    }
    clients.iter_mut().for_each(expect_answer);
    exchange.respond(Response::new(StatusCode::OK), true);
    expect_answer(&mut busy);
    assert_eq!(drain(&*engine), (0, 0));
}

#[test]
fn what_has_arrived_when_the_deadline_cuts_is_counted() {
    let engine = engine("PORT", "0");
    let mut whole = connect(&*engine);
    let mut half = connect(&*engine);
    let _silent = connect(&*engine);
    pull_for(&*engine, MOMENT);
    whole.write_all(GET).unwrap();
    half.write_all(&GET[..10]).unwrap();
    let cut = engine.cut();
    assert_eq!((cut.receiving, cut.sending.len()), (2, 0));
}

#[test]
fn an_upload_that_is_cut_is_counted_whatever_has_come_of_it_by_then() {
    for rest in ["", "5\r\nhello\r\n", "0\r\n\r\n", "no chunk\r\n"] {
        let engine = native_with(&Config::default(), flows::policy(), 1);
        let mut client = connect(&engine);
        let head = "POST /flow HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.write_all(head.as_bytes()).unwrap();
        let exchange = requests(&engine, 1).remove(0);
        exchange.let_body_come(flows::begun(Instant::now()));
        assert!(
            pull_for(&engine, MOMENT).is_empty(),
            "nothing of it is there"
        );
        client.write_all(rest.as_bytes()).unwrap();
        let cut = engine.cut();
        let counted = (cut.receiving, cut.sending.len(), cut.uploading.len());
        assert_eq!(counted, (0, 0, 1), "{rest:?}");
    }
}

#[test]
fn a_response_whose_client_has_read_what_there_was_is_sent_on_when_all_is_cut() {
    let engine = engine("PORT", "0");
    let mut client = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    // More than the socket takes at once, and what is left is more than one turn.
    let mut size = 0;
    let body = vec![b'x'; 64 << 20];
    let length = body.len();
    let response = Response {
        body: Body::Bytes(body),
        ..Response::new(StatusCode::OK)
    };
    exchange.respond(response, true);
    pull_for(&*engine, MOMENT);
    let mut piece = vec![0; 1 << 20];
    client.set_read_timeout(Some(MOMENT)).unwrap();
    while let Ok(count) = read(&mut client, &mut piece) {
        assert_ne!(count, 0, "it was cut before its time");
        size += count;
    }
    let cut = engine.cut();
    assert_eq!(cut.sending.len(), 1);
    client.set_read_timeout(Some(NEVER)).unwrap();
    let before = size;
    while let Ok(count) = read(&mut client, &mut piece) {
        if count == 0 {
            break;
        }
        size += count;
    }
    assert!(
        size < length && size - before > 200_000,
        "{before}, {size} of {length}"
    );
}
