//! The engine over real sockets, pulled by hand.

use super::*;
use crate::message::response::Response;
use http::StatusCode;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream as Client,
    thread,
    time::Duration,
};

const GET: &[u8] = b"GET /probe HTTP/1.1\r\nHost: test\r\n\r\n";

/// Nothing here takes so long but what never happens.
const NEVER: Duration = Duration::from_secs(20);

fn engine(name: &str, value: &str) -> Box<dyn Engine> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    start(listener, &Config::from_pairs([(name, value)]).unwrap()).unwrap()
}

/// Pulls once and answers what came. The paths that were asked for.
fn serve_once(engine: &dyn Engine) -> Vec<String> {
    let mut ready = Vec::new();
    engine.pull(Some(Instant::now() + NEVER), &mut ready);
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
        Ready::Discarded(_) => None,
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
            assert_ne!(client.read(&mut [0; 1024]).unwrap(), 0, "it was closed");
        }
    }
    let mut third = client();
    third.write_all(GET).unwrap();
    assert_eq!(serve_once(&*engine), ["/probe"]);
    clients[0].set_read_timeout(Some(NEVER)).unwrap();
    assert_eq!(
        clients[0].read(&mut [0; 1]).unwrap(),
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
    assert_ne!(client.read(&mut [0; 1024]).unwrap(), 0);
    client.write_all(GET).unwrap();
    engine.stop_accepting();
    assert_eq!(serve_once(&*engine), ["/probe"]);
    assert_ne!(client.read(&mut [0; 1024]).unwrap(), 0, "it was closed");
}
