//! The library as a program uses it that is not the reference service: through `Service::start`, over real sockets.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::http::{HeaderValue, StatusCode, header};
use seaworthy::{
    Check, Config, Ending, Error, IntoResponse, Next, Phase, Request, Response, Running, Service,
    Stop,
};

use crate::support::{Broken, Client, Engine, Framing, Times, eventually, free_port, get};

both_engines! {
    what_a_handler_returns_is_what_the_client_gets,
    a_route_hands_over_its_parameters_decoded,
    a_handler_is_told_the_clients_own_address,
    an_errors_text_stays_with_the_service,
    what_the_server_writes_is_not_written_twice,
    layers_see_every_request_and_no_probe,
    a_stream_arrives_as_it_is_produced,
    a_stream_to_an_old_client_ends_with_its_connection,
    a_stream_that_fails_is_cut_visibly,
    slow_readers_of_streams_hold_no_worker: alone,
    a_check_that_hangs_or_panics_fails_by_name,
    a_check_is_asked_in_the_background_and_not_by_the_probe,
    a_failed_liveness_check_leaves_readiness_alone,
    a_service_is_ready_when_every_start_up_task_has_returned,
    a_failed_start_up_task_ends_the_service,
    background_services_are_stopped_in_reverse_after_the_last_answer,
    a_background_service_that_fails_ends_the_service,
    a_background_service_that_will_not_stop_is_named,
    a_handler_past_the_deadline_is_named_and_not_waited_for,
    two_services_in_one_process_know_nothing_of_each_other,
    an_address_in_use_is_named,
}

/// On a port that the kernel gives to nobody else once the service has closed it.
fn config(engine: Engine, more: &[(&str, &str)]) -> Config {
    let port = free_port().to_string();
    let basic = [
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", &port),
        ("DRAIN_DELAY", "0"),
    ];
    Config::from_pairs(basic.iter().chain(more).copied()).expect("the test knows the settings")
}

fn start(service: Service, engine: Engine, more: &[(&str, &str)]) -> Running {
    service
        .start(config(engine, more))
        .expect("a free port of loopback can be bound")
}

/// Started and through with its start-up tasks.
fn serve(service: Service, engine: Engine) -> (Running, SocketAddr) {
    let running = start(service, engine, &[]);
    let address = running.addr();
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    (running, address)
}

fn end(running: Running) {
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

/// Reads what a test sends, piece by piece, and ends or fails when told to.
struct Pieces(mpsc::Receiver<Option<Vec<u8>>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.recv() {
            Ok(Some(piece)) => {
                buffer[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
            Ok(None) => Err(io::Error::other("told to fail")),
            Err(_) => Ok(0),
        }
    }
}

/// A service whose `/chunked` and `/sized` stream pieces, 10 bytes by what `/sized` says; for one request in all.
fn pieces() -> (Service, mpsc::Sender<Option<Vec<u8>>>) {
    let (sender, receiver) = mpsc::channel();
    let reader = Arc::new(Mutex::new(Some(Pieces(receiver))));
    let take = || {
        let reader = Arc::clone(&reader);
        move || {
            reader
                .lock()
                .unwrap()
                .take()
                .expect("one request has the reader")
        }
    };
    let (chunked, sized) = (take(), take());
    let service = Service::new("test")
        .get("/chunked", move |_: &Request| Response::stream(chunked()))
        .get("/sized", move |_: &Request| {
            Response::stream_sized(sized(), 10)
        });
    (service, sender)
}

fn a_stream_arrives_as_it_is_produced(engine: Engine) {
    let (service, sender) = pieces();
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    client.send("GET /chunked HTTP/1.1\r\nHost: test\r\n\r\n");
    sender.send(Some(b"first".to_vec())).unwrap();
    // The second piece is not there yet, nor will it be before the first has arrived.
    let mut begin = Vec::new();
    while !begin.ends_with(b"first\r\n") {
        begin.extend(
            client
                .exactly(1)
                .expect("the first piece arrives by itself"),
        );
    }
    assert!(
        String::from_utf8_lossy(&begin)
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
    );
    sender.send(Some(b"second".to_vec())).unwrap();
    drop(sender);
    assert_eq!(
        client.exactly(16).expect("the rest"),
        b"6\r\nsecond\r\n0\r\n\r\n"
    );
    get(address, "/healthz").expect(200);
    end(running);
}

fn a_stream_to_an_old_client_ends_with_its_connection(engine: Engine) {
    let (service, sender) = pieces();
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    sender.send(Some(b"first".to_vec())).unwrap();
    sender.send(Some(b"second".to_vec())).unwrap();
    drop(sender);
    let answer = client.response().expect(200);
    assert_eq!(
        (answer.framing, answer.text()),
        (Framing::Close, "firstsecond")
    );
    assert!(answer.closes());
    end(running);
}

fn a_stream_that_fails_is_cut_visibly(engine: Engine) {
    for path in ["/chunked", "/sized"] {
        for fails in [true, false] {
            let (service, sender) = pieces();
            let (running, address) = serve(service, engine);
            let mut client = Client::connect(address);
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            sender.send(Some(b"12345".to_vec())).unwrap();
            if fails {
                sender.send(None).unwrap();
            }
            drop(sender);
            match client.try_response() {
                Err(Broken::Cut(_)) => {}
                // A stream of unknown length that ends has simply ended.
                Ok(answer) if path == "/chunked" && !fails => assert_eq!(answer.text(), "12345"),
                other => panic!("{path}, {fails}: {other:?}"),
            }
            drop(client);
            running.stop();
            let _ = running.wait();
        }
    }
}

fn slow_readers_of_streams_hold_no_worker(engine: Engine) {
    const SIZE: u64 = 4 << 20;
    let service = Service::new("test")
        .get("/", |_: &Request| "quick")
        .get("/chunked", |_: &Request| {
            Response::stream(io::repeat(b'x').take(SIZE))
        })
        .get("/sized", |_: &Request| {
            Response::stream_sized(io::repeat(b'x').take(SIZE), SIZE)
        });
    let running = start(service, engine, &[("WORKERS", "2")]);
    let address = running.addr();
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    let mut slow: Vec<Client> = (0..6)
        .map(|n| {
            let mut client = Client::connect_narrow(address);
            let path = if n % 2 == 0 { "/chunked" } else { "/sized" };
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            client
        })
        .collect();
    for client in &mut slow {
        client.exactly(9).expect("an answer begins");
    }
    let times = Times::of_gets(address, "/", 100);
    assert!(times.median() < Duration::from_millis(10), "{times:?}");
    // All of them, one after the other: whoever is not read waits without harm.
    for (n, mut client) in slow.into_iter().enumerate() {
        client.put_back(b"HTTP/1.1 ");
        let answer = client.response().expect(200);
        assert_eq!(answer.body.len() as u64, SIZE);
        assert_eq!(answer.framing == Framing::Chunked, n % 2 == 0);
    }
    end(running);
}

fn a_check_that_hangs_or_panics_fails_by_name(engine: Engine) {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hangs = move || -> Result<(), String> {
        let _ = held.lock().unwrap().recv();
        Ok(())
    };
    let service = Service::new("test")
        .check(
            Check::readiness("hangs", hangs)
                .timeout("100ms")
                .every("100ms"),
        )
        .check(
            Check::readiness("panics", || -> Result<(), String> { panic!("on purpose") })
                .every("100ms"),
        )
        .check(Check::readiness("fails", || Err::<(), _>("on purpose")).every("100ms"))
        .check(Check::readiness("passes", || Ok::<(), String>(())).every("100ms"));
    let (running, address) = serve(service, engine);
    eventually("the good check has passed", || {
        get(address, "/readyz/passes").status == 200
    });
    let answer = get(address, "/readyz?verbose").expect(503);
    for line in [
        "[-]hangs failed: reason withheld\n",
        "[-]panics failed: reason withheld\n",
    ] {
        assert!(
            answer.text().contains(line),
            "{line:?} is missing: {}",
            answer.text()
        );
    }
    assert!(
        answer
            .text()
            .contains("[-]fails failed: reason withheld\n[+]passes ok\n"),
        "{}",
        answer.text()
    );
    get(
        address,
        "/readyz?exclude=hangs&exclude=panics&exclude=fails",
    )
    .expect(200);
    get(address, "/livez").expect(200);
    drop(release);
    eventually("the check that hung is asked again", || {
        get(address, "/readyz/hangs").status == 200
    });
    end(running);
}

fn a_check_is_asked_in_the_background_and_not_by_the_probe(engine: Engine) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let slow = move || -> Result<(), String> {
        counter.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(200));
        Ok(())
    };
    let service =
        Service::new("test").check(Check::readiness("slow", slow).timeout("5s").every("60s"));
    let (running, address) = serve(service, engine);
    eventually("the check has passed", || {
        get(address, "/readyz").status == 200
    });
    let began = Instant::now();
    for _ in 0..20 {
        get(address, "/readyz").expect(200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "20 probes that wait 200 ms each take 4 s"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    end(running);
}

fn a_failed_liveness_check_leaves_readiness_alone(engine: Engine) {
    let service = Service::new("test").check(Check::liveness("deadlock", || Err::<(), _>("stuck")));
    let (running, address) = serve(service, engine);
    eventually("the check has failed", || {
        get(address, "/livez").status == 503
    });
    get(address, "/healthz").expect(503);
    get(address, "/livez/deadlock").expect(503);
    get(address, "/readyz").expect(200);
    get(address, "/livez?exclude=deadlock").expect(200);
    end(running);
}

fn a_service_is_ready_when_every_start_up_task_has_returned(engine: Engine) {
    let (go, wait) = mpsc::channel::<()>();
    let done = Arc::new(AtomicUsize::new(0));
    let (first, second) = (Arc::clone(&done), Arc::clone(&done));
    let service = Service::new("test")
        .get("/", |_: &Request| "served")
        .on_start("first", move |_: &Stop| first.store(1, Ordering::SeqCst))
        .on_start("second", move |_: &Stop| {
            wait.recv().expect("the test says when");
            // In order: the first has returned.
            second
                .compare_exchange(1, 2, Ordering::SeqCst, Ordering::SeqCst)
                .map(drop)
                .map_err(|_| "out of order")
        });
    let running = start(service, engine, &[]);
    let address = running.addr();
    eventually("the first task has run", || {
        done.load(Ordering::SeqCst) == 1
    });
    assert_eq!(running.phase(), Phase::Starting);
    get(address, "/healthz").expect(200);
    get(address, "/readyz").expect(503);
    assert!(
        get(address, "/")
            .expect(503)
            .header("retry-after")
            .is_some()
    );
    go.send(()).unwrap();
    eventually("the service is ready", || {
        get(address, "/readyz").status == 200
    });
    assert_eq!(running.phase(), Phase::Running);
    assert_eq!(done.load(Ordering::SeqCst), 2);
    get(address, "/").expect(200);
    end(running);
}

fn a_failed_start_up_task_ends_the_service(engine: Engine) {
    for panics in [false, true] {
        let later = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&later);
        let service = Service::new("test")
            .on_start("migrate", move |_: &Stop| -> Result<(), &str> {
                assert!(!panics, "on purpose");
                Err("the schema is locked")
            })
            .on_start("later", move |_: &Stop| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        let running = start(service, engine, &[]);
        let report = running.wait();
        assert_eq!(report.ending, Ending::StartFailed, "{report:?}");
        assert_eq!(report.ending.exit_code(), 1);
        assert_eq!(
            later.load(Ordering::SeqCst),
            0,
            "what needs the first task must not run"
        );
    }
}

fn background_services_are_stopped_in_reverse_after_the_last_answer(engine: Engine) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = Arc::clone(&order);
        move || order.lock().unwrap().push(what)
    };
    let (answered, database, hook, consumer) = (
        note("answer"),
        note("database"),
        note("hook"),
        note("consumer"),
    );
    let (entered, inside) = mpsc::channel();
    let service = Service::new("test")
        .get("/slow", move |_: &Request| {
            entered.send(()).unwrap();
            thread::sleep(Duration::from_millis(500));
            answered();
            "done"
        })
        .background("database", move |stop: &Stop| {
            stop.wait(Duration::from_secs(600));
            database();
        })
        .on_stop("hook", hook)
        .background("consumer", move |stop: &Stop| {
            stop.wait(Duration::from_secs(600));
            consumer();
        });
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    inside.recv().unwrap();
    end(running);
    assert_eq!(
        *order.lock().unwrap(),
        ["answer", "consumer", "hook", "database"]
    );
    client.response().expect(200);
}

fn a_background_service_that_fails_ends_the_service(engine: Engine) {
    let (fail, when) = mpsc::channel::<()>();
    let service =
        Service::new("test").background("refresher", move |_: &Stop| -> Result<(), &str> {
            let _ = when.recv();
            Err("no source")
        });
    let (running, address) = serve(service, engine);
    get(address, "/readyz").expect(200);
    drop(fail);
    let report = running.wait();
    assert_eq!(report.ending, Ending::ServiceFailed, "{report:?}");
    assert_eq!(report.ending.exit_code(), 1);
    assert!(Client::try_connect(address).is_err());
}

fn a_background_service_that_will_not_stop_is_named(engine: Engine) {
    let (release, held) = mpsc::channel::<()>();
    let service = Service::new("test").background("stubborn", move |_: &Stop| {
        let _ = held.recv();
    });
    let running = start(service, engine, &[("SHUTDOWN_TIMEOUT", "200ms")]);
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    let told = Instant::now();
    running.stop();
    let report = running.wait();
    assert_eq!(report.services_late, ["stubborn"]);
    assert_eq!(report.ending, Ending::DeadlinePassed);
    assert!(
        told.elapsed() < Duration::from_secs(4),
        "{:?}",
        told.elapsed()
    );
    drop(release);
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
