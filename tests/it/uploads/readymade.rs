//! Sinks that are ready-made: spooled files, forms, what looks on, and what is left over.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use seaworthy::http::{HeaderValue, Method, StatusCode, header};
use seaworthy::{Error, Request, Response, Routes, Service, Upload};

use super::{files, listing, serve};
use crate::files::Tree;
use crate::library::end;
use crate::support::{Client, Engine, PATIENCE, eventually, get};

both_engines! {
    a_spooled_body_is_read_whole_and_leaves_nothing,
    a_form_comes_apart_and_keeps_the_files_that_are_wanted,
    the_answer_to_an_upload_may_be_given_later_and_no_worker_waits_for_it,
}

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA day\r\n\
    --b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"day.png\"\r\nContent-Type: image/png\r\n\r\nPNG\r\n\
    --b\r\nContent-Disposition: form-data; name=\"draft\"; filename=\"../x\"\r\n\r\nnot kept\r\n--b--\r\n";

/// A service that counts a body's lines, and stores the photo of a form.
pub(super) fn service(directory: &Path) -> Service {
    let directory = directory.to_owned();
    let spool = directory.clone();
    let lines = move |_: &Request| {
        Upload::spool(&spool, |_, file: File| {
            BufReader::new(file).lines().count().to_string()
        })
    };
    let submit = move |request: &Request| -> Result<Upload, Error> {
        let form = Upload::form(request, &directory)?.field_limit("1KiB");
        let directory = directory.clone();
        Ok(form.then(move |_, form| -> Result<String, Error> {
            let photo = form
                .file("photo")
                .ok_or_else(|| Error::bad_request("photo: required"))?;
            let mut held = String::new();
            photo.open()?.read_to_string(&mut held)?;
            let stored = photo.keep_in(&directory, photo.filename())?;
            let draft = form
                .file("draft")
                .expect("it is sent")
                .keep_in(&directory, "../x");
            assert_eq!(
                draft.map(|_| ()).map_err(|error| error.status().as_u16()),
                Err(400)
            );
            Ok(format!(
                "{:?} {held} {}",
                form.field("title"),
                stored.length
            ))
        }))
    };
    let group = Routes::new()
        .post("/lines", lines)
        .post("/form", submit)
        .body_limit("64MiB");
    Service::new("test").merge(group)
}

fn the_answer_to_an_upload_may_be_given_later_and_no_worker_waits_for_it(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public").to_owned();
    let (give, responders) = mpsc::channel();
    let put = move |request: &Request| -> Result<Upload, Error> {
        let give = give.clone();
        let file = Upload::to_file_in(&directory, request.param("name"))?;
        Ok(file.then(move |_, stored| {
            let (responder, response) = Response::deferred("60s");
            give.send((responder, stored.length))
                .expect("the test wants it");
            response
        }))
    };
    let service = Service::new("test")
        .get("/", |_: &Request| "quick")
        .put("/files/{name}", put);
    let (running, address) = serve(service, engine, &[("WORKERS", "1")]);
    let mut client = Client::connect(address);
    client.send("PUT /files/a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    let (responder, length) = responders.recv_timeout(PATIENCE).expect("it is whole");
    get(address, "/").expect(200);
    responder
        .respond((StatusCode::CREATED, format!("{length} bytes")))
        .expect("its client waits");
    assert_eq!(client.response().expect(201).text(), "5 bytes");
    client.get("/").expect(200);
    end(running);
}

fn a_spooled_body_is_read_whole_and_leaves_nothing(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(service(&directory), engine, &[]);
    let mut client = Client::connect(address);
    let body = "a line of a table\n".repeat(100_000);
    client.send(format!(
        "POST /lines HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(client.response().expect(200).text(), "100000");
    client.send("POST /lines HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\na\n");
    assert_eq!(listing(&directory), [], "it has no name");
    drop(client);
    end(running);
}

fn a_form_comes_apart_and_keeps_the_files_that_are_wanted(engine: Engine) {
    let tree = Tree::new();
    let directory = tree.path("public");
    let (running, address) = serve(service(&directory), engine, &[]);
    let post = |form: &str| {
        let mut client = Client::connect(address);
        client.send(format!(
            "POST /form HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ));
        client.response()
    };
    assert_eq!(post(FORM).expect(200).text(), "Some(\"A day\") PNG 3");
    assert_eq!(listing(&directory), [("day.png".to_owned(), 3)]);
    let cut = FORM.trim_end().trim_end_matches('-');
    post(cut).expect(400);
    post(&FORM.replace("A day", &"A day".repeat(300))).expect(413);
    // Names are in memory too, be it those of files.
    post(&FORM.replace("day.png", &"d".repeat(2000))).expect(413);
    eventually("what came is removed", || listing(&directory).len() == 1);
    let mut client = Client::connect(address);
    client.send(
        "POST /form HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\n",
    );
    client.response().expect(415);
    drop(client);
    end(running);
}

/// Without a socket a body goes through the same sinks.
#[test]
fn a_test_without_a_socket_uploads_too() {
    let tree = Tree::new();
    let directory = tree.path("public");
    let multipart = HeaderValue::from_static("multipart/form-data; boundary=b");
    let request = Request::post("/form", FORM).with_header(header::CONTENT_TYPE, multipart);
    let answer = service(&directory).call(request);
    assert_eq!(answer.body(), Some(&b"Some(\"A day\") PNG 3"[..]));
    let put = |name: &str, body: Vec<u8>| {
        let request = Request::new(Method::PUT, &format!("/files/{name}"));
        files(&directory).call(request.with_body(body))
    };
    assert_eq!(
        put("large", vec![7; 200_000]).body(),
        Some(&b"200000 bytes"[..])
    );
    assert_eq!(
        put("large", vec![8; 10]).status(),
        200,
        "what is there is replaced"
    );
    assert_eq!(put("large", vec![9; (64 << 20) + 1]).status(), 413);
    assert_eq!(put("..", vec![9]).status(), 400);
    assert_eq!(
        fs::read(directory.join("large")).expect("it is there"),
        [8; 10]
    );
}

#[test]
fn who_looks_on_sees_every_byte_and_one_that_panics_leaves_no_file() {
    let tree = Tree::new();
    let directory = tree.path("public");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (looks, place) = (Arc::clone(&seen), directory.join("a"));
    let put = move |_: &Request| -> Result<Upload, Error> {
        let (looks, file) = (Arc::clone(&looks), Upload::to_file(&place)?.synced());
        Ok(Upload::from(file).inspect(move |piece| {
            assert!(!piece.starts_with(b"panic"), "on purpose");
            looks.lock().unwrap().extend_from_slice(piece);
        }))
    };
    let service = Service::new("test").put("/", put);
    let call = |body: &[u8]| {
        service
            .call(Request::new(Method::PUT, "/").with_body(body))
            .status()
    };
    assert_eq!(call(b"panic"), 500);
    assert_eq!(listing(&directory), []);
    assert_eq!(call(&[5; 100_000]), 201);
    assert_eq!(*seen.lock().unwrap(), [5; 100_000]);
    assert_eq!(listing(&directory), [("a".to_owned(), 100_000)]);
}

#[test]
fn what_a_killed_process_has_left_is_removed_and_nothing_else() {
    let tree = Tree::new();
    let directory = tree.path("public");
    let left = ".upload-00ff00ff00ff00ff.part";
    for name in [left, "a", ".upload-mine.part", ".upload-00ff00ff00ff00ff"] {
        fs::write(directory.join(name), "x").expect("a file can be written");
    }
    let remove = |age| Upload::remove_leftovers(&directory, age).expect("they can be removed");
    assert_eq!(
        remove(Duration::from_secs(60)),
        0,
        "it may be another process's"
    );
    assert_eq!(remove(Duration::ZERO), 1);
    let names: Vec<_> = listing(&directory)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [".upload-00ff00ff00ff00ff", ".upload-mine.part", "a"]
    );
}
