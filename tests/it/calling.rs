//! A service that is asked without a socket answers as it does over one.

use std::io::Read;
use std::time::Duration;

use seaworthy::http::{HeaderMap, Method, StatusCode, header};
use seaworthy::{Error, Next, Problem, Request, Response, Routes, Service, layers};

use crate::service::{end, serve};
use crate::support::{self, Client, Engine};

both_engines! {
    what_call_answers_is_what_a_client_gets,
}

fn service() -> Service {
    let limited = Routes::new()
        .post("/limited", |request: &Request| request.body().to_vec())
        .get("/deadline", |request: &Request| {
            format!("{:?}", request.time_left() > Some(Duration::ZERO))
        })
        .body_limit("10")
        .timeout("30s");
    let fails = |_: &Request| -> Result<(), Error> { Err(Error::conflict("taken")) };
    Service::new("test")
        .version("1.2.3")
        .get("/", |_: &Request| "hello")
        .get("/typed", |_: &Request| {
            ([("content-type", "text/css")], "a{}")
        })
        .get("/ours", |_: &Request| {
            (
                [("date", "now"), ("content-length", "9"), ("x-own", "1")],
                "x",
            )
        })
        .get("/none", |_: &Request| (StatusCode::NO_CONTENT, "not sent"))
        .get("/reset", |_: &Request| {
            (StatusCode::RESET_CONTENT, "not sent")
        })
        .get("/fails", fails)
        .get("/panics", |_: &Request| -> () { panic!("on purpose") })
        .get("/stream", |_: &Request| Response::stream(&b"streamed"[..]))
        .get("/sized", |_: &Request| {
            Response::stream_sized(&b"streamed and more"[..], 8)
        })
        .get("/written", |_: &Request| {
            Response::write_with(|out| Ok(out.write_all(b"written")?))
        })
        .merge(limited)
        .errors(Problem::json)
        .layer(layers::etag())
        .layer(|request: &mut Request, next: Next<'_>| {
            let mut response = next.run(request);
            let headers = response.headers_mut();
            headers.insert("x-layer", "seen".parse().expect("a value"));
            response
        })
}

/// What the server adds for the connection's sake, and what is another one each time.
const OF_THE_SOCKET: [&str; 3] = ["date", "transfer-encoding", "connection"];

fn pairs_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let value = value.to_str().expect("text").to_owned();
        (name.as_str().to_owned(), value)
    };
    sorted(headers.iter().map(pair).collect())
}

fn pairs_over_the_socket(response: &support::Response) -> Vec<(String, String)> {
    let pairs = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()));
    sorted(
        pairs
            .filter(|(name, _)| !OF_THE_SOCKET.contains(&name.as_str()))
            .collect(),
    )
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

fn what_call_answers_is_what_a_client_gets(engine: Engine) {
    let (called, running) = (service(), serve(service(), engine));
    for (method, path, body) in [
        (Method::GET, "/", ""),
        (Method::HEAD, "/", ""),
        (Method::POST, "/", ""),
        (Method::GET, "/nowhere", ""),
        (Method::GET, "/typed", ""),
        (Method::GET, "/ours", ""),
        (Method::GET, "/none", ""),
        (Method::GET, "/reset", ""),
        (Method::GET, "/fails", ""),
        (Method::GET, "/panics", ""),
        (Method::GET, "/stream", ""),
        (Method::HEAD, "/stream", ""),
        (Method::GET, "/sized", ""),
        (Method::GET, "/written", ""),
        (Method::GET, "/deadline", ""),
        (Method::POST, "/limited", "ten bytes."),
        (Method::POST, "/limited", "eleven byte"),
        (Method::GET, "/readyz?verbose", ""),
        (Method::GET, "/version", ""),
        (Method::POST, "/version", ""),
    ] {
        let mut client = Client::connect(running.addr());
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let got = client.response_to(method.as_str());
        let answer = called.call(Request::new(method.clone(), path).with_body(body));
        let case = format!("{method} {path} {body:?}");
        assert_eq!(answer.status().as_u16(), got.status, "{case}");
        assert_eq!(
            pairs_of(answer.headers()),
            pairs_over_the_socket(&got),
            "{case}"
        );
        let mut body = Vec::new();
        let mut reader = answer.into_body().into_reader();
        reader.read_to_end(&mut body).expect("it can be read");
        assert_eq!(body, got.body, "{case}");
    }
    end(running);
}

#[test]
fn what_would_be_cut_over_a_socket_cannot_be_read_to_its_end_without_one() {
    let service = Service::new("test")
        .get("/fails", |_: &Request| {
            Response::write_with(|_| Err(Error::internal("the disk is gone")))
        })
        .get("/panics", |_: &Request| {
            Response::write_with(|_| panic!("on purpose"))
        });
    for path in ["/fails", "/panics"] {
        let mut reader = service.call(Request::get(path)).into_body().into_reader();
        assert!(reader.read_to_end(&mut Vec::new()).is_err(), "{path}");
    }
}
