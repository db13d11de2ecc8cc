//! A service of one's own, as its author writes it: state, groups, errors, values along the way, waiting until ready.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use seaworthy::http::{HeaderValue, header};
use seaworthy::{
    Check, Config, Error, Next, Problem, Request, Response, Routes, Running, Service, Stop,
};

use crate::support::{Client, Engine, PATIENCE, get, reactors};

both_engines! {
    handlers_layers_checks_and_tasks_share_the_services_state,
    problem_json_is_one_call_and_covers_every_refusal,
    a_layer_cannot_touch_the_connection_whatever_it_does_to_its_request,
    a_groups_limit_on_bodies_takes_the_services_place_larger_or_smaller,
    a_handler_learns_its_deadline_and_that_the_service_is_stopping,
    waiting_until_ready_ends_with_readiness_or_with_the_reason,
    a_timeout_that_no_clock_can_be_added_to_is_a_long_one,
}

struct App {
    visits: AtomicU64,
    motto: String,
}

pub(crate) fn start<S: Send + Sync + 'static>(
    service: Service<S>,
    engine: Engine,
    more: &[(&str, &str)],
) -> Running {
    let basic = [
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DRAIN_DELAY", "0"),
    ];
    let reactors = reactors();
    let reactors = reactors.iter().map(|(name, count)| (&**name, &**count));
    let settings = reactors.chain(basic.iter().chain(more).copied());
    let config = Config::from_pairs(settings).expect("good settings");
    service.start(config).expect("a port is free")
}

pub(crate) fn serve<S: Send + Sync + 'static>(service: Service<S>, engine: Engine) -> Running {
    serve_with(service, engine, &[])
}

pub(crate) fn serve_with<S: Send + Sync + 'static>(
    service: Service<S>,
    engine: Engine,
    more: &[(&str, &str)],
) -> Running {
    let running = start(service, engine, more);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    running
}

pub(crate) fn end(running: Running) {
    running.stop();
    assert_eq!(running.wait().abandoned_total(), 0);
}

fn handlers_layers_checks_and_tasks_share_the_services_state(engine: Engine) {
    fn visit(_: &Request, app: &App) -> String {
        let visits = app.visits.fetch_add(1, Ordering::SeqCst) + 1;
        format!("{} {visits}", app.motto)
    }
    fn counted(request: &mut Request, next: Next<'_>, app: &App) -> Response {
        let before = HeaderValue::from(app.visits.load(Ordering::SeqCst));
        next.run(request)
            .with_header(header::HeaderName::from_static("x-before"), before)
    }
    let (told, ended) = mpsc::channel();
    let app = App {
        visits: AtomicU64::new(0),
        motto: "hello".to_owned(),
    };
    let service = Service::with_state("test", app)
        .get("/", visit)
        .get("/stateless", |_: &Request| "stateless")
        .nest("/in", Routes::new().get("/group", visit))
        .layer(counted)
        .check(Check::readiness("visits", |app: &App| {
            match app.visits.load(Ordering::SeqCst) {
                0 => Err("nobody was here"),
                _ => Ok(()),
            }
        }))
        .on_start("count", |app: &App| app.visits.store(41, Ordering::SeqCst))
        .background("watcher", move |stop: &Stop, app: &App| {
            stop.wait(PATIENCE);
            told.send(app.visits.load(Ordering::SeqCst)).unwrap();
        });
    let running = serve(service, engine);
    let answer = get(running.addr(), "/").expect(200);
    assert_eq!(
        (answer.text(), answer.header("x-before")),
        ("hello 42", Some("41"))
    );
    assert_eq!(
        get(running.addr(), "/in/group").expect(200).text(),
        "hello 43"
    );
    assert_eq!(
        get(running.addr(), "/stateless").expect(200).text(),
        "stateless"
    );
    end(running);
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(43));
}

fn problem_json_is_one_call_and_covers_every_refusal(engine: Engine) {
    let service = Service::new("test")
        .errors(Problem::json)
        .post("/", |_: &Request| "")
        .get("/fails", |_: &Request| -> Result<(), Error> {
            Err(std::io::Error::other("password=hunter2"))?
        })
        .get("/conflict", |_: &Request| -> Result<(), Error> {
            Err(Error::conflict("order \"7\" is shipped"))
        })
        .get("/panics", |_: &Request| -> () { panic!("no") });
    let running = serve(service, engine);
    let detail = |request: String, status: u16| {
        let mut client = Client::connect(running.addr());
        client.send(request);
        let answer = client.response().expect(status);
        let problem = Some("application/problem+json");
        assert_eq!(answer.header("content-type"), problem, "{status}");
        let value: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
        assert_eq!(value["status"], status);
        assert_eq!(value["type"], "about:blank");
        (value["detail"].clone(), value["instance"].clone())
    };
    let of = |line: &str, status| detail(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), status);
    assert_eq!(of("GET /conflict", 409).0, "order \"7\" is shipped");
    assert_eq!(of("GET /fails", 500).0, "internal server error");
    assert_eq!(of("GET /panics", 500).0, "internal server error");
    assert_eq!(of("GET /nowhere?x=1", 404).1, "/nowhere");
    assert_eq!(of("GET /", 405).0, "method not allowed");
    assert_eq!(of("BREW /", 501).0, "no such method");
    // Refused by the engine, which has no request to show.
    let two_hosts = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned();
    let (told, instance) = detail(two_hosts, 400);
    assert_eq!(
        (told.as_str(), instance.is_null()),
        (Some("more than one Host"), true)
    );
    let large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n".to_owned();
    assert_eq!(detail(large, 413).0, "Content-Length over MAX_BODY_BYTES");
    end(running);
}

fn a_layer_cannot_touch_the_connection_whatever_it_does_to_its_request(engine: Engine) {
    let service = Service::new("test")
        .get("/a", |_: &Request| "a")
        .get("/b", |_: &Request| "b")
        .layer(|request: &mut Request, next: Next<'_>| {
            let mut own = std::mem::take(request);
            *request = Request::post("/other", "x");
            next.run(&mut own)
        });
    let running = serve(service, engine);
    let mut client = Client::connect(running.addr());
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.response().expect(200).text(), "a");
    assert_eq!(
        client.response().expect(200).text(),
        "b",
        "what was pipelined is the connection's"
    );
    client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.response_to("HEAD").expect(200);
    let last = client.response().expect(200);
    assert_eq!(
        (last.text(), last.header("connection")),
        ("b", Some("close"))
    );
    end(running);
}

fn a_groups_limit_on_bodies_takes_the_services_place_larger_or_smaller(engine: Engine) {
    let group = || Routes::new().post("/", |request: &Request| request.body().len().to_string());
    let inner = Routes::new().nest("/inner", group().body_limit("10"));
    let service = Service::new("test")
        .post("/", |request: &Request| request.body().len().to_string())
        .nest("/large", inner.merge(group()).body_limit("4KiB"));
    let running = start(service, engine, &[("MAX_BODY_BYTES", "100")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    for (path, most) in [("/", 100), ("/large", 4096), ("/large/inner", 10)] {
        for (len, status) in [(most, 200), (most + 1, 413)] {
            let body = "x".repeat(len);
            for framed in [
                format!("Content-Length: {len}\r\n\r\n{body}"),
                format!("Transfer-Encoding: chunked\r\n\r\n{len:x}\r\n{body}\r\n0\r\n\r\n"),
            ] {
                let mut client = Client::connect(running.addr());
                client.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\n{framed}"));
                let answer = client.response();
                assert_eq!(answer.status, status, "{path} {len}: {}", answer.text());
            }
        }
    }
    end(running);
}

fn a_handler_learns_its_deadline_and_that_the_service_is_stopping(engine: Engine) {
    fn left(request: &Request) -> String {
        match request.time_left() {
            None => "none".to_owned(),
            Some(left) => format!("{}", left.as_secs()),
        }
    }
    let (begun, has_begun) = mpsc::channel();
    let service = Service::new("test")
        .get("/plain", left)
        .merge(Routes::new().get("/own", left).timeout("60s"))
        .get("/long", move |request: &Request| {
            begun.send(()).unwrap();
            match request.stop().wait(PATIENCE) {
                true => "ended early",
                false => "never told",
            }
        });
    let running = start(service, engine, &[("REQUEST_TIMEOUT", "30s")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    assert_eq!(get(running.addr(), "/plain").expect(200).text(), "29");
    assert_eq!(get(running.addr(), "/own").expect(200).text(), "59");
    let mut client = Client::connect(running.addr());
    client.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    running.stop();
    assert_eq!(client.response().expect(200).text(), "ended early");
    assert_eq!(running.wait().abandoned_total(), 0);
}

fn waiting_until_ready_ends_with_readiness_or_with_the_reason(engine: Engine) {
    let (check, switch) = Check::switch("traffic");
    switch.off();
    let running = start(Service::new("test").check(check), engine, &[]);
    let reason = running.wait_ready(Duration::from_millis(200)).unwrap_err();
    assert!(reason.contains("[-]traffic failed"), "{reason}");
    switch.on();
    running.wait_ready(PATIENCE).expect("it is ready now");
    end(running);
    let failing = Service::new("test").on_start("migrate", || Err::<(), _>("locked"));
    let running = start(failing, engine, &[]);
    let reason = running.wait_ready(PATIENCE).unwrap_err();
    assert!(reason.starts_with("it has ended"), "{reason}");
    let _ = running.wait();
}

fn a_timeout_that_no_clock_can_be_added_to_is_a_long_one(engine: Engine) {
    let settings = [
        ("HTTP_ENGINE", engine.name()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DRAIN_DELAY", "0"),
    ];
    let mut config = Config::from_pairs(settings).expect("good settings");
    let timeouts = [
        &mut config.queue_timeout,
        &mut config.head_timeout,
        &mut config.body_timeout,
        &mut config.write_timeout,
        &mut config.keep_alive_timeout,
        &mut config.shutdown_timeout,
    ];
    timeouts
        .into_iter()
        .for_each(|timeout| *timeout = Duration::MAX);
    config.request_timeout = Some(Duration::MAX);
    let service = Service::new("test").post("/", |request: &Request| request.body().to_vec());
    let running = service.start(config).expect("a port is free");
    running.wait_ready(PATIENCE).expect("it becomes ready");
    let mut client = Client::connect(running.addr());
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().expect(200).text(), "hello");
    }
    end(running);
}
