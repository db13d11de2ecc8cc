//! Streams of events, and what is broadcast to many.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Broadcast, Ending, Event, Lagging, Request, Response, Sender, Service, layers};

use crate::library::end;
use crate::pushed::read_until;
use crate::service::serve_with;
use crate::support::{
    Broken, Client, Engine, PATIENCE, Resources, Times, Watch, allow_descriptors, eventually, note,
};

both_engines! {
    events_go_over_the_wire_as_the_standard_has_them,
    a_client_that_comes_back_says_what_it_has_seen,
    a_stream_without_events_is_kept_awake: long,
    a_stream_ends_whole_as_soon_as_the_listener_is_closed,
    a_broadcast_reaches_every_subscriber,
    who_lags_behind_is_cut_or_skipped_as_was_chosen,
    five_hundred_clients_get_each_broadcast_on_eight_workers: alone,
    nine_thousand_clients_get_each_broadcast_on_eight_workers: long,
    probes_are_answered_at_once_while_slow_readers_take_a_broadcast: alone,
}

const GET: &str = "GET /events HTTP/1.1\r\nHost: test\r\n\r\n";

fn events() -> (Service, mpsc::Receiver<Sender<Event>>) {
    let (give, senders) = mpsc::channel();
    let service = Service::new("test").get("/events", move |_: &Request| {
        let (sender, response) = Response::events(16);
        give.send(sender).expect("the test wants it");
        response
    });
    (service, senders)
}

fn events_go_over_the_wire_as_the_standard_has_them(engine: Engine) {
    let (service, senders) = events();
    #[cfg(feature = "compression")]
    let service = service.layer(layers::compression());
    let service = service.layer(layers::request_id());
    let running = serve_with(service, engine, &[]);
    let mut client = Client::connect(running.addr());
    client.send("GET /events HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\n\r\n");
    let sender = senders.recv_timeout(PATIENCE).unwrap();
    let first = Event::new("two\nlines").id("1").name("greeting");
    sender.send(first.retry(Duration::from_secs(2))).unwrap();
    sender.send("plain").unwrap();
    sender.finish();
    let answer = client.response().expect(200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("content-encoding"), None);
    let expected = "id: 1\nevent: greeting\nretry: 2000\ndata: two\ndata: lines\n\ndata: plain\n\n";
    assert_eq!(answer.text(), expected);
    end(running);
}

fn a_client_that_comes_back_says_what_it_has_seen(engine: Engine) {
    let log = Arc::new(["a", "b", "c"]);
    let service = Service::new("test").get("/events", move |request: &Request| {
        let seen = request.last_event_id().map_or(0, |id| id.parse().unwrap());
        let (sender, response) = Response::events(16);
        for (id, data) in log.iter().enumerate().skip(seen) {
            sender
                .send(Event::new(*data).id((id + 1).to_string()))
                .unwrap();
        }
        sender.finish();
        response
    });
    let running = serve_with(service, engine, &[]);
    for (seen, expected) in [
        ("", "id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n"),
        ("Last-Event-ID: 2\r\n", "id: 3\ndata: c\n\n"),
        ("last-event-id: 3\r\n", ""),
    ] {
        let mut client = Client::connect(running.addr());
        client.send(format!("GET /events HTTP/1.1\r\nHost: test\r\n{seen}\r\n"));
        assert_eq!(client.response().expect(200).text(), expected);
    }
    end(running);
}

fn a_stream_without_events_is_kept_awake(engine: Engine) {
    let (service, senders) = events();
    let running = serve_with(service, engine, &[("WRITE_TIMEOUT", "2s")]);
    let mut client = Client::connect(running.addr());
    client.send(GET);
    let sender = senders.recv_timeout(PATIENCE).unwrap();
    read_until(&mut client, b"\r\n\r\n");
    let begun = Instant::now();
    assert_eq!(client.exactly(8).unwrap(), b"3\r\n:\n\n\r\n");
    assert!(begun.elapsed() > Duration::from_secs(14), "{begun:?}");
    sender.send("late").unwrap();
    read_until(&mut client, b"data: late\n\n\r\n");
    sender.finish();
    end(running);
}

fn a_stream_ends_whole_as_soon_as_the_listener_is_closed(engine: Engine) {
    const CLIENTS: usize = 100;
    let (service, senders) = events();
    let more = [("DRAIN_DELAY", "700ms"), ("SHUTDOWN_TIMEOUT", "20s")];
    let running = serve_with(service, engine, &more);
    let connect = |_| {
        let mut client = Client::connect(running.addr());
        client.send(GET);
        read_until(&mut client, b"\r\n\r\n");
        client
    };
    let mut clients: Vec<Client> = (0..CLIENTS).map(connect).collect();
    let to_all: Vec<_> = (0..CLIENTS).map(|_| senders.recv().unwrap()).collect();
    running.stop();
    // A client that were sent away now would come back to this same pod.
    thread::sleep(Duration::from_millis(200));
    for sender in &to_all {
        sender.send("in the delay").unwrap();
    }
    for client in &mut clients {
        read_until(client, b"data: in the delay\n\n\r\n");
        assert_eq!(client.exactly(5).unwrap(), b"0\r\n\r\n");
        client.expect_close();
    }
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert!(report.in_flight < Duration::from_secs(10), "{report:?}");
    if engine == Engine::Native {
        // Over a second, or all of them would come to the next pod at a time.
        assert!(report.in_flight > Duration::from_millis(900), "{report:?}");
    }
    assert_eq!(report.finished, CLIENTS as u64, "{report:?}");
    assert!(to_all.iter().all(Sender::is_closed));
}

/// A service whose `/events` subscribes to what is broadcast.
fn broadcasting(lagging: Lagging) -> (Service, Arc<Broadcast>) {
    let news: Arc<Broadcast> = Arc::new(Broadcast::new().lagging(lagging));
    let subscribed = Arc::clone(&news);
    let service =
        Service::new("test")
            .get("/", |_: &Request| "quick")
            .get("/events", move |_: &Request| {
                let (sender, response) = Response::events(4);
                subscribed.subscribe(sender);
                response
            });
    (service, news)
}

fn a_broadcast_reaches_every_subscriber(engine: Engine) {
    let (service, news) = broadcasting(Lagging::Cut);
    let running = serve_with(service, engine, &[]);
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(running.addr())).collect();
    for client in &mut clients {
        client.send(GET);
        read_until(client, b"\r\n\r\n");
    }
    assert_eq!(news.subscriber_count(), 20);
    assert_eq!(news.send("first"), 20);
    for client in &mut clients {
        read_until(client, b"data: first\n\n\r\n");
    }
    clients.truncate(15);
    eventually("those that have gone are not counted", || {
        news.send("more") == 15
    });
    news.finish();
    for client in &mut clients {
        read_until(client, b"data: more\n\n\r\n0\r\n\r\n");
    }
    assert_eq!(news.subscriber_count(), 0);
    end(running);
}

fn who_lags_behind_is_cut_or_skipped_as_was_chosen(engine: Engine) {
    for lagging in [Lagging::Cut, Lagging::Skip] {
        let (service, news) = broadcasting(lagging);
        let running = serve_with(service, engine, &[]);
        let mut quick = Client::connect(running.addr());
        quick.send(GET);
        read_until(&mut quick, b"\r\n\r\n");
        let mut slow = Client::connect_narrow(running.addr());
        slow.send(GET);
        eventually("both have subscribed", || news.subscriber_count() == 2);
        let large = "x".repeat(100_000);
        let begun = Instant::now();
        while news.send(Event::new(large.clone())) == 2 {
            while !quick.chunk().expect("a part of it").ends_with(b"x\n\n") {}
            assert!(begun.elapsed() < PATIENCE, "never lags");
        }
        let left = match lagging {
            Lagging::Cut => 1,
            Lagging::Skip => 2,
        };
        assert_eq!(news.subscriber_count(), left);
        news.send("last");
        while !quick
            .chunk()
            .expect("the rest")
            .ends_with(b"data: last\n\n")
        {}
        news.finish();
        match (lagging, slow.try_response()) {
            (Lagging::Cut, Err(Broken::Cut(_))) | (Lagging::Skip, Ok(_)) => {}
            other => panic!("{other:?}"),
        }
        drop(quick);
        running.stop();
        let _ = running.wait();
    }
}

fn five_hundred_clients_get_each_broadcast_on_eight_workers(engine: Engine) {
    broadcast_to(500, engine);
}

fn nine_thousand_clients_get_each_broadcast_on_eight_workers(engine: Engine) {
    broadcast_to(9000, engine);
}

fn broadcast_to(many: usize, engine: Engine) {
    let many = match engine {
        Engine::Native => many,
        // Each has threads of its own.
        Engine::TinyHttp => many / 10,
    };
    allow_descriptors(2 * many as u64 + 200);
    let (service, news) = broadcasting(Lagging::Cut);
    let most = (many + 1000).to_string();
    let settings = [("WORKERS", "8"), ("MAX_CONNECTIONS", most.as_str())];
    let running = serve_with(service, engine, &settings);
    let before = Resources::own().memory;
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..many {
        let mut client = Client::connect(running.addr());
        client.send(GET);
        clients.push(client);
    }
    eventually("all have subscribed", || news.subscriber_count() == many);
    let grown = Resources::own().memory.saturating_sub(before) * 1024;
    note(&format!(
        "{} bytes for each of {many} clients, the test's own included",
        grown / many as u64
    ));
    if engine == Engine::Native && many >= 9000 {
        assert!(grown / (many as u64) < 4096, "{grown} bytes");
    }
    let times = Times::of_gets(running.addr(), "/", 50);
    assert!(times.median() < Duration::from_secs(2), "{times:?}");
    for round in 0..5 {
        assert_eq!(news.send(format!("round {round}")), many);
        for client in &mut clients {
            read_until(client, format!("data: round {round}\n\n\r\n").as_bytes());
        }
    }
    let begun = Instant::now();
    running.stop();
    for client in &mut clients {
        assert_eq!(client.exactly(5).unwrap(), b"0\r\n\r\n");
    }
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    // Two seconds by the contract, where nobody else wants these processors.
    assert!(begun.elapsed() < Duration::from_secs(10), "{report:?}");
}

fn probes_are_answered_at_once_while_slow_readers_take_a_broadcast(engine: Engine) {
    const SLOW: usize = 100;
    let slow = if engine == Engine::Native {
        SLOW
    } else {
        SLOW / 5
    };
    allow_descriptors(2 * SLOW as u64 + 200);
    let (service, news) = broadcasting(Lagging::Skip);
    let running = serve_with(service, engine, &[("WORKERS", "2")]);
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..slow {
        let mut client = Client::connect_narrow(running.addr());
        client.send(GET);
        read_until(&mut client, b"\r\n\r\n");
        clients.push(client);
    }
    let large = "x".repeat(100_000);
    eventually("nobody takes any more", || {
        news.send(Event::new(large.clone())) == 0
    });
    let watch = Watch::start(running.addr(), "/readyz");
    for _ in 0..50 {
        news.send(Event::new(large.clone()));
        thread::sleep(Duration::from_millis(10));
    }
    let times = watch.end();
    // 50 ms by the contract; who waited for a slow reader would wait for its WRITE_TIMEOUT.
    assert!(times.median() < Duration::from_secs(2), "{times:?}");
    drop(clients);
    drop(news);
    running.stop();
    let _ = running.wait();
}
