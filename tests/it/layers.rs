//! The ready-made layers, and what layers do to answers, as clients meet them.

pub(crate) mod answers;
#[cfg(feature = "compression")]
pub(crate) mod compression;
pub(crate) mod concurrency;
#[cfg(feature = "cookies")]
pub(crate) mod cookies;
pub(crate) mod cors;
pub(crate) mod written;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use seaworthy::http::HeaderName;
use seaworthy::{Next, Request, Routes, Secret, Service, layers};

use crate::service::{end, serve, start};
use crate::support::{self, Client, Engine, PATIENCE};

both_engines! {
    a_sane_request_id_is_kept_and_any_other_is_made,
    a_request_id_is_on_whatever_is_logged_of_the_request,
    a_deadline_layer_takes_request_timeouts_place_and_brings_others_nearer,
    only_who_has_a_token_is_let_in,
}

/// One request with these lines, on a connection of its own.
pub(crate) fn ask(address: SocketAddr, lines: &[&str]) -> support::Response {
    let method = lines[0].split(' ').next().unwrap_or_default();
    let mut client = Client::connect(address);
    let (first, more) = lines.split_first().expect("a request line");
    let mut request = format!("{first} HTTP/1.1\r\nHost: test\r\n");
    for line in more {
        request.push_str(line);
        request.push_str("\r\n");
    }
    client.send(request + "\r\n");
    client.response_to(method)
}

fn a_sane_request_id_is_kept_and_any_other_is_made(engine: Engine) {
    let told = |request: &Request| request.id().unwrap_or("none").to_owned();
    let correlation = HeaderName::from_static("x-correlation-id");
    let service = Service::new("test")
        .get("/", told)
        .get("/panics", |_: &Request| -> () { panic!("on purpose") })
        .nest(
            "/own",
            Routes::new()
                .get("/made", told)
                .layer(layers::request_id().always_made()),
        )
        .nest(
            "/correlated",
            Routes::new()
                .get("/", told)
                .layer(layers::request_id().header(correlation)),
        )
        .layer(layers::request_id());
    let running = serve(service, engine);
    let address = running.addr();
    let brought = "X-Request-ID: 7b2c0d6e-5f0a-4c39-9d1e-3f1d2b7a9c11";
    let id = Some(&brought[14..]);
    let answer = ask(address, &["GET /", brought]).expect(200);
    assert_eq!(
        (answer.header("x-request-id"), Some(answer.text())),
        (id, id)
    );
    for (line, status) in [("GET /nowhere", 404), ("POST /", 405), ("GET /panics", 500)] {
        let answer = ask(address, &[line, brought]).expect(status);
        assert_eq!(answer.header("x-request-id"), id, "{line}");
    }
    let is_made = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let long = format!("X-Request-Id: {}", "x".repeat(129));
    let mut made = Vec::new();
    for other in [
        "X-Other: 1",
        "X-Request-Id:",
        "X-Request-Id: a b",
        "X-Request-Id: a\"b",
        &long,
    ] {
        let answer = ask(address, &["GET /", other]).expect(200);
        let id = answer.header("x-request-id").unwrap_or_default();
        assert!(is_made(id), "{other}: {id}");
        assert_eq!(answer.text(), id);
        made.push(id.to_owned());
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5, "no two are the same");
    assert!(is_made(ask(address, &["GET /own/made", brought]).text()));
    let answer = ask(address, &["GET /correlated", "X-Correlation-Id: c-7"]).expect(200);
    assert_eq!(
        (answer.text(), answer.header("x-correlation-id")),
        ("c-7", Some("c-7"))
    );
    end(running);
}

/// What the log records of a request carry is in its context; see the logger's own tests for the rest of the way.
fn a_request_id_is_on_whatever_is_logged_of_the_request(engine: Engine) {
    let contexts = Arc::new(Mutex::new(Vec::new()));
    let note = |place: &'static str| {
        let contexts = Arc::clone(&contexts);
        move |request: &Request| {
            let context = format!("{place} {:?}", request.context());
            contexts.lock().unwrap().push(context);
        }
    };
    let (handler, after) = (note("handler"), note("after"));
    let service = Service::new("test")
        .get("/", move |request: &Request| handler(request))
        .layer(layers::request_id())
        .layer(move |request: &mut Request, next: Next<'_>| {
            let response = next.run(request);
            after(request);
            response
        });
    let running = serve(service, engine);
    ask(running.addr(), &["GET /", "X-Request-Id: abc-1"]).expect(200);
    ask(running.addr(), &["GET /", "X-Request-Id: abc-2"]).expect(200);
    let contexts = contexts.lock().unwrap();
    for (context, (place, id)) in contexts.iter().zip([
        ("handler", "abc-1"),
        ("after", "abc-1"),
        ("handler", "abc-2"),
        ("after", "abc-2"),
    ]) {
        assert!(context.starts_with(place), "{context}");
        assert_eq!(context.matches("request_id").count(), 1, "{context}");
        assert!(context.contains(id), "{context}");
    }
    assert_eq!(contexts.len(), 4);
    end(running);
}

fn a_deadline_layer_takes_request_timeouts_place_and_brings_others_nearer(engine: Engine) {
    let left = |request: &Request| match request.time_left() {
        Some(left) => format!("{}", left.as_secs_f64().ceil()),
        None => "for ever".to_owned(),
    };
    let header = || HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
    let longer = layers::deadline("100s").from_header(header());
    let nested = Routes::new().get("/", left).layer(layers::deadline("50s"));
    let service = Service::new("test")
        .get("/plain", left)
        .nest("/longer", Routes::new().get("/", left).layer(longer))
        .nest(
            "/route",
            Routes::new()
                .get("/", left)
                .layer(layers::deadline("100s"))
                .timeout("20s"),
        )
        .nest(
            "/outer",
            Routes::new()
                .nest("/inner", nested)
                .layer(layers::deadline("40s")),
        )
        .nest(
            "/inner",
            Routes::new()
                .get("/", left)
                .layer(layers::deadline("30s"))
                .layer(layers::deadline("40s")),
        );
    let running = start(service, engine, &[("REQUEST_TIMEOUT", "10s")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    for (lines, expected) in [
        (&["GET /plain"][..], "10"),
        (&["GET /longer"], "100"),
        (
            &["GET /longer", "X-Envoy-Expected-Rq-Timeout-Ms: 15000"],
            "15",
        ),
        (
            &["GET /longer", "X-Envoy-Expected-Rq-Timeout-Ms: 150000"],
            "100",
        ),
        (
            &["GET /longer", "X-Envoy-Expected-Rq-Timeout-Ms: soon"],
            "100",
        ),
        (&["GET /longer", "X-Envoy-Expected-Rq-Timeout-Ms: 0"], "0"),
        (&["GET /route"], "20"),
        (&["GET /outer/inner"], "40"),
        (&["GET /inner"], "30"),
    ] {
        assert_eq!(
            ask(running.addr(), lines).expect(200).text(),
            expected,
            "{lines:?}"
        );
    }
    end(running);
}

fn only_who_has_a_token_is_let_in(engine: Engine) {
    let guarded =
        |layer: layers::Bearer| Routes::new().get("/", |_: &Request| "inside").layer(layer);
    let unset = Secret::from("");
    let service = Service::new("test")
        .nest(
            "/one",
            guarded(layers::bearer("hunter2").or(Secret::from("the one before"))),
        )
        .nest(
            "/realm",
            guarded(layers::bearer("hunter2").realm("the shop")),
        )
        .nest("/unset", guarded(layers::bearer(&unset)));
    let running = serve(service, engine);
    let ask = |path: &str, more: &[&str]| {
        let line = format!("GET {path}");
        ask(running.addr(), &[&[line.as_str()], more].concat())
    };
    for good in [
        "Bearer hunter2",
        "bearer hunter2",
        "BEARER  hunter2",
        "Bearer the one before",
    ] {
        let answer = ask("/one", &[&format!("Authorization: {good}")]).expect(200);
        assert_eq!(answer.text(), "inside");
    }
    for (bad, challenge) in [
        ("Bearer hunter3", "Bearer error=\"invalid_token\""),
        ("Bearer hunter", "Bearer error=\"invalid_token\""),
        ("Bearer hunter22", "Bearer error=\"invalid_token\""),
        ("Bearer ", "Bearer"),
        ("Bearer", "Bearer"),
        ("hunter2", "Bearer"),
        ("Basic aHVudGVyMg==", "Bearer"),
        ("Bearerhunter2", "Bearer"),
    ] {
        let answer = ask("/one", &[&format!("Authorization: {bad}")]).expect(401);
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{bad}");
        assert!(!answer.text().contains("hunter"));
    }
    let challenge = |answer: support::Response| {
        answer
            .expect(401)
            .header("www-authenticate")
            .map(str::to_owned)
    };
    assert_eq!(challenge(ask("/one", &[])).as_deref(), Some("Bearer"));
    assert_eq!(
        challenge(ask("/realm", &[])).as_deref(),
        Some("Bearer realm=\"the shop\"")
    );
    let wrong = challenge(ask("/realm", &["Authorization: Bearer x"]));
    assert_eq!(
        wrong.as_deref(),
        Some("Bearer realm=\"the shop\", error=\"invalid_token\"")
    );
    for empty in ["Authorization: Bearer ", "Authorization: Bearer x"] {
        ask("/unset", &[empty]).expect(401);
    }
    end(running);
}
