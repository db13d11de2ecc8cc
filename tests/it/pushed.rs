//! Answers that are pushed: by whoever has the sender, long after the handler has returned.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Ending, Next, Request, Response, Running, SendError, Sender, Service, layers};

use crate::library::end;
use crate::service::serve_with;
use crate::support::{Broken, Client, Engine, Framing, PATIENCE, Times, eventually, get};

both_engines! {
    what_is_pushed_arrives_as_it_is_pushed_and_ends_whole,
    an_old_client_gets_all_of_it_and_the_close,
    head_has_no_body_and_closes_the_channel,
    a_sender_that_is_dropped_or_panics_is_seen_as_a_cut,
    a_sender_learns_that_its_client_has_gone,
    a_send_past_the_capacity_before_the_return_is_an_error,
    a_send_waits_for_a_slow_client_and_a_try_does_not,
    a_client_that_takes_nothing_is_cut_and_one_that_is_sent_nothing_is_not,
    channels_hold_no_worker,
    a_layer_that_reads_on_passes_on_what_comes,
    a_channel_has_until_the_deadline_of_the_drain,
    a_channel_that_is_not_finished_by_the_deadline_is_named,
}

const GET: &str = "GET /channel HTTP/1.1\r\nHost: test\r\n\r\n";

/// A service whose `/channel` gives its senders to the test.
fn channels(capacity: usize) -> (Service, mpsc::Receiver<Sender>) {
    let (give, senders) = mpsc::channel();
    let service =
        Service::new("test")
            .get("/", |_: &Request| "quick")
            .get("/channel", move |_: &Request| {
                let (sender, response) = Response::channel(capacity);
                give.send(sender).expect("the test wants it");
                response
            });
    (service, senders)
}

fn next(senders: &mpsc::Receiver<Sender>) -> Sender {
    senders.recv_timeout(PATIENCE).expect("the handler ran")
}

/// Reads up to the end of these bytes.
pub(crate) fn read_until(client: &mut Client, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        read.extend(client.exactly(1).expect("it is on its way"));
    }
    read
}

/// Ends a service of which clients may have been cut.
fn stop(running: Running) {
    running.stop();
    let _ = running.wait();
}

fn what_is_pushed_arrives_as_it_is_pushed_and_ends_whole(engine: Engine) {
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[]);
    let mut client = Client::connect(running.addr());
    client.send(GET);
    let sender = next(&senders);
    let head = read_until(&mut client, b"\r\n\r\n");
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    for message in ["first", "second", "", "third"] {
        sender.send(message).unwrap();
        if !message.is_empty() {
            read_until(&mut client, format!("\r\n{message}\r\n").as_bytes());
        }
    }
    sender.send("last").unwrap();
    sender.finish();
    assert_eq!(client.exactly(14).unwrap(), b"4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(client.get("/").expect(200).text(), "quick");
    end(running);
}

fn an_old_client_gets_all_of_it_and_the_close(engine: Engine) {
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[]);
    for is_whole in [true, false] {
        let mut client = Client::connect(running.addr());
        client.send("GET /channel HTTP/1.0\r\n\r\n");
        let sender = next(&senders);
        sender.send("first ").unwrap();
        read_until(&mut client, b"first ");
        sender.send("second").unwrap();
        if is_whole {
            sender.finish();
            assert_eq!(client.exactly(6).unwrap(), b"second");
            client.expect_close();
        } else {
            drop(sender);
            let rest = client.exactly(7);
            assert!(matches!(rest, Err(Broken::Cut(_))), "{rest:?}");
        }
    }
    stop(running);
}

fn head_has_no_body_and_closes_the_channel(engine: Engine) {
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[]);
    let mut client = Client::connect(running.addr());
    client.send("HEAD /channel HTTP/1.1\r\nHost: test\r\n\r\n");
    client.response_to("HEAD").expect(200);
    let sender = next(&senders);
    eventually("the channel is closed", || sender.is_closed());
    assert_eq!(sender.send("more"), Err(SendError::Closed));
    assert!(sender.wait(PATIENCE));
    assert_eq!(client.get("/").expect(200).text(), "quick");
    end(running);
}

fn a_sender_that_is_dropped_or_panics_is_seen_as_a_cut(engine: Engine) {
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[]);
    for panics in [false, true] {
        let mut client = Client::connect(running.addr());
        client.send(GET);
        let sender = next(&senders);
        let thread = thread::spawn(move || {
            sender.send("half").unwrap();
            assert!(!panics, "on purpose");
        });
        assert_eq!(thread.join().is_err(), panics);
        let answer = client.try_response();
        assert!(matches!(answer, Err(Broken::Cut(_))), "{answer:?}");
    }
    stop(running);
}

fn a_sender_learns_that_its_client_has_gone(engine: Engine) {
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[]);
    for resets in [true, false] {
        let mut client = Client::connect(running.addr());
        client.send(GET);
        let sender = next(&senders);
        read_until(&mut client, b"\r\n\r\n");
        assert!(!sender.is_closed() && !sender.wait(Duration::ZERO));
        match resets {
            true => client.reset(),
            false => drop(client),
        }
        // Nothing is sent that could fail.
        assert!(sender.wait(PATIENCE) && sender.is_closed());
        assert_eq!(sender.try_send("more"), Err(SendError::Closed));
        assert_eq!(sender.send("more"), Err(SendError::Closed));
    }
    end(running);
}

fn a_send_past_the_capacity_before_the_return_is_an_error(engine: Engine) {
    let service = Service::new("test").get("/channel", |_: &Request| {
        let (sender, response) = Response::channel(2);
        assert_eq!(sender.send("1"), Ok(()));
        assert_eq!(sender.send("2"), Ok(()));
        assert_eq!(sender.send("3"), Err(SendError::Full));
        // Another thread can wait for the return, and does.
        thread::spawn(move || {
            sender.send("4").unwrap();
            sender.finish();
        });
        response
    });
    let running = serve_with(service, engine, &[]);
    let answer = get(running.addr(), "/channel").expect(200);
    assert_eq!((answer.text(), answer.framing), ("124", Framing::Chunked));
    end(running);
}

fn a_send_waits_for_a_slow_client_and_a_try_does_not(engine: Engine) {
    const MESSAGES: usize = 256;
    let (service, senders) = channels(2);
    let running = serve_with(service, engine, &[]);
    let mut client = Client::connect_narrow(running.addr());
    client.send(GET);
    let sender = next(&senders);
    let message = vec![b'x'; 64 * 1024];
    let sent = eventually_full(&sender, &message);
    let (told, done) = mpsc::channel();
    let rest = thread::spawn(move || {
        for _ in sent..MESSAGES {
            sender.send(message.clone()).unwrap();
        }
        told.send(()).unwrap();
        sender.finish();
    });
    assert!(done.recv_timeout(Duration::from_millis(200)).is_err());
    let answer = client.response().expect(200);
    assert_eq!(answer.body.len(), MESSAGES * 64 * 1024);
    rest.join().unwrap();
    end(running);
}

/// Sends until there is no room for a while: how many were sent.
fn eventually_full(sender: &Sender, message: &[u8]) -> usize {
    let mut sent = 0;
    let mut full_since = None;
    loop {
        match sender.try_send(message) {
            Ok(()) => (sent, full_since) = (sent + 1, None),
            Err(SendError::Full) => {
                let since = *full_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_millis(300) {
                    return sent;
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn a_client_that_takes_nothing_is_cut_and_one_that_is_sent_nothing_is_not(engine: Engine) {
    let (service, senders) = channels(2);
    let running = serve_with(service, engine, &[("WRITE_TIMEOUT", "1s")]);
    let mut idle = Client::connect(running.addr());
    idle.send(GET);
    let to_idle = next(&senders);
    read_until(&mut idle, b"\r\n\r\n");
    let mut slow = Client::connect_narrow(running.addr());
    slow.send(GET);
    let to_slow = next(&senders);
    eventually_full(&to_slow, &[b'x'; 64 * 1024]);
    let begun = Instant::now();
    while to_slow.send(vec![b'x'; 64 * 1024]).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "never cut");
    }
    thread::sleep(Duration::from_secs(2));
    assert!(!to_idle.is_closed(), "nothing was there to be taken");
    to_idle.send("late").unwrap();
    to_idle.finish();
    assert_eq!(idle.exactly(14).unwrap(), b"4\r\nlate\r\n0\r\n\r\n");
    stop(running);
}

fn channels_hold_no_worker(engine: Engine) {
    const CLIENTS: usize = 50;
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[("WORKERS", "2")]);
    let connect = |_| {
        let mut client = Client::connect(running.addr());
        client.send(GET);
        client
    };
    let mut clients: Vec<Client> = (0..CLIENTS).map(connect).collect();
    let to_all: Vec<Sender> = (0..CLIENTS).map(|_| next(&senders)).collect();
    let times = Times::of_gets(running.addr(), "/", 20);
    assert!(times.median() < Duration::from_secs(2), "{times:?}");
    for sender in to_all {
        sender.send("at last").unwrap();
        sender.finish();
    }
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "at last");
    }
    end(running);
}

fn a_layer_that_reads_on_passes_on_what_comes(engine: Engine) {
    fn sign(request: &mut Request, next: Next<'_>) -> Response {
        use seaworthy::Body;
        use std::io::Read;
        next.run(request).map_body(|body| {
            Body::Stream(Box::new(body.into_reader().chain(&b"the end"[..])), None)
        })
    }
    let (service, senders) = channels(4);
    let service = service.layer(sign).layer(layers::concurrency(100));
    let running = serve_with(service, engine, &[("WORKERS", "2")]);
    let mut clients: Vec<Client> = Vec::new();
    let mut to_all = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(running.addr());
        client.send(GET);
        to_all.push(next(&senders));
        clients.push(client);
    }
    assert_eq!(get(running.addr(), "/").expect(200).text(), "quickthe end");
    for sender in to_all {
        sender.send("body, ").unwrap();
        sender.finish();
    }
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "body, the end");
    }
    end(running);
}

/// Begins an answer by channel in a service that is then told to stop, and whose listener is closed.
fn begin_and_stop(engine: Engine, timeout: &str) -> (Running, SocketAddr, Client, Sender) {
    let (service, senders) = channels(4);
    let running = serve_with(service, engine, &[("SHUTDOWN_TIMEOUT", timeout)]);
    let address = running.addr();
    let mut client = Client::connect(address);
    client.send(GET);
    let sender = next(&senders);
    read_until(&mut client, b"\r\n\r\n");
    assert!(!sender.is_stopping());
    running.stop();
    assert!(sender.wait(PATIENCE), "it is told");
    assert!(sender.is_stopping() && !sender.is_closed());
    (running, address, client, sender)
}

fn a_channel_has_until_the_deadline_of_the_drain(engine: Engine) {
    let (running, _, mut client, sender) = begin_and_stop(engine, "20s");
    sender.send("goodbye").unwrap();
    sender.finish();
    read_until(&mut client, b"7\r\ngoodbye\r\n0\r\n\r\n");
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!(report.finished, 1, "{report:?}");
}

fn a_channel_that_is_not_finished_by_the_deadline_is_named(engine: Engine) {
    let (running, _, mut client, sender) = begin_and_stop(engine, "2s");
    let report = running.wait();
    assert_eq!(report.ending, Ending::DeadlinePassed, "{report:?}");
    assert_eq!(report.abandoned, [("/channel".to_owned(), 1)]);
    let rest = client.exactly(1);
    assert!(matches!(rest, Err(Broken::Cut(_))), "{rest:?}");
    eventually("the sender is told", || sender.is_closed());
}
