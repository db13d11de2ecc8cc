//! `/metrics`: the numbers agree with what clients have sent, exactly.

pub(crate) mod connections;
pub(crate) mod operation;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::http::StatusCode;
use seaworthy::prometheus_client::metrics::counter::Counter;
use seaworthy::{Check, Config, Request, Response, Routes, Service};

use crate::service::{serve_with, start};
use crate::support::{Client, Engine, PATIENCE, eventually, get};

both_engines! {
    counts_errors_and_bytes_agree_with_what_clients_sent,
    a_streamed_body_is_counted_once_it_is_sent,
    what_clients_make_up_adds_no_labels,
    the_programs_own_metrics_stand_beside_seaworthys,
    with_an_admin_port_the_metrics_are_there_only,
    openmetrics_is_answered_to_who_prefers_it_with_the_trace_of_a_request,
    a_route_of_the_programs_own_at_metrics_stays_its_own,
    what_is_refused_before_a_handler_is_counted_by_reason,
    checks_are_told_as_the_kube_apiserver_tells_its_own,
    those_beyond_a_limit_on_concurrency_are_counted_as_shed,
    a_scrape_waits_for_no_worker_and_is_answered_where_every_place_is_taken,
}

fn service() -> Service {
    Service::new("test")
        .get("/", |_: &Request| "hello")
        .post("/echo/{name}", |request: &Request| request.body().to_vec())
        .get("/fail", |_: &Request| StatusCode::BAD_GATEWAY)
        .get("/panic", |_: &Request| -> &str { panic!("as it should") })
}

/// The value of the one sample that begins so.
pub(crate) fn value(text: &str, sample: &str) -> f64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(sample));
    let found = lines
        .next()
        .unwrap_or_else(|| panic!("no {sample} in {text}"));
    assert_eq!(lines.next(), None, "{sample} is there twice");
    found.trim().parse().unwrap()
}

pub(crate) fn labels(method: &str, route: &str, status: &str) -> String {
    let error = match status.starts_with('5') {
        true => format!(",error_type=\"{status}\""),
        false => String::new(),
    };
    format!(
        "{{http_request_method=\"{method}\",http_route=\"{route}\",\
         http_response_status_code=\"{status}\",url_scheme=\"http\"{error}}} "
    )
}

fn requests(text: &str, method: &str, route: &str, status: &str) -> f64 {
    let labels = labels(method, route, status);
    value(
        text,
        &format!("http_server_request_duration_seconds_count{labels}"),
    )
}

fn counts_errors_and_bytes_agree_with_what_clients_sent(engine: Engine) {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 25;
    let running = serve_with(service(), engine, &[("WORKERS", "2")]);
    let addr = running.addr();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                for length in 1..=ROUNDS {
                    client.get("/").expect(200);
                    let body = "x".repeat(length);
                    client.send(format!(
                        "POST /echo/{length} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"
                    ));
                    client.response().expect(200);
                    client.get("/fail").expect(502);
                    client.get("/panic").expect(500);
                }
            });
        }
    });
    let answer = get(addr, "/metrics").expect(200);
    let text = answer.text();
    let each = (CLIENTS * ROUNDS) as f64;
    let bytes = (CLIENTS * ROUNDS * (ROUNDS + 1) / 2) as f64;
    assert_eq!(requests(text, "GET", "/", "200"), each);
    assert_eq!(requests(text, "POST", "/echo/{name}", "200"), each);
    assert_eq!(requests(text, "GET", "/fail", "502"), each);
    assert_eq!(requests(text, "GET", "/panic", "500"), each);
    for direction in ["request", "response"] {
        let labels = labels("POST", "/echo/{name}", "200");
        let sum = format!("http_server_{direction}_body_size_bytes_sum{labels}");
        assert_eq!(value(text, &sum), bytes);
    }
    let greeting = labels("GET", "/", "200");
    let sum = format!("http_server_response_body_size_bytes_sum{greeting}");
    assert_eq!(value(text, &sum), 5.0 * each);
    assert_eq!(
        value(text, "seaworthy_queue_wait_seconds_count "),
        4.0 * each
    );
    assert_eq!(value(text, "seaworthy_workers "), 2.0);
    let names = text.lines().filter(|line| line.starts_with("# TYPE "));
    let mut names: Vec<&str> = names.collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is there twice: {text}");
    assert_eq!(value(text, "seaworthy_phase{phase=\"running\"} "), 1.0);
}

fn a_streamed_body_is_counted_once_it_is_sent(engine: Engine) {
    const LENGTH: usize = 300_000;
    let service = Service::new("test")
        .get("/chunked", |_: &Request| {
            Response::stream(Cursor::new(vec![b'x'; LENGTH]))
        })
        .get("/sized", |_: &Request| {
            Response::stream_sized(Cursor::new(vec![b'x'; LENGTH]), LENGTH as u64)
        });
    let running = serve_with(service, engine, &[]);
    for path in ["/chunked", "/sized"] {
        let mut client = Client::connect(running.addr());
        assert_eq!(client.get(path).expect(200).body.len(), LENGTH);
    }
    let answer = get(running.addr(), "/metrics").expect(200);
    for path in ["/chunked", "/sized"] {
        let labels = labels("GET", path, "200");
        let sum = format!("http_server_response_body_size_bytes_sum{labels}");
        assert_eq!(value(answer.text(), &sum), LENGTH as f64);
        assert_eq!(requests(answer.text(), "GET", path, "200"), 1.0);
    }
}

fn what_clients_make_up_adds_no_labels(engine: Engine) {
    let running = serve_with(service(), engine, &[]);
    let mut client = Client::connect(running.addr());
    for number in 0..5 {
        client.get(&format!("/nowhere/{number}")).expect(404);
        client.send(format!("MADEUP{number} / HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.response().expect(501);
    }
    let answer = get(running.addr(), "/metrics").expect(200);
    let text = answer.text();
    let unmatched = "http_server_request_duration_seconds_count{http_request_method=\"GET\",\
        http_response_status_code=\"404\",url_scheme=\"http\"} ";
    assert_eq!(value(text, unmatched), 5.0);
    assert_eq!(requests(text, "_OTHER", "/", "501"), 5.0);
    assert!(
        !text.contains("nowhere") && !text.contains("MADEUP"),
        "{text}"
    );
}

fn the_programs_own_metrics_stand_beside_seaworthys(engine: Engine) {
    let orders = Counter::<u64>::default();
    let counted = orders.clone();
    let service = service()
        .metrics(|registry| registry.register("shop_orders", "Orders taken", orders))
        .append_metrics(|| "# TYPE other_things gauge\nother_things 7".to_owned());
    let running = serve_with(service, engine, &[]);
    counted.inc_by(3);
    let answer = get(running.addr(), "/metrics").expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(value(answer.text(), "shop_orders_total "), 3.0);
    assert_eq!(value(answer.text(), "other_things "), 7.0);
    assert!(answer.text().contains("# TYPE build_info gauge\n"));
}

fn with_an_admin_port_the_metrics_are_there_only(engine: Engine) {
    let running = serve_with(service(), engine, &[("ADMIN_PORT", "0")]);
    get(running.addr(), "/").expect(200);
    get(running.addr(), "/metrics").expect(404);
    let admin = running.admin_addr().expect("there is an admin port");
    let answer = get(admin, "/metrics").expect(200);
    assert_eq!(requests(answer.text(), "GET", "/", "200"), 1.0);
    let mut client = Client::connect(admin);
    client.send("POST /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    client.response().expect(405);
}

fn openmetrics_is_answered_to_who_prefers_it_with_the_trace_of_a_request(engine: Engine) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let running = serve_with(service(), engine, &[]);
    let mut client = Client::connect(running.addr());
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: test\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n"
    ));
    client.response().expect(200);
    client.send(
        "GET /metrics HTTP/1.1\r\nHost: test\r\n\
         Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n",
    );
    let answer = client.response().expect(200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(
        text.matches(&format!("# {{trace_id=\"{TRACE}\"}} "))
            .count(),
        1
    );
}

fn a_route_of_the_programs_own_at_metrics_stays_its_own(engine: Engine) {
    let service = Service::new("test").get("/metrics", |_: &Request| "mine");
    let running = serve_with(service, engine, &[]);
    assert_eq!(get(running.addr(), "/metrics").expect(200).text(), "mine");
}

fn what_is_refused_before_a_handler_is_counted_by_reason(engine: Engine) {
    let running = serve_with(service(), engine, &[("MAX_BODY_BYTES", "10")]);
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n",
            400,
        ),
        (
            "POST /echo/1 HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\nhello world",
            413,
        ),
    ] {
        let mut client = Client::connect(running.addr());
        client.send(request);
        client.response().expect(status);
    }
    let answer = get(running.addr(), "/metrics").expect(200);
    for reason in ["bad_request", "body_too_large"] {
        let sample = format!("seaworthy_requests_refused_total{{reason=\"{reason}\"}} ");
        assert_eq!(value(answer.text(), &sample), 1.0);
    }
}

fn checks_are_told_as_the_kube_apiserver_tells_its_own(engine: Engine) {
    let service = service().check(Check::readiness("database", || -> Result<(), String> {
        Err("down".to_owned())
    }));
    let running = start(service, engine, &[]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let is_looked_at = || {
        running
            .check("database")
            .is_some_and(|state| state.age.is_some())
    };
    while !is_looked_at() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    let answer = get(running.addr(), "/metrics").expect(200);
    let labels = "name=\"database\",type=\"readyz\"";
    assert_eq!(
        value(answer.text(), &format!("healthcheck{{{labels}}} ")),
        0.0
    );
    let failed = format!("healthchecks_total{{{labels},status=\"error\"}} ");
    assert!(value(answer.text(), &failed) >= 1.0);
}

fn those_beyond_a_limit_on_concurrency_are_counted_as_shed(engine: Engine) {
    const SHED: &str = "seaworthy_requests_shed_total{reason=\"concurrency\"} ";
    let (begun, has_begun) = mpsc::sync_channel(1);
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let limited = Routes::new()
        .get("/limited", move |_: &Request| {
            begun.send(()).unwrap();
            let _ = held.lock().unwrap().recv_timeout(PATIENCE);
        })
        .concurrency(1);
    let running = serve_with(service().merge(limited), engine, &[]);
    let told = || value(get(running.addr(), "/metrics").expect(200).text(), SHED);
    assert_eq!(told(), 0.0);
    let mut first = Client::connect(running.addr());
    first.send("GET /limited HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        get(running.addr(), "/limited").expect(503);
    }
    assert_eq!(told(), 3.0);
    go_on.send(()).unwrap();
    first.response().expect(200);
}

fn a_scrape_waits_for_no_worker_and_is_answered_where_every_place_is_taken(engine: Engine) {
    let (begun, has_begun) = mpsc::sync_channel(1);
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let service = Service::new("test").get("/held", move |_: &Request| {
        let _ = begun.try_send(());
        let _ = held.lock().unwrap().recv_timeout(PATIENCE);
    });
    let settings = [
        ("WORKERS", "1"),
        ("QUEUE_CAPACITY", "2"),
        ("MAX_CONNECTIONS", "3"),
    ];
    let running = serve_with(service, engine, &settings);
    let mut clients: Vec<Client> = Vec::new();
    for number in 0..3 {
        let mut client = Client::connect(running.addr());
        client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
        clients.push(client);
        if number == 0 {
            has_begun.recv_timeout(PATIENCE).unwrap();
        }
    }
    eventually("the queue is full", || {
        let answer = get(running.addr(), "/metrics").expect(200);
        value(answer.text(), "seaworthy_queue_depth ") == 2.0
    });
    drop(go_on);
    for mut client in clients {
        client.response().expect(200);
    }
}

#[test]
fn a_name_that_is_taken_is_refused_when_the_service_starts() {
    let twice = service().metrics(|registry| {
        let counter = Counter::<u64>::default();
        registry.register("seaworthy_requests_shed", "Mine", counter);
    });
    let config = Config::from_pairs([("HOST", "127.0.0.1"), ("PORT", "0")]).unwrap();
    let started = catch_unwind(AssertUnwindSafe(|| twice.start(config).map(drop)));
    let panic = started.expect_err("two metrics have one name");
    let message = panic.downcast_ref::<String>().expect("it says why");
    assert!(
        message.contains("\"seaworthy_requests_shed_total\""),
        "{message}"
    );
}
