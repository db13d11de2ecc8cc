//! The engine over real sockets, pulled by hand: while nobody pulls it, it stands still, as a stopped process does.

mod drain;
mod late;
mod panics;
mod pressure;
mod returns;
mod several;
mod stalls;
mod standby;
mod together;

use super::*;
use crate::engine::{
    Exchange,
    listen::{self, PeerTimeout},
};
use crate::message::response::Response;
use http::StatusCode;
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream as Client},
    thread,
    time::Duration,
};
use together::Together;

const GET: &[u8] = b"GET /probe HTTP/1.1\r\nHost: test\r\n\r\n";

/// Nothing here takes so long but what never happens.
const NEVER: Duration = Duration::from_secs(20);

fn engine(name: &str, value: &str) -> Box<dyn Engine> {
    engine_of(&Config::from_pairs([(name, value)]).unwrap())
}

fn engine_of(config: &Config) -> Box<dyn Engine> {
    engine_with(config, reactors())
}

fn engine_with(config: &Config, reactors: usize) -> Box<dyn Engine> {
    let engine = Box::new(native_with(config, Policy::default(), reactors));
    match reactors {
        1 => engine,
        _ => Box::new(Together(engine)),
    }
}

fn native_with(config: &Config, policy: Policy, reactors: usize) -> Native {
    let localhost = Some(Ipv4Addr::LOCALHOST.into());
    let listener = listen::bind(localhost, 0, PeerTimeout::of(config)).unwrap();
    let mut config = config.clone();
    config.reactors = reactors;
    Native::new(listener, &config, policy).unwrap()
}

/// How many of them everything here is tried with.
pub(crate) fn reactors() -> usize {
    let count = std::env::var("TEST_REACTORS").ok();
    count.map_or(1, |count| count.parse().unwrap())
}

fn connect(engine: &dyn Engine) -> Client {
    let client = Client::connect(engine.local_addr()).unwrap();
    client.set_read_timeout(Some(NEVER)).unwrap();
    client
}

/// A connection with a request on it.
fn ask(engine: &dyn Engine) -> Client {
    let mut client = connect(engine);
    client.write_all(GET).unwrap();
    client
}

/// Reads some bytes. A process that was stopped for a while and goes on finds its reads interrupted (signal(7)).
fn read(client: &mut Client, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match client.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The first byte that the server sends, which must be an answer's.
#[track_caller]
fn expect_answer(client: &mut Client) {
    let mut answer = [0; 1024];
    let count = read(client, &mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 "), "it was closed");
}

/// Whether the server has closed the connection, by now.
fn is_closed(client: &mut Client) -> bool {
    client.set_nonblocking(true).unwrap();
    let read = client.read(&mut [0; 1]);
    client.set_nonblocking(false).unwrap();
    !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Waits for the end of a connection that the server has closed. It has to arrive, which takes the kernel its time where
/// others want the CPU.
#[track_caller]
fn expect_end(client: &mut Client) {
    match read(client, &mut [0; 1]) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("instead of an end: {other:?}"),
    }
}

/// A busy machine keeps this thread from its CPU for as long as a whole [`pull_for`] may be: the engine looks so often
/// nevertheless.
const LOOKS: u32 = 10;

/// Lets the engine deal with all that has happened. What is ready, in one pull or several.
fn pull_for(engine: &dyn Engine, time: Duration) -> Vec<Ready> {
    let mut ready = Vec::new();
    for _ in 0..LOOKS {
        let until = Instant::now() + time / LOOKS;
        while engine.pull(0, Some(until), &mut ready) == Pulled::Open && Instant::now() < until {}
    }
    ready
}

/// Tries this until it was done in time, as it nearly always is: none where it was not, for a busy machine may keep this
/// thread from its CPU for longer than a deadline that is not to be over yet.
#[track_caller]
fn in_time<T>(attempt: impl FnMut() -> Option<T>) -> T {
    std::iter::repeat_with(attempt)
        .take(20)
        .flatten()
        .next()
        .expect("in time, in one of many attempts")
}

const MOMENT: Duration = Duration::from_millis(100);

/// The requests that are ready, which must be so many.
#[track_caller]
fn requests(engine: &dyn Engine, count: usize) -> Vec<Box<dyn Exchange>> {
    let mut ready = Vec::new();
    let began = Instant::now();
    while ready.len() < count && began.elapsed() < NEVER {
        engine.pull(0, Some(began + NEVER), &mut ready);
    }
    assert_eq!(ready.len(), count);
    let exchanges = ready.into_iter().map(|ready| match ready {
        Ready::Request(exchange) => exchange,
        Ready::Stream(_) | Ready::Piece(_) | Ready::Discarded(_) => panic!("no request"),
    });
    exchanges.collect()
}

fn answer(exchange: Box<dyn Exchange>) {
    exchange.respond(Response::new(StatusCode::OK), false);
}

/// A client that has had an answer, and keeps its connection.
fn idle(engine: &dyn Engine) -> Client {
    let mut client = ask(engine);
    requests(engine, 1).into_iter().for_each(answer);
    expect_answer(&mut client);
    client
}

/// Pulls once and answers what came. The paths that were asked for.
fn serve_once(engine: &dyn Engine) -> Vec<String> {
    let mut ready = Vec::new();
    engine.pull(0, Some(Instant::now() + NEVER), &mut ready);
    assert!(!ready.is_empty(), "nothing came");
    let answer = |ready| match ready {
        Ready::Request(mut exchange) => {
            let path = exchange.request().path().to_owned();
            exchange.respond(Response::new(StatusCode::OK), false);
            Some(path)
        }
        Ready::Stream(exchange) => {
            exchange.stream();
            None
        }
        Ready::Piece(_) | Ready::Discarded(_) => None,
    };
    ready.into_iter().filter_map(answer).collect()
}

#[test]
fn uploads_that_follow_upon_each_other_keep_nobody_else_waiting() {
    const CONNECTIONS: usize = 8;
    const EACH: usize = 40;
    let engine = engine("PORT", "0");
    let head = "POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 50000\r\n\r\n";
    let upload = [head.as_bytes(), &[b'x'; 50_000]].concat();
    for _ in 0..CONNECTIONS {
        let (mut client, upload) = (
            Client::connect(engine.local_addr()).unwrap(),
            upload.clone(),
        );
        // Ends with the engine at the latest. Closed with answers unread, it would be reset.
        thread::spawn(move || {
            let sent = (0..EACH).try_for_each(|_| client.write_all(&upload));
            sent.and_then(|()| io::copy(&mut client, &mut io::sink()))
        });
    }
    let mut asker = Client::connect(engine.local_addr()).unwrap();
    let mut uploads = 0;
    while uploads < 4 * CONNECTIONS {
        uploads += serve_once(&*engine).len();
    }
    asker.write_all(GET).unwrap();
    let mut before_it = 0;
    loop {
        let paths = serve_once(&*engine);
        before_it += paths.len();
        if paths.iter().any(|path| path == "/probe") {
            break;
        }
    }
    // Those that were ready with it, and those of the round before; not all that there are.
    assert!(
        before_it <= 5 * CONNECTIONS,
        "{before_it} were answered first"
    );
}

#[test]
fn an_idle_connection_is_closed_for_one_that_is_there_and_not_before() {
    let engine = engine("MAX_CONNECTIONS", "2");
    let client = || Client::connect(engine.local_addr()).unwrap();
    let mut clients = [client(), client()];
    for _ in 0..2 {
        for client in &mut clients {
            client.write_all(GET).unwrap();
            assert_eq!(serve_once(&*engine), ["/probe"]);
            assert_ne!(read(client, &mut [0; 1024]).unwrap(), 0, "it was closed");
        }
    }
    let mut third = client();
    third.write_all(GET).unwrap();
    assert_eq!(serve_once(&*engine), ["/probe"]);
    clients[0].set_read_timeout(Some(NEVER)).unwrap();
    assert_eq!(
        read(&mut clients[0], &mut [0; 1]).unwrap(),
        0,
        "the longest idle makes room"
    );
}

#[test]
fn a_request_that_has_arrived_when_the_drain_closes_idle_connections_is_answered() {
    let engine = engine("PORT", "0");
    let mut client = Client::connect(engine.local_addr()).unwrap();
    client.write_all(GET).unwrap();
    assert_eq!(serve_once(&*engine), ["/probe"]);
    assert_ne!(read(&mut client, &mut [0; 1024]).unwrap(), 0);
    client.write_all(GET).unwrap();
    engine.stop_accepting();
    assert_eq!(serve_once(&*engine), ["/probe"]);
    assert_ne!(
        read(&mut client, &mut [0; 1024]).unwrap(),
        0,
        "it was closed"
    );
}

#[test]
fn nobody_can_connect_once_listening_has_ended_whoever_else_has_the_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // As a child process has it that is just being started.
    let _inherited = listener.try_clone().unwrap();
    let config = Config::from_pairs([("REACTORS", "1")]).unwrap();
    let engine = start(listener, &config, Policy::default()).unwrap();
    engine.stop_accepting();
    while engine.pull(0, Some(Instant::now() + NEVER), &mut Vec::new()) == Pulled::Open {}
    assert!(Client::connect(engine.local_addr()).is_err());
}
