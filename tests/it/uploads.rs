//! Bodies that go to a sink as they come.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};

use seaworthy::http::StatusCode;
use seaworthy::{
    BodySink, Error, IntoResponse, Next, Request, Response, Routes, Running, Service, Upload,
};

pub(crate) mod curl;
pub(crate) mod endings;
pub(crate) mod load;
pub(crate) mod readymade;

use crate::files::Tree;
use crate::library::{config, end, start};
use crate::support::{Client, Engine, PATIENCE, eventually};

both_engines! {
    a_body_of_any_framing_becomes_a_file_and_the_connection_goes_on,
    a_refusal_comes_before_the_go_ahead_and_costs_no_upload,
    an_early_refusal_is_delivered_while_the_client_still_sends,
    a_declared_length_over_the_limit_is_told_413_at_once_and_a_flowing_one_as_it_passes_it,
    a_sink_that_fails_or_panics_ends_its_upload_with_an_answer,
    a_layer_has_its_say_before_the_body_and_its_headers_are_on_the_answer,
    a_service_that_takes_uploads_says_by_name_what_its_engine_cannot_do,
}

/// A service that puts files into a directory, 64 MiB at the most.
pub(super) fn files(directory: &Path) -> Service {
    let directory = directory.to_owned();
    let put = move |request: &Request| -> Result<Upload, Error> {
        let file = Upload::to_file_in(&directory, request.param("name"))?;
        Ok(file.then(|_, stored| format!("{} bytes", stored.length)))
    };
    let files = Routes::new().put("/{name}", put).body_limit("64MiB");
    Service::new("test").nest("/files", files)
}

pub(super) fn serve(
    service: Service,
    engine: Engine,
    more: &[(&str, &str)],
) -> (Running, SocketAddr) {
    let running = start(service, engine, more);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    let address = running.addr();
    (running, address)
}

/// What lies in a directory, by name, and how long it is.
pub(super) fn listing(directory: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(directory).expect("it can be read");
    let mut all: Vec<_> = entries
        .map(|entry| {
            let entry = entry.expect("it can be read");
            let length = entry.metadata().map_or(0, |metadata| metadata.len());
            (entry.file_name().to_string_lossy().into_owned(), length)
        })
        .collect();
    all.sort();
    all
}

fn a_body_of_any_framing_becomes_a_file_and_the_connection_goes_on(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[]);
    let body: Vec<u8> = (0..1_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let mut client = Client::connect(address);
    client.send(format!(
        "PUT /files/known HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(&body);
    assert_eq!(client.response().expect(200).text(), "1000000 bytes");
    client.send("PUT /files/chunked HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body.chunks(77_777) {
        client.send(format!("{:x};a=b\r\n", piece.len()));
        client.send(piece);
        client.send("\r\n");
    }
    // The next request is behind the trailers, in the same segment.
    client.send("0\r\nX-Checksum: 1\r\n\r\nPUT /files/empty HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.response().expect(200).text(), "1000000 bytes");
    assert_eq!(client.response().expect(200).text(), "0 bytes");
    assert_eq!(client.response().expect(200).text(), "ok");
    for name in ["known", "chunked"] {
        assert!(
            fs::read(directory.join(name)).expect("it is there") == body,
            "{name}"
        );
    }
    assert_eq!(listing(&directory).len(), 3, "and nothing else");
    end(running);
}

fn a_refusal_comes_before_the_go_ahead_and_costs_no_upload(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let only_with_token =
        |request: &mut Request, next: Next<'_>| match request.header("authorization") {
            Some("Bearer t") => next.run(request),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        };
    let service = files(&directory).layer(only_with_token);
    let (running, address) = serve(service, engine, &[]);
    let head = |name: &str, more: &str| {
        format!(
            "PUT /files/{name} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{more}\r\n"
        )
    };
    let token = "Authorization: Bearer t\r\n";
    for (name, more, status) in [("a", "", 401), (".hidden", token, 400)] {
        let mut client = Client::connect(address);
        client.send(head(name, more));
        assert!(
            client.response().expect(status).closes(),
            "what follows may be a body"
        );
        client.expect_close();
    }
    let mut client = Client::connect(address);
    client.send(head("a", token));
    assert_eq!(
        client.exactly(25).expect("the go-ahead"),
        b"HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send("hello");
    let answer = client.response().expect(200);
    assert_eq!((answer.text(), answer.closes()), ("5 bytes", false));
    assert_eq!(listing(&directory), [("a".to_owned(), 5)]);
    end(running);
}

fn an_early_refusal_is_delivered_while_the_client_still_sends(engine: Engine) {
    let refuse = |_: &Request| -> Result<Upload, Error> { Err(Error::forbidden()) };
    let group = Routes::new().put("/", refuse).body_limit("64MiB");
    let (running, address) = serve(Service::new("test").merge(group), engine, &[]);
    let mut client = Client::connect(address);
    client.send("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 8388608\r\n\r\n");
    // A client that sends all before it reads must find the answer, and no reset.
    client.send(vec![0; 8 << 20]);
    client.response().expect(403);
    drop(client);
    end(running);
}

fn a_declared_length_over_the_limit_is_told_413_at_once_and_a_flowing_one_as_it_passes_it(
    engine: Engine,
) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(files(&directory), engine, &[]);
    let mut client = Client::connect(address);
    client.send("PUT /files/a HTTP/1.1\r\nHost: t\r\nContent-Length: 67108865\r\nExpect: 100-continue\r\n\r\n");
    client.response().expect(413);
    client = Client::connect(address);
    client
        .send("PUT /files/a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    eventually("the upload has begun", || {
        listing(&directory).iter().any(|(_, length)| *length == 3)
    });
    client.send("4000000\r\n");
    client.response().expect(413);
    eventually("what came is removed", || listing(&directory).is_empty());
    // Who goes on sending is listened to for a while, which a drain waits for.
    drop(client);
    end(running);
}

/// Takes what it is given until it is to fail.
struct Fussy(Arc<AtomicUsize>);

impl BodySink for Fussy {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        if piece.starts_with(b"panic") {
            panic!("on purpose");
        }
        match piece.starts_with(b"fail") {
            true => Err(Error::unprocessable("no such row")),
            false => Ok(()),
        }
    }

    fn finish(self: Box<Self>, request: &Request) -> Result<Response, Error> {
        match request.header("x-finish") {
            Some("panic") => panic!("on purpose"),
            Some("fail") => Err(Error::conflict("taken")),
            _ => Ok("fine".into_response()),
        }
    }
}

impl Drop for Fussy {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn a_sink_that_fails_or_panics_ends_its_upload_with_an_answer(engine: Engine) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let sink = Arc::clone(&dropped);
    let service = Service::new("test").post("/", move |_: &Request| {
        Upload::new(Fussy(Arc::clone(&sink)))
    });
    let (running, address) = serve(service, engine, &[]);
    let cases = [
        ("panic at once", "", 500, true),
        ("fail at once", "", 422, true),
        ("go on", "panic", 500, false),
        ("go on", "fail", 409, false),
        ("go on", "", 200, false),
    ];
    for (number, (body, finish, status, ends)) in cases.into_iter().enumerate() {
        let mut client = Client::connect(address);
        // Where the sink ends it early, more would have come.
        let length = body.len() + if ends { 100 } else { 0 };
        client.send(format!("POST / HTTP/1.1\r\nHost: t\r\nX-Finish: {finish}\r\nContent-Length: {length}\r\n\r\n{body}"));
        let answer = client.response().expect(status);
        assert_eq!(answer.closes(), ends, "{body}, {finish}");
        assert_eq!(dropped.load(SeqCst), number + 1, "{body}, {finish}");
    }
    end(running);
}

fn a_layer_has_its_say_before_the_body_and_its_headers_are_on_the_answer(engine: Engine) {
    let (told, heard) = mpsc::channel();
    let told = Mutex::new(told);
    let service = Service::new("test")
        .post("/", |_: &Request| Upload::new(Fussy(Arc::default())))
        .layer(move |request: &mut Request, next: Next<'_>| {
            request.extensions_mut().insert(7_u8);
            let response = next.run(request);
            told.lock().unwrap().send(request.body().len()).unwrap();
            response
        })
        .layer(seaworthy::layers::request_id());
    let (running, address) = serve(service, engine, &[]);
    let mut client = Client::connect(address);
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nX-Request-Id: abc\r\n\r\n");
    let seen = heard.recv_timeout(PATIENCE).expect("the layer has run");
    assert_eq!(seen, 0, "and no byte of the body had come");
    client.send("right");
    let answer = client.response().expect(200);
    assert_eq!(answer.header("x-request-id"), Some("abc"));
    assert_eq!(
        (answer.text(), answer.header("content-type")),
        ("fine", Some("text/plain; charset=utf-8"))
    );
    end(running);
}

fn a_service_that_takes_uploads_says_by_name_what_its_engine_cannot_do(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let service = files(&directory);
    let config = config(engine, &[]);
    match (engine, service.start(config)) {
        (Engine::Native, Ok(running)) => end(running),
        (Engine::TinyHttp, Err(error)) => {
            let text = error.to_string();
            assert!(
                text.contains("HTTP_ENGINE") && text.contains("/files/{name}"),
                "{text}"
            );
        }
        (_, result) => panic!("{:?}", result.map(|running| running.addr())),
    }
}
