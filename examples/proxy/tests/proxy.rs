//! The real process over real sockets, between a client and two upstreams that behave as told.

use seaworthy::{Config, Error, Json, Request, Running, Service, http::StatusCode};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};
use ureq::{Agent, Body, http::Response};

type Answer = Result<Json<Value>, Error>;

struct Proxy {
    child: Child,
    base: String,
    _upstreams: [Running; 2],
}

impl Proxy {
    fn new(
        products: impl Fn(&Request) -> Answer + Send + Sync + 'static,
        stock: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Proxy {
        let start = |service: Service| {
            let config = [("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")];
            let running = service.start(Config::from_pairs(config).unwrap()).unwrap();
            running.wait_ready(Duration::from_secs(60)).unwrap();
            running
        };
        let products = start(Service::new("products").get("/{id}", products));
        let stock = start(Service::new("stock").get("/{id}", stock));
        let mut child = Command::new(env!("CARGO_BIN_EXE_proxy"))
            .envs([("HOST", "127.0.0.1"), ("PORT", "0"), ("DRAIN_DELAY", "0")])
            .env("PRODUCTS_URL", format!("http://{}", products.addr()))
            .env("STOCK_URL", format!("http://{}", stock.addr()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let records = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = records
            .map_while(Result::ok)
            .map(|line| serde_json::from_str::<Value>(&line).unwrap())
            .find(|record| record["msg"] == "listening")
            .expect("it says where it listens");
        let base = format!("http://{}", listening["addr"].as_str().unwrap());
        let proxy = Proxy {
            child,
            base,
            _upstreams: [products, stock],
        };
        while proxy.get("/readyz", &[]).status() != 200 {
            thread::sleep(Duration::from_millis(5));
        }
        proxy
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false);
        let agent: Agent = config.build().into();
        let call = agent.get(format!("{}{path}", self.base));
        let call = headers
            .iter()
            .fold(call, |call, (name, value)| call.header(*name, *value));
        call.call().unwrap()
    }

    fn product(&self) -> Value {
        let mut answer = self.get("/products/7", &[]);
        assert_eq!(answer.status(), 200);
        answer.body_mut().read_json().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tea(_: &Request) -> Answer {
    Ok(Json(json!({ "name": "tea" })))
}

fn twelve(_: &Request) -> Answer {
    Ok(Json(json!(12)))
}

fn broken(_: &Request) -> Answer {
    Err(Error::unavailable("restarting"))
}

/// Fails so many times first.
fn flaky(
    failures: usize,
    then: fn(&Request) -> Answer,
) -> (Arc<AtomicUsize>, impl Fn(&Request) -> Answer) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = move |request: &Request| match count.fetch_add(1, SeqCst) {
        earlier if earlier < failures => broken(request),
        _ => then(request),
    };
    (asked, answer)
}

#[test]
fn both_upstreams_are_asked_at_once() {
    // Each answers only when the other has been asked too.
    let both = Arc::new(Barrier::new(2));
    let (one, other) = (Arc::clone(&both), both);
    let products = move |request: &Request| {
        one.wait();
        tea(request)
    };
    let stock = move |request: &Request| {
        other.wait();
        twelve(request)
    };
    let whole = json!({ "product": { "name": "tea" }, "stock": 12 });
    assert_eq!(Proxy::new(products, stock).product(), whole);
}

#[test]
fn an_upstream_that_fails_is_asked_three_times_and_no_more() {
    let (asked, products) = flaky(2, tea);
    let proxy = Proxy::new(products, twelve);
    assert_eq!(proxy.product()["product"]["name"], "tea");
    assert_eq!(asked.load(SeqCst), 3);

    let (asked, products) = flaky(usize::MAX, tea);
    let proxy = Proxy::new(products, twelve);
    let answer = proxy.get("/products/7", &[]);
    assert_eq!(answer.status(), 502);
    let content_type = &answer.headers()["content-type"];
    assert_eq!(content_type, "application/problem+json");
    assert_eq!(asked.load(SeqCst), 3);
}

#[test]
fn a_product_is_shown_without_its_stock_where_that_cannot_be_had() {
    let proxy = Proxy::new(tea, broken);
    assert_eq!(proxy.product()["stock"], Value::Null);
}

#[test]
fn a_product_that_is_not_there_is_asked_for_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let products = move |_: &Request| -> Answer {
        count.fetch_add(1, SeqCst);
        Err(Error::new(StatusCode::NOT_FOUND, "no such product"))
    };
    let proxy = Proxy::new(products, twelve);
    assert_eq!(proxy.get("/products/7", &[]).status(), 404);
    assert_eq!(asked.load(SeqCst), 1);
}

#[test]
fn the_clients_trace_goes_on_in_both_upstreams() {
    let (told, said) = std::sync::mpsc::channel();
    let tell = move |request: &Request| {
        let field = |name| request.header(name).map(str::to_owned);
        told.send((field("traceparent"), field("tracestate")))
            .unwrap();
        tea(request)
    };
    let proxy = Proxy::new(tell.clone(), tell);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    proxy.get(
        "/products/7",
        &[("traceparent", parent), ("tracestate", "a=1")],
    );
    for _ in 0..2 {
        let passed = (Some(parent.to_owned()), Some("a=1".to_owned()));
        assert_eq!(said.recv().unwrap(), passed);
    }
}

#[test]
fn the_clients_patience_is_told_to_the_upstreams_and_bounds_the_answer() {
    let (told, said) = std::sync::mpsc::channel::<u64>();
    let hangs = move |request: &Request| {
        let patience = request.header("x-envoy-expected-rq-timeout-ms");
        let _ = told.send(patience.unwrap().parse().unwrap());
        thread::sleep(Duration::from_secs(20));
        tea(request)
    };
    let proxy = Proxy::new(hangs, twelve);
    let started = Instant::now();
    let patience = [("x-envoy-expected-rq-timeout-ms", "900")];
    assert_eq!(proxy.get("/products/7", &patience).status(), 502);
    assert!(started.elapsed() < Duration::from_secs(10));
    let first = said.recv().unwrap();
    assert!(first <= 300, "{first} ms, and two tries to come");
}
