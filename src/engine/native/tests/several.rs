//! What holds for several reactors and not for one.

use super::*;
use crate::engine::pace::GRACE;

const REACTORS: usize = 3;

/// An engine whose reactors are pulled one by one.
fn apart(settings: &[(&str, &str)]) -> Box<dyn Engine> {
    let config = settings.iter().copied().chain([("REACTORS", "3")]);
    let config = Config::from_pairs(config).unwrap();
    let localhost = Some(Ipv4Addr::LOCALHOST.into());
    let listener = listen::bind(localhost, 0, PeerTimeout::of(&config)).unwrap();
    start(listener, &config, Policy::default()).unwrap()
}

/// What is ready there, once nothing more comes for a moment.
fn pull_from(engine: &dyn Engine, reactor: usize) -> Vec<Ready> {
    let mut ready = Vec::new();
    let until = Instant::now() + MOMENT;
    while engine.pull(reactor, Some(until), &mut ready) == Pulled::Open && Instant::now() < until {}
    ready
}

#[test]
fn each_reactor_has_its_part_of_the_connections() {
    let engine = apart(&[]);
    assert_eq!(engine.reactors(), REACTORS);
    let clients: Vec<Client> = (0..9).map(|_| ask(&*engine)).collect();
    let counts: Vec<usize> = (0..REACTORS)
        .map(|reactor| {
            let ready = pull_from(&*engine, reactor);
            let count = ready.len();
            for one in ready {
                let Ready::Request(exchange) = one else {
                    panic!("no request")
                };
                answer(exchange);
            }
            count
        })
        .collect();
    assert_eq!(counts, [3; REACTORS]);
    assert_eq!(engine.occupancy().connections.all(), 9);
    drop(clients);
}

/// Nobody drives the others meanwhile, which have not taken in what came back from the pool.
#[test]
fn the_longest_idle_makes_room_for_a_newcomer_whichever_reactor_has_it() {
    let engine = apart(&[("MAX_CONNECTIONS", "6")]);
    let mut clients: Vec<Client> = (0..6).map(|_| connect(&*engine)).collect();
    pull_from(&*engine, 0);
    for (index, client) in clients.iter_mut().enumerate() {
        client.write_all(GET).unwrap();
        let mut ready = pull_from(&*engine, index % REACTORS);
        let Some(Ready::Request(exchange)) = ready.pop() else {
            panic!("no request")
        };
        answer(exchange);
        expect_answer(client);
    }
    let mut newcomers = Vec::new();
    for longest_idle in &mut clients {
        assert!(!is_closed(longest_idle), "it was not its turn");
        let mut newcomer = ask(&*engine);
        // Those beyond the limit are the first reactor's until they have a place, and stay there.
        let mut ready = pull_from(&*engine, 0);
        let Some(Ready::Request(exchange)) = ready.pop() else {
            panic!("no request")
        };
        assert!(!exchange.is_reserve());
        answer(exchange);
        expect_answer(&mut newcomer);
        assert!(is_closed(longest_idle), "another was closed");
        newcomers.push(newcomer);
    }
}

#[test]
fn an_upload_that_stalls_at_one_reactor_gives_way_to_one_that_is_whole_at_another() {
    const SIZE: usize = 100_000;
    // Requests may hold 128 KiB together.
    let engine = apart(&[("BUFFER_MEMORY", "256KiB"), ("MIN_BODY_RATE", "1MiB")]);
    let head = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n");
    let mut stalled = connect(&*engine);
    stalled.write_all(head.as_bytes()).unwrap();
    stalled.write_all(&vec![b'x'; SIZE - 1]).unwrap();
    let mut whole = connect(&*engine);
    assert!(pull_from(&*engine, 0).is_empty());
    // It is behind the least rate, and has been for long enough.
    thread::sleep(GRACE + 5 * MOMENT);
    whole.write_all(head.as_bytes()).unwrap();
    whole.write_all(&vec![b'x'; SIZE]).unwrap();
    let mut ready = pull_from(&*engine, 1);
    let Some(Ready::Request(exchange)) = ready.pop() else {
        panic!("it was refused")
    };
    answer(exchange);
    expect_answer(&mut whole);
    // Is told 408.
    expect_answer(&mut stalled);
}

#[test]
fn a_reactor_that_has_no_connections_left_is_closed_in_a_drain_and_the_others_go_on() {
    let engine = apart(&[]);
    let mut clients: Vec<Client> = (0..REACTORS).map(|_| ask(&*engine)).collect();
    let mut ready: Vec<Vec<Ready>> = (0..REACTORS)
        .map(|reactor| pull_from(&*engine, reactor))
        .collect();
    engine.stop_accepting();
    let pull = |reactor| engine.pull(reactor, Some(Instant::now()), &mut Vec::new());
    for reactor in (0..REACTORS).rev() {
        assert_eq!(pull(reactor), Pulled::Open, "its request is with a worker");
        let Some(Ready::Request(exchange)) = ready[reactor].pop() else {
            panic!("no request")
        };
        answer(exchange);
        expect_answer(&mut clients[reactor]);
        let began = Instant::now();
        while pull(reactor) == Pulled::Open {
            assert!(began.elapsed() < NEVER, "it stays open for nobody");
        }
    }
}

#[test]
fn what_one_reactor_waits_for_another_may_hold_and_neither_waits_for_the_other() {
    // Two at a time want room from each other, all the time.
    let engine = apart(&[("MAX_CONNECTIONS", "3"), ("BUFFER_MEMORY", "64KiB")]);
    let until = Instant::now() + 10 * MOMENT;
    thread::scope(|scope| {
        let engine = &*engine;
        let pulling = (0..REACTORS).map(|reactor| {
            scope.spawn(move || {
                while Instant::now() < until {
                    for one in pull_from(engine, reactor) {
                        if let Ready::Request(exchange) = one {
                            answer(exchange);
                        }
                    }
                }
            })
        });
        let _pulling: Vec<_> = pulling.collect();
        let upload = [
            &b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 30000\r\n\r\n"[..],
            &[b'x'; 30_000],
        ]
        .concat();
        for _ in 0..8 {
            let upload = upload.clone();
            scope.spawn(move || {
                while Instant::now() < until {
                    // Refused or closed, as it may be, or not answered any more: what counts is that all come to an end.
                    let mut client = connect(engine);
                    client.set_read_timeout(Some(MOMENT)).unwrap();
                    let sent = client.write_all(&upload);
                    let _told = sent.and_then(|()| read(&mut client, &mut [0; 1024]));
                }
            });
        }
    });
    assert!(until.elapsed() < NEVER, "they waited for each other");
}
