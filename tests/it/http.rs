//! HTTP/1.1 on the wire: what is served, what is refused, and that nobody is ever left in doubt.

mod limits;
mod tables;

use std::time::{Duration, SystemTime};

use crate::exceptions;
use crate::support::{Broken, Client, Engine, Framing, Setup, Times};

pub(crate) use limits::CASES as LIMITS_CASES;
use tables::{REFUSED, SERVED};

both_engines! {
    valid_requests_are_served_and_leave_the_connection_in_order,
    refused_requests_end_the_connection_and_nothing_behind_them_is_served,
    a_request_that_arrives_byte_by_byte_is_the_same_request,
    pipelined_requests_are_answered_in_order,
    nothing_is_answered_behind_a_last_request,
    old_clients_are_served_as_http_1_0_says,
    a_head_request_gets_the_head_that_get_would,
    answers_without_a_body_do_not_confuse_the_connection,
    every_answer_is_dated_and_framed,
    a_long_answer_arrives_whole,
    a_wrong_method_is_told_the_right_ones,
    a_busy_connection_is_not_held_up_by_delayed_acknowledgements: alone,
}

/// The names of the rows, which the exceptions may name too.
pub(crate) fn rows() -> impl Iterator<Item = &'static str> {
    SERVED
        .iter()
        .map(|row| row.name)
        .chain(REFUSED.iter().map(|row| row.name))
}

fn valid_requests_are_served_and_leave_the_connection_in_order(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut failed = Vec::new();
    for row in SERVED
        .iter()
        .filter(|row| !exceptions::row(engine, row.name))
    {
        let serve = || -> Result<(), String> {
            let mut client = server.client().patience(Duration::from_secs(5));
            client.send(row.request);
            let answer = client
                .try_response()
                .map_err(|broken| format!("{broken:?}"))?;
            if !row.statuses.contains(&answer.status) {
                return Err(format!("{}, not one of {:?}", answer.status, row.statuses));
            }
            if row.body.is_some_and(|body| body != answer.text()) {
                return Err(format!("the body is {:?}", answer.text()));
            }
            if answer.closes() {
                return Err("the connection is not kept".to_owned());
            }
            client.send("GET /bytes/7 HTTP/1.1\r\nHost: test\r\n\r\n");
            match client.try_response() {
                Ok(next) if (next.status, next.body.len()) == (200, 7) => Ok(()),
                next => Err(format!("the next request got {next:?}")),
            }
        };
        failed.extend(serve().err().map(|why| format!("{}: {why}", row.name)));
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

fn refused_requests_end_the_connection_and_nothing_behind_them_is_served(engine: Engine) {
    const BEHIND: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    let server = Setup::new(engine)
        .set("ACCESS_LOG", "all")
        .set("LOG_LEVEL", "debug")
        .start()
        .ready();
    let mut failed = Vec::new();
    for row in REFUSED
        .iter()
        .filter(|row| !exceptions::row(engine, row.name))
    {
        let refuse = || -> Result<(), String> {
            let mut client = server.client().patience(Duration::from_secs(5));
            client.send([row.request, BEHIND].concat());
            let answer = match client.try_response() {
                Ok(answer) => answer,
                // What tiny_http refuses by itself it refuses in its own words: without `Connection: close`, or with
                // nothing but the close. What counts is the same: an end, and nothing behind it.
                Err(Broken::Closed) if engine == Engine::TinyHttp => return Ok(()),
                Err(broken) => return Err(format!("{broken:?}")),
            };
            if !row.statuses.contains(&answer.status) {
                return Err(format!("{}, not one of {:?}", answer.status, row.statuses));
            }
            if !answer.closes() && engine != Engine::TinyHttp {
                return Err("the answer does not say that the connection ends".to_owned());
            }
            match client.try_response() {
                Err(Broken::Closed) => Ok(()),
                more => Err(format!("behind it came {more:?}")),
            }
        };
        failed.extend(refuse().err().map(|why| format!("{}: {why}", row.name)));
    }
    assert!(failed.is_empty(), "{failed:#?}");
    server.get("/").expect(200);
    let exit = server.stop().expect_clean();
    assert!(
        exit.output().contains("\"/\""),
        "served requests are logged"
    );
    assert!(
        !exit.output().contains("/smuggled"),
        "what stood behind a refused request was taken for one: {exit:#?}"
    );
}

fn a_request_that_arrives_byte_by_byte_is_the_same_request(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    for row in SERVED
        .iter()
        .filter(|row| !exceptions::row(engine, row.name))
    {
        let mut client = server.client();
        for byte in row.request {
            client.send([*byte]);
        }
        let answer = client.response();
        assert!(
            row.statuses.contains(&answer.status),
            "{}: {}",
            row.name,
            answer.status
        );
        if let Some(body) = row.body {
            assert_eq!(answer.text(), body, "{}", row.name);
        }
        client.get("/").expect(200);
    }
}

fn pipelined_requests_are_answered_in_order(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    let mut requests = String::new();
    // 28 in all: tiny_http ends a connection on which more than 32 wait.
    for n in 0..9 {
        let body = "x".repeat(n);
        // The slow one would be overtaken, were the others not to wait for their turn.
        if n == 3 {
            requests += "GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n";
        }
        requests += &format!("GET /bytes/{n} HTTP/1.1\r\nHost: test\r\n\r\n");
        requests +=
            &format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {n}\r\n\r\n{body}");
        requests += &format!("HEAD /bytes/{n} HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    client.send(requests);
    for n in 0..9 {
        if n == 3 {
            client.response().expect(200);
        }
        assert_eq!(client.response().expect(200).body.len(), n);
        assert_eq!(client.response().expect(200).text(), "x".repeat(n));
        assert_eq!(
            client
                .response_to("HEAD")
                .expect(200)
                .header("content-length"),
            Some(n.to_string().as_str())
        );
    }
    client.get("/").expect(200);
}

fn nothing_is_answered_behind_a_last_request(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    for last in [
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: foo, CLOSE\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(format!("{last}GET / HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert!(client.response().expect(200).closes(), "{last}");
        client.expect_close();
    }
}

fn old_clients_are_served_as_http_1_0_says(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert!(client.response().expect(200).closes());
    client.expect_close();

    // Without chunks, whatever the handler does: a body by length, or by the end of the connection.
    let mut client = server.client();
    client.send("GET /bytes/300000 HTTP/1.0\r\n\r\n");
    let answer = client.response().expect(200);
    assert_eq!(answer.body.len(), 300_000);
    assert_ne!(answer.framing, Framing::Chunked);
    client.expect_close();

    let mut client = server.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.response().expect(200);
    // A 1.0 client keeps a connection only when told so (RFC 9112 section 9.3).
    assert_eq!(
        answer
            .header("connection")
            .map(str::to_ascii_lowercase)
            .as_deref(),
        Some("keep-alive")
    );
    client.send("POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().expect(200).text(), "hello");
}

fn a_head_request_gets_the_head_that_get_would(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for path in [
        "/",
        "/bytes/0",
        "/bytes/1000",
        "/bytes/3000000",
        "/nowhere",
        "/headers",
        "/status/204",
        "/status/500",
    ] {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let head = client.response_to("HEAD");
        let get = client.get(path);
        assert_eq!(head.status, get.status, "{path}");
        for name in [
            "content-type",
            "content-length",
            "transfer-encoding",
            "cache-control",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

fn answers_without_a_body_do_not_confuse_the_connection(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for _ in 0..2 {
        for status in [204, 304] {
            let answer = client.get(&format!("/status/{status}")).expect(status);
            assert_eq!(answer.framing, Framing::None);
            assert!(!answer.closes());
        }
        for status in [200, 201, 404, 418, 500, 503] {
            client.get(&format!("/status/{status}")).expect(status);
        }
    }
    client.get("/").expect(200);
}

fn every_answer_is_dated_and_framed(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for path in [
        "/",
        "/healthz",
        "/nowhere",
        "/panic",
        "/bytes/100000",
        "/status/204",
    ] {
        let answer = client.get(path);
        let date = answer
            .header("date")
            .unwrap_or_else(|| panic!("{path} has no Date: {:?}", answer.headers));
        assert!(
            date.ends_with(" GMT") && date.len() == 29,
            "not of the one form that may be sent: {date}"
        );
        let date = httpdate::parse_http_date(date).expect("a date");
        let apart = SystemTime::now()
            .duration_since(date)
            .unwrap_or_else(|error| error.duration());
        assert!(
            apart < Duration::from_secs(5),
            "{path} was sent {apart:?} from now"
        );
        assert_ne!(answer.framing, Framing::Close, "{path}");
    }
}

fn a_long_answer_arrives_whole(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for size in [0, 1, 1000, 65_536, 1_000_001, 8 << 20] {
        assert_eq!(
            client.get(&format!("/bytes/{size}")).expect(200).body.len(),
            size
        );
    }
}

fn a_wrong_method_is_told_the_right_ones(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for (method, path, right) in [
        ("DELETE", "/", &["GET", "HEAD"][..]),
        ("PUT", "/echo", &["POST"]),
    ] {
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
        ));
        let answer = client.response().expect(405);
        let allow = answer.header("allow").expect("RFC 9110 section 15.5.6");
        let allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
        assert!(
            right.iter().all(|method| allowed.contains(method)),
            "{path} allows {allow}"
        );
        assert!(!allowed.contains(&method), "{path} allows {allow}");
    }
    client.get("/nowhere").expect(404);
    client.get("/nowhere/%2e%2e/at/all?x=y").expect(404);
}

fn a_busy_connection_is_not_held_up_by_delayed_acknowledgements(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    // Two small writes in a row without TCP_NODELAY cost 40 ms each time.
    for path in ["/", "/healthz", "/bytes/100", "/bytes/20000"] {
        let times = Times::of_gets(server.address, path, 50);
        assert!(
            times.median() < Duration::from_millis(10),
            "{path}: {times:?}"
        );
    }
    let mut client: Client = server.client();
    let times = Times::of(50, || {
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n");
        client.send("hello");
        client.response().expect(200);
    });
    assert!(times.median() < Duration::from_millis(10), "{times:?}");
}
