//! Answers that are given later: by whoever has the responder, when no worker is on the request any more.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::http::{HeaderValue, StatusCode, header};
use seaworthy::{
    Ending, Error, Next, Request, Responder, Response, Running, SendError, Service, layers,
};

use crate::library::end;
use crate::metrics::{labels, value};
use crate::pushed::read_until;
use crate::service::serve_with;
use crate::support::{
    Broken, Client, Engine, PATIENCE, Times, allow_descriptors, eventually, get, note,
};

pub(crate) mod unwanted;

both_engines! {
    an_answer_is_given_later_by_another_thread,
    an_answer_that_is_there_before_its_handler_returns_is_given_then,
    what_layers_set_applies_to_the_later_answer,
    what_is_not_answered_by_its_deadline_is_told_503,
    a_responder_that_is_dropped_answers_500,
    an_answer_may_be_a_stream_of_events,
    an_answer_that_is_written_is_sent_while_it_is_written_whatever_thread_has_made_it,
    an_answer_that_is_written_beyond_the_writers_there_are_is_seen_as_a_cut,
    a_responder_learns_that_its_client_has_gone,
    a_client_that_has_gone_leaves_its_place_although_every_worker_is_blocked,
    a_place_of_a_layer_is_free_once_it_is_answered,
    metrics_tell_of_the_answer_that_was_given,
    the_drain_waits_for_what_is_deferred,
    what_is_deferred_beyond_the_deadline_of_the_drain_is_named,
    five_hundred_long_polls_are_answered_by_one_thread: alone,
    nine_thousand_long_polls_are_answered_by_one_thread: long,
}

const GET: &str = "GET /later HTTP/1.1\r\nHost: test\r\n\r\n";

/// A service whose `/later` gives its responders to the test.
fn deferring(patience: &'static str) -> (Service, mpsc::Receiver<Responder>) {
    let (give, responders) = mpsc::channel();
    let service =
        Service::new("test")
            .get("/", |_: &Request| "quick")
            .get("/later", move |_: &Request| {
                let (responder, response) = Response::deferred(patience);
                give.send(responder).expect("the test wants it");
                response
            });
    (service, responders)
}

fn next(responders: &mpsc::Receiver<Responder>) -> Responder {
    responders.recv_timeout(PATIENCE).expect("the handler ran")
}

fn ask(running: &Running) -> Client {
    let mut client = Client::connect(running.addr());
    client.send(GET);
    client
}

fn an_answer_is_given_later_by_another_thread(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[("WORKERS", "2")]);
    let mut clients: Vec<Client> = (0..20).map(|_| ask(&running)).collect();
    let waiting: Vec<Responder> = (0..20).map(|_| next(&responders)).collect();
    assert_eq!(get(running.addr(), "/").expect(200).text(), "quick");
    thread::spawn(move || {
        for responder in waiting {
            responder.respond((StatusCode::CREATED, "at last")).unwrap();
        }
    });
    for client in &mut clients {
        assert_eq!(client.response().expect(201).text(), "at last");
        assert_eq!(client.get("/").expect(200).text(), "quick");
    }
    end(running);
}

fn an_answer_that_is_there_before_its_handler_returns_is_given_then(engine: Engine) {
    let service = Service::new("test").get("/later", |_: &Request| {
        let (responder, response) = Response::deferred("20s");
        responder.respond("at once").unwrap();
        response
    });
    let running = serve_with(service, engine, &[]);
    assert_eq!(get(running.addr(), "/later").expect(200).text(), "at once");
    end(running);
}

fn what_layers_set_applies_to_the_later_answer(engine: Engine) {
    fn private(request: &mut Request, next: Next<'_>) -> Response {
        let private = HeaderValue::from_static("private");
        next.run(request)
            .with_header(header::CACHE_CONTROL, private)
    }
    fn page(error: &Error, _: Option<&Request>) -> Response {
        use seaworthy::IntoResponse;
        (error.status(), format!("<{}>", error.message())).into_response()
    }
    let (service, responders) = deferring("20s");
    let service = service
        .layer(private)
        .layer(layers::request_id())
        .errors(page);
    let running = serve_with(service, engine, &[]);
    let mut client = ask(&running);
    let no_store = HeaderValue::from_static("no-store");
    let answer = Response::new(StatusCode::OK).with_header(header::CACHE_CONTROL, no_store);
    next(&responders).respond(answer).unwrap();
    let answer = client.response().expect(200);
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert!(answer.header("x-request-id").is_some());
    client.send(GET);
    next(&responders).respond(Error::not_found()).unwrap();
    let answer = client.response().expect(404);
    assert_eq!(answer.text(), "<not found>", "in the service's own form");
    end(running);
}

fn what_is_not_answered_by_its_deadline_is_told_503(engine: Engine) {
    let (service, responders) = deferring("300ms");
    let running = serve_with(service, engine, &[]);
    let begun = Instant::now();
    let mut clients: Vec<Client> = (0..10).map(|_| ask(&running)).collect();
    let waiting: Vec<Responder> = (0..10).map(|_| next(&responders)).collect();
    for client in &mut clients {
        let answer = client.response().expect(503);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(begun.elapsed() >= Duration::from_millis(300));
    for responder in waiting {
        assert!(responder.is_closed());
        assert_eq!(responder.respond("too late"), Err(SendError::Closed));
    }
    end(running);
}

fn a_responder_that_is_dropped_answers_500(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[]);
    let mut client = ask(&running);
    drop(next(&responders));
    client.response().expect(500);
    client.send(GET);
    let responder = next(&responders);
    let thread = thread::spawn(move || {
        let _responder = responder;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    client.response().expect(500);
    end(running);
}

fn an_answer_may_be_a_stream_of_events(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[]);
    let mut client = ask(&running);
    let (sender, events) = Response::events(4);
    next(&responders).respond(events).unwrap();
    read_until(&mut client, b"\r\n\r\n");
    sender.send("one").unwrap();
    read_until(&mut client, b"data: one\n\n\r\n");
    sender.finish();
    assert_eq!(client.exactly(5).unwrap(), b"0\r\n\r\n");
    end(running);
}

/// More than all the buffers of two sockets take.
const MUCH: usize = 64 << 20;

fn an_answer_that_is_written_is_sent_while_it_is_written_whatever_thread_has_made_it(
    engine: Engine,
) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[]);
    let mut client = ask(&running);
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let answer = Response::write_with(move |out| {
        let piece = [b'x'; 1 << 16];
        while count.fetch_add(piece.len(), SeqCst) < MUCH {
            out.write_all(&piece)?;
        }
        Ok(())
    });
    let responder = next(&responders);
    let answering = thread::spawn(move || responder.respond(answer));
    read_until(&mut client, b"xxxx");
    // It waits for its client, and neither here nor in memory.
    assert_eq!(answering.join().unwrap(), Ok(()));
    let ahead = written.load(SeqCst);
    assert!(ahead < MUCH, "{ahead} bytes were written for a few");
    client.reset();
    end(running);
}

fn an_answer_that_is_written_beyond_the_writers_there_are_is_seen_as_a_cut(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[("WRITE_TIMEOUT", "10m")]);
    let long = || Response::write_with(|out| Ok(out.write_all(&vec![b'x'; MUCH])?));
    let answered = || {
        let client = ask(&running);
        next(&responders).respond(long()).unwrap();
        client
    };
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = answered();
        read_until(&mut client, b"xxxx");
        clients.push(client);
    }
    let cut = answered().try_response();
    assert!(
        matches!(cut, Err(Broken::Cut(_) | Broken::Closed)),
        "{cut:?}"
    );
    clients.into_iter().for_each(Client::reset);
    end(running);
}

fn a_responder_learns_that_its_client_has_gone(engine: Engine) {
    let (service, responders) = deferring("10m");
    let running = serve_with(service, engine, &[]);
    for resets in [true, false] {
        let client = ask(&running);
        let responder = next(&responders);
        match resets {
            true => client.reset(),
            false => drop(client),
        }
        eventually("it is told", || responder.is_closed());
        assert_eq!(responder.respond("nobody"), Err(SendError::Closed));
    }
    end(running);
}

fn a_client_that_has_gone_leaves_its_place_although_every_worker_is_blocked(engine: Engine) {
    let (service, responders) = deferring("10m");
    let (began, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (began, released) = (Mutex::new(began), Mutex::new(released));
    let service = service.get("/block", move |_: &Request| {
        began.lock().unwrap().send(()).unwrap();
        released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        "released"
    });
    let places = [("WORKERS", "1"), ("MAX_CONNECTIONS", "3")];
    let running = serve_with(service, engine, &places);
    let gone = [ask(&running), ask(&running)];
    let awaited = [next(&responders), next(&responders)];
    let mut blocking = Client::connect(running.addr());
    blocking.send("GET /block HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    drop(gone);
    for responder in awaited {
        eventually("it is told", || responder.is_closed());
    }
    let mut newcomer = Client::connect(running.addr());
    newcomer.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    // It waits for the worker, and is not told that there are too many.
    eventually("it waits", || {
        let metrics = get(running.addr(), "/metrics").expect(200);
        let waiting = "seaworthy_connections{state=\"waiting\"} 1\n";
        metrics.text().contains(waiting)
    });
    release.send(()).unwrap();
    for client in [&mut blocking, &mut newcomer] {
        client.response().expect(200);
    }
    end(running);
}

fn a_place_of_a_layer_is_free_once_it_is_answered(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service.layer(layers::concurrency(1)), engine, &[]);
    let mut client = ask(&running);
    let responder = next(&responders);
    get(running.addr(), "/").expect(503);
    responder.respond("done").unwrap();
    client.response().expect(200);
    get(running.addr(), "/").expect(200);
    end(running);
}

fn metrics_tell_of_the_answer_that_was_given(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[]);
    let metrics = || {
        get(running.addr(), "/metrics")
            .expect(200)
            .text()
            .to_owned()
    };
    let has = |line: &str| metrics().lines().any(|known| known.starts_with(line));
    let mut client = ask(&running);
    let responder = next(&responders);
    let active = r#"http_server_active_requests{http_request_method="GET",url_scheme="http"} 1"#;
    eventually("it counts as active", || has(active));
    responder.respond((StatusCode::ACCEPTED, "12345")).unwrap();
    client.response().expect(202);
    let text = metrics();
    let labels = labels("GET", "/later", "202");
    let sum = format!("http_server_response_body_size_bytes_sum{labels}");
    assert_eq!(value(&text, &sum), 5.0);
    assert!(!has(active));
    end(running);
}

/// A request that is deferred in a service whose listener is closed.
fn defer_and_stop(engine: Engine, timeout: &str) -> (Running, Client, Responder) {
    let (service, responders) = deferring("60s");
    let running = serve_with(service, engine, &[("SHUTDOWN_TIMEOUT", timeout)]);
    let client = ask(&running);
    let responder = next(&responders);
    running.stop();
    eventually("it is told", || responder.is_stopping());
    (running, client, responder)
}

fn the_drain_waits_for_what_is_deferred(engine: Engine) {
    let (running, mut client, responder) = defer_and_stop(engine, "20s");
    responder.respond("goodbye").unwrap();
    let answer = client.response().expect(200);
    assert!(answer.text() == "goodbye" && answer.closes());
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!((report.answered, report.finished), (1, 1), "{report:?}");
}

fn what_is_deferred_beyond_the_deadline_of_the_drain_is_named(engine: Engine) {
    let (running, mut client, responder) = defer_and_stop(engine, "1s");
    let report = running.wait();
    assert_eq!(report.ending, Ending::DeadlinePassed, "{report:?}");
    assert_eq!(report.abandoned, [("/later".to_owned(), 1)]);
    let answer = client.try_response();
    assert!(
        matches!(answer, Err(Broken::Cut(_) | Broken::Closed)),
        "{answer:?}"
    );
    assert_eq!(responder.respond("too late"), Err(SendError::Closed));
}

fn five_hundred_long_polls_are_answered_by_one_thread(engine: Engine) {
    answer_polls(500, engine);
}

fn nine_thousand_long_polls_are_answered_by_one_thread(engine: Engine) {
    answer_polls(9000, engine);
}

fn answer_polls(many: usize, engine: Engine) {
    let many = match engine {
        Engine::Native => many,
        // Each has threads of its own.
        Engine::TinyHttp => many / 10,
    };
    let most = (many + 1000).to_string();
    allow_descriptors(2 * many as u64 + 200);
    let waiting: Arc<Mutex<Vec<Responder>>> = Arc::default();
    let polls = Arc::clone(&waiting);
    let service =
        Service::new("test")
            .get("/", |_: &Request| "quick")
            .get("/later", move |_: &Request| {
                let (responder, response) = Response::deferred("60s");
                polls.lock().unwrap().push(responder);
                response
            });
    let settings = [("WORKERS", "8"), ("MAX_CONNECTIONS", most.as_str())];
    let running = serve_with(service, engine, &settings);
    let mut clients: Vec<Client> = (0..many).map(|_| ask(&running)).collect();
    eventually("all wait", || waiting.lock().unwrap().len() == many);
    let times = Times::of_gets(running.addr(), "/", 50);
    assert!(times.median() < Duration::from_secs(2), "{times:?}");
    let begun = Instant::now();
    for responder in waiting.lock().unwrap().drain(..) {
        responder.respond("news").unwrap();
    }
    let took = begun.elapsed();
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "news");
    }
    note(&format!("{many} answers were given in {took:?}"));
    // A second by the contract, where nobody else wants these processors.
    assert!(took < Duration::from_secs(5), "{took:?}");
    end(running);
}
