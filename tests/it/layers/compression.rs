//! Compressed answers over sockets, undone by the `gzip` program.

use std::io::{Cursor, Write};
use std::process::{Command, Stdio};
use std::sync::{
    Mutex,
    mpsc::{self, Sender},
};

use seaworthy::http::header;
use seaworthy::{Body, Request, Response, Running, Service, layers};

use super::ask;
use crate::service::{end, serve};
use crate::support::{Broken, Client, Engine, Framing, get};

both_engines! {
    what_arrives_compressed_is_what_was_sent,
    a_stream_is_compressed_as_it_flows,
    a_compressed_stream_that_fails_is_cut_visibly,
}

/// What `gzip -dc` makes of it.
fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is installed, as on every system that has packages");
    let mut stdin = gzip.stdin.take().expect("it is piped");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = gzip.wait_with_output().expect("it ends");
    writer.join().unwrap().expect("it reads everything");
    assert!(output.status.success(), "it is one whole member");
    output.stdout
}

fn lines(count: usize) -> String {
    (0..count).map(|line| format!("line {line}\n")).collect()
}

const GZIP: &str = "Accept-Encoding: gzip";

fn what_arrives_compressed_is_what_was_sent(engine: Engine) {
    let text = [(header::CONTENT_TYPE, "text/plain")];
    let (sized, chunked) = (text.clone(), text);
    let service = Service::new("test")
        .get("/", |_: &Request| lines(10_000))
        .get("/sized", move |_: &Request| {
            let lines = lines(50_000).into_bytes();
            let length = Some(lines.len() as u64);
            (
                sized.clone(),
                Body::Stream(Box::new(Cursor::new(lines)), length),
            )
        })
        .get("/written", move |_: &Request| {
            let written = Response::write_with(|out| Ok(out.write_all(lines(50_000).as_bytes())?));
            (chunked.clone(), written)
        })
        .layer(layers::compression());
    let running = serve(service, engine);
    for (path, count, is_stream) in [
        ("/", 10_000, false),
        ("/sized", 50_000, true),
        ("/written", 50_000, true),
    ] {
        let expected = lines(count);
        let answer = ask(running.addr(), &[&format!("GET {path}"), GZIP]).expect(200);
        assert_eq!(answer.header("content-encoding"), Some("gzip"));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        assert_eq!(answer.framing == Framing::Chunked, is_stream, "{path}");
        assert!(
            answer.body.len() < expected.len() / 3,
            "{path}: {}",
            answer.body.len()
        );
        assert!(gunzip(&answer.body) == expected.as_bytes(), "{path}");
        let head = ask(running.addr(), &[&format!("HEAD {path}"), GZIP]).expect(200);
        for name in ["content-encoding", "content-length", "vary", "etag"] {
            let length_of_chunks = is_stream && name == "content-length";
            assert!(
                length_of_chunks || head.header(name) == answer.header(name),
                "{path} {name}"
            );
        }
        let plain = get(running.addr(), path).expect(200);
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
        assert!(plain.text() == expected);
    }
    // An older client learns the end by the close.
    let mut client = Client::connect(running.addr());
    client.send("GET /written HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    let answer = client.response().expect(200);
    assert_eq!(answer.framing, Framing::Close);
    assert!(gunzip(&answer.body) == lines(50_000).as_bytes());
    end(running);
}

/// The handler's own pieces, `None` for a failure.
fn pieces(request: &Mutex<Option<mpsc::Receiver<Option<&'static str>>>>) -> Response {
    let pieces = request.lock().unwrap().take();
    let written = Response::write_with(move |out| {
        for piece in pieces.into_iter().flatten() {
            let piece = piece.ok_or_else(|| std::io::Error::other("told to fail"))?;
            out.write_all(piece.as_bytes())?;
            out.flush()?;
        }
        Ok(())
    });
    written.with_header(
        header::CONTENT_TYPE,
        "text/plain".parse().expect("a header"),
    )
}

/// A compressed stream whose first line is there, its client, and what sends the rest: no text is a failure.
fn begun(engine: Engine) -> (Running, Client, Sender<Option<&'static str>>) {
    let (sender, receiver) = mpsc::channel();
    let receiver = Mutex::new(Some(receiver));
    let service = Service::new("test")
        .get("/", move |_: &Request| pieces(&receiver))
        .layer(layers::compression());
    let running = serve(service, engine);
    let mut client = Client::connect(running.addr());
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{GZIP}\r\n\r\n"));
    sender.send(Some("the first line\n")).unwrap();
    (running, client, sender)
}

fn a_stream_is_compressed_as_it_flows(engine: Engine) {
    let (running, mut client, sender) = begun(engine);
    let mut begun = Vec::new();
    // The end of what was flushed so far (RFC 1951 section 3.2.4: an empty stored block), in a chunk that is whole.
    while !begun.ends_with(b"\x00\x00\xff\xff\r\n") {
        begun.extend(
            client
                .exactly(1)
                .expect("what was flushed does not wait for the rest"),
        );
    }
    sender.send(Some("the second")).unwrap();
    drop(sender);
    client.put_back(&begun);
    let answer = client.response().expect(200);
    assert_eq!(gunzip(&answer.body), b"the first line\nthe second");
    end(running);
}

fn a_compressed_stream_that_fails_is_cut_visibly(engine: Engine) {
    let (running, mut client, sender) = begun(engine);
    sender.send(None).unwrap();
    let answer = client.try_response();
    assert!(matches!(answer, Err(Broken::Cut(_))), "{answer:?}");
    running.stop();
    let _ = running.wait();
}
