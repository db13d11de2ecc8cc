//! Events that a thread brings late: it was not running while another dealt with their connection, and a next one has its
//! place by then.

use super::{events::Events, *};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A client's end that has been waited for and not been told the reactor yet, which has done with that client otherwise.
/// Then the next client's request, from the same place.
fn late_end() -> (Native, Box<Events>, Client, Box<dyn Exchange>) {
    let config = Config::from_pairs([("REACTORS", "1")]).unwrap();
    let localhost = Some(Ipv4Addr::LOCALHOST.into());
    let listener = listen::bind(localhost, 0, PeerTimeout::of(&config)).unwrap();
    let engine = Native::new(listener, &config, Policy::default()).unwrap();
    let client = ask(&engine);
    let exchange = requests(&engine, 1).remove(0);
    drop(client);
    let mut late = Box::<Events>::default();
    while !late.iter().any(|event| event.is_read_closed) {
        engine.loops[0].waiter.wait(None, &mut late);
    }
    drop(exchange);
    let next = ask(&engine);
    let exchange = requests(&engine, 1).remove(0);
    assert_eq!(engine.occupancy().connections.all(), 1);
    (engine, late, next, exchange)
}

fn bring(engine: &Native, late: Box<Events>) {
    let mut ready = Vec::new();
    let until = Some(Instant::now());
    engine.loops[0]
        .reactor()
        .turn(Some(late), until, &mut ready);
    assert!(ready.is_empty());
}

#[test]
fn a_handler_is_not_told_that_its_client_has_gone_when_the_one_before_at_its_place_has() {
    let (engine, late, mut client, mut exchange) = late_end();
    let has_gone = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&has_gone);
    exchange.watch_client(Box::new(move || {
        told.store(true, SeqCst);
        None
    }));
    bring(&engine, late);
    assert!(!has_gone.load(SeqCst));
    answer(exchange);
    expect_answer(&mut client);
}

#[test]
fn a_stream_of_events_is_not_cut_because_the_client_before_at_its_place_has_gone() {
    let (engine, late, mut client, exchange) = late_end();
    let (sender, response) = Response::events(4);
    exchange.respond(response, false);
    assert!(pull_for(&engine, MOMENT).is_empty());
    expect_answer(&mut client);
    bring(&engine, late);
    sender.send("an event").unwrap();
    assert!(pull_for(&engine, MOMENT).is_empty());
    let mut sent = [0; 1024];
    let count = read(&mut client, &mut sent).unwrap();
    let text = String::from_utf8_lossy(&sent[..count]);
    assert!(text.contains("an event"), "it was cut: {text:?}");
}
