//! The library as a program uses it that is not the reference service: through `Service::start`, over real sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use seaworthy::http::{HeaderValue, StatusCode, header};
use seaworthy::{Config, Ending, Error, IntoResponse, Next, Phase, Request, Running, Service};

use crate::support::{Broken, Client, Engine, Framing, eventually, free_port, get};

both_engines! {
    what_a_handler_returns_is_what_the_client_gets,
    a_route_hands_over_its_parameters_decoded,
    a_handler_is_told_the_clients_own_address,
    an_errors_text_stays_with_the_service,
    what_the_server_writes_is_not_written_twice,
    layers_see_every_request_and_no_probe,
    a_handler_past_the_deadline_is_named_and_not_waited_for,
    two_services_in_one_process_know_nothing_of_each_other,
    an_address_in_use_is_named,
}

/// On a port that the kernel gives to nobody else once the service has closed it.
pub(crate) fn config(engine: Engine, more: &[(&str, &str)]) -> Config {
    let port = free_port().to_string();
    let basic = [
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", &port),
        ("DRAIN_DELAY", "0"),
    ];
    Config::from_pairs(basic.iter().chain(more).copied()).expect("the test knows the settings")
}

pub(crate) fn start(service: Service, engine: Engine, more: &[(&str, &str)]) -> Running {
    service
        .start(config(engine, more))
        .expect("a free port of loopback can be bound")
}

/// Started and through with its start-up tasks.
pub(crate) fn serve(service: Service, engine: Engine) -> (Running, SocketAddr) {
    let running = start(service, engine, &[]);
    let address = running.addr();
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    (running, address)
}

pub(crate) fn end(running: Running) {
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!(report.abandoned_total(), 0, "{report:?}");
}

fn what_a_handler_returns_is_what_the_client_gets(engine: Engine) {
    let service = Service::new("test")
        .get("/text", |_: &Request| "text")
        .get("/string", |_: &Request| format!("{}{}", "str", "ing"))
        .get("/bytes", |_: &Request| vec![0u8, 255, 10])
        .get("/status", |_: &Request| StatusCode::NO_CONTENT)
        .get("/both", |_: &Request| (StatusCode::CREATED, "made"))
        .get("/headers", |_: &Request| {
            (
                StatusCode::OK,
                [(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))],
                "<p>",
            )
        })
        .get("/fine", |_: &Request| -> Result<&str, StatusCode> {
            Ok("fine")
        })
        .get("/gone", |_: &Request| -> Result<&str, StatusCode> {
            Err(StatusCode::GONE)
        })
        .post("/text", |request: &Request| {
            request.text().map(str::to_uppercase)
        })
        .put("/method", |request: &Request| request.method().to_string())
        .delete("/method", |request: &Request| request.method().to_string());
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    let text = "text/plain; charset=utf-8";
    for (path, status, content_type, body) in [
        ("/text", 200, Some(text), &b"text"[..]),
        ("/string", 200, Some(text), b"string"),
        (
            "/bytes",
            200,
            Some("application/octet-stream"),
            b"\x00\xff\n",
        ),
        ("/status", 204, None, b""),
        ("/both", 201, Some(text), b"made"),
        ("/headers", 200, Some("text/html"), b"<p>"),
        ("/fine", 200, Some(text), b"fine"),
        ("/gone", 410, None, b""),
    ] {
        let answer = client.get(path).expect(status);
        assert_eq!(
            (answer.header("content-type"), &answer.body[..]),
            (content_type, body),
            "{path}"
        );
    }
    let mut send = |method: &str, path: &str, body: &[u8]| {
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        client.send(body);
        client.response()
    };
    assert_eq!(
        send("POST", "/text", "grüße".as_bytes()).expect(200).text(),
        "GRÜSSE"
    );
    send("POST", "/text", b"\xff\xfe").expect(400);
    assert_eq!(send("PUT", "/method", b"").expect(200).text(), "PUT");
    assert_eq!(send("DELETE", "/method", b"").expect(200).text(), "DELETE");
    let allow = send("POST", "/method", b"")
        .expect(405)
        .header("allow")
        .map(str::to_owned)
        .unwrap_or_default();
    assert!(
        allow.contains("PUT") && allow.contains("DELETE") && !allow.contains("GET"),
        "{allow}"
    );
    end(running);
}

#[cfg(feature = "serde")]
#[test]
fn json_goes_in_and_out() {
    use serde_json::{Value, json};
    let service = Service::new("test").post("/double", |request: &Request| -> Result<_, Error> {
        let number = request.json::<Value>()?["number"]
            .as_i64()
            .unwrap_or_default();
        Ok(seaworthy::Json(json!({ "double": number * 2 })))
    });
    let (running, address) = serve(service, Engine::Native);
    let mut client = Client::connect(address);
    let mut post = |content_type: &str, body: &str| {
        let length = body.len();
        client.send(format!(
            "POST /double HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        client.response()
    };
    let answer = post("application/json", "{\"number\": 21}").expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        serde_json::from_slice::<Value>(&answer.body).unwrap(),
        json!({ "double": 42 })
    );
    post("application/json", "{\"number\": ").expect(400);
    post("text/plain", "{\"number\": 21}").expect(415);
    end(running);
}

fn a_route_hands_over_its_parameters_decoded(engine: Engine) {
    let service = Service::new("test")
        .get("/users/{id}", |request: &Request| {
            format!("user {}", request.param("id"))
        })
        .get("/files/{*path}", |request: &Request| {
            format!("file {}", request.param("path"))
        })
        .get("/query", |request: &Request| {
            let pairs = request
                .query_pairs()
                .map(|(name, value)| format!("{name}={value};"));
            pairs.collect::<String>()
        })
        .get("/route/{a}/{b}", |request: &Request| {
            request.route().to_owned()
        });
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    for (path, body) in [
        ("/users/7", "user 7"),
        ("/users/J%C3%B6rg%20%2F%20Co", "user Jörg / Co"),
        ("/files/a/b%20c/d.txt", "file a/b c/d.txt"),
        ("/query?a=1&b=%26+%3D&c&a=2", "a=1;b=& =;c=;a=2;"),
        ("/route/x/y", "/route/{a}/{b}"),
    ] {
        assert_eq!(client.get(path).expect(200).text(), body, "{path}");
    }
    client.get("/users").expect(404);
    client.get("/users/7/8").expect(404);
    end(running);
}

fn a_handler_is_told_the_clients_own_address(engine: Engine) {
    let service = Service::new("test").get("/peer", |request: &Request| {
        request.peer().expect("it came over a socket").to_string()
    });
    // Both families where there are two.
    let host = TcpListener::bind("[::]:0").map_or("0.0.0.0", |_| "::");
    let running = start(service, engine, &[("HOST", host)]);
    let port = running.addr().port();
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    let own = client.stream().local_addr().expect("it is connected");
    assert_eq!(client.get("/peer").text(), own.to_string());
    end(running);
}

fn an_errors_text_stays_with_the_service(engine: Engine) {
    let service = Service::new("test")
        .get("/broken", |_: &Request| -> Result<&str, Error> {
            Err(io::Error::other("cannot open /etc/hunter2"))?;
            Ok("never")
        })
        .get("/told", |_: &Request| -> Result<&str, Error> {
            Err(Error::new(StatusCode::CONFLICT, "taken").because("row 7 of hunter2"))
        });
    let (running, address) = serve(service, engine);
    for (path, status) in [("/broken", 500), ("/told", 409)] {
        let answer = get(address, path).expect(status);
        assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    }
    assert_eq!(get(address, "/told").text(), "taken");
    end(running);
}

fn what_the_server_writes_is_not_written_twice(engine: Engine) {
    let service = Service::new("test").get("/", |_: &Request| {
        // All of them wrong: a client that believed one of these would lose its place in the stream.
        let wrong = [
            (header::CONTENT_LENGTH, HeaderValue::from_static("1")),
            (
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            ),
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::DATE, HeaderValue::from_static("yesterday")),
            (header::SET_COOKIE, HeaderValue::from_static("a=b")),
        ];
        (wrong, "hello")
    });
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    for _ in 0..2 {
        let answer = client.get("/").expect(200);
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.framing, Framing::Length(5));
        assert_ne!(answer.header("date"), Some("yesterday"));
        assert_ne!(answer.header("connection"), Some("upgrade"));
        assert_eq!(answer.header("set-cookie"), Some("a=b"));
    }
    end(running);
}

fn layers_see_every_request_and_no_probe(engine: Engine) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let service = Service::new("test")
        .get("/", |_: &Request| "inside")
        .layer(move |request: &mut Request, next: Next<'_>| {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut response = next.run(request);
            response
                .headers_mut()
                .insert("x-layer", HeaderValue::from_static("seen"));
            response
        })
        .layer(
            |request: &mut Request, next: Next<'_>| match request.header("authorization") {
                Some("Bearer token") => next.run(request),
                _ => StatusCode::UNAUTHORIZED.into_response(),
            },
        );
    let (running, address) = serve(service, engine);
    get(address, "/").expect(401);
    assert_eq!(
        seen.load(Ordering::SeqCst),
        0,
        "the outer layer answered by itself"
    );
    for path in ["/healthz", "/readyz", "/startupz"] {
        get(address, path).expect(200);
    }
    let mut client = Client::connect(address);
    for (path, status) in [("/", 200), ("/nowhere", 404)] {
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer token\r\n\r\n"
        ));
        assert_eq!(
            client.response().expect(status).header("x-layer"),
            Some("seen")
        );
    }
    assert_eq!(seen.load(Ordering::SeqCst), 2);
    end(running);
}

fn a_handler_past_the_deadline_is_named_and_not_waited_for(engine: Engine) {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (entered, inside) = mpsc::channel();
    let service = Service::new("test").get("/stuck/{id}", move |_: &Request| {
        entered.send(()).unwrap();
        let _ = held.lock().unwrap().recv();
        "too late"
    });
    let running = start(service, engine, &[("SHUTDOWN_TIMEOUT", "300ms")]);
    let address = running.addr();
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    let mut client = Client::connect(address);
    client.send("GET /stuck/7 HTTP/1.1\r\nHost: test\r\n\r\n");
    inside.recv().unwrap();
    let told = Instant::now();
    running.stop();
    assert!(running.phase() >= Phase::Draining);
    let report = running.wait();
    assert!(
        told.elapsed() >= Duration::from_millis(300) && told.elapsed() < Duration::from_secs(4)
    );
    assert_eq!(report.abandoned, [("/stuck/{id}".to_owned(), 1)]);
    assert_eq!(report.ending, Ending::DeadlinePassed);
    assert_eq!(report.ending.exit_code(), 75);
    drop(release);
    // With the handler's return at the latest, the client sees the end; what it does not see is half an answer.
    match client.try_response() {
        Err(Broken::Closed) => {}
        Ok(answer) => assert_eq!(answer.text(), "too late"),
        other => panic!("{other:?}"),
    }
}

fn two_services_in_one_process_know_nothing_of_each_other(engine: Engine) {
    let named = |name: &'static str| Service::new(name).get("/", move |_: &Request| name);
    let (first, first_address) = serve(named("first"), engine);
    let (second, second_address) = serve(named("second"), engine);
    assert_eq!(get(first_address, "/").expect(200).text(), "first");
    assert_eq!(get(second_address, "/").expect(200).text(), "second");
    end(first);
    assert!(Client::try_connect(first_address).is_err());
    assert_eq!(second.phase(), Phase::Running);
    get(second_address, "/readyz").expect(200);
    end(second);
}

fn an_address_in_use_is_named(engine: Engine) {
    let (first, address) = serve(Service::new("first"), engine);
    let port = address.port().to_string();
    let error = match Service::new("second").start(config(engine, &[("PORT", &port)])) {
        Err(error) => error,
        Ok(_) => panic!("two services on one port"),
    };
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    end(first);
}

#[test]
fn a_handler_can_be_tested_without_a_socket() {
    let service = Service::new("test")
        .get("/users/{id}", |request: &Request| {
            format!("user {}", request.param("id"))
        })
        .post("/echo", |request: &Request| request.body().to_vec())
        .layer(|request: &mut Request, next: Next<'_>| {
            next.run(request).with_status(StatusCode::ACCEPTED)
        });
    let answer = service.call(Request::get("/users/7?full"));
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.body(), Some(&b"user 7"[..]));
    assert_eq!(
        service.call(Request::post("/echo", "hello")).body(),
        Some(&b"hello"[..])
    );
    assert_eq!(
        service.call(Request::get("/readyz")).status(),
        StatusCode::OK
    );
}
