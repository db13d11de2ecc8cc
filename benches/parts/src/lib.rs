//! The parts of a request's road, and the whole of it, each as something to be done again and again.

use std::{
    hint::black_box,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use log::{Level, Record};
use seaworthy::{
    Config, IntoResponse, Request, Service,
    internals::parts::{HeadParser, Routes, is_token, write_record, write_response},
};

/// A request and its answer, with all that lies between.
pub const WHOLE_ROAD: &str = "greeting";

/// What is measured, by name. The first call makes it ready, and what it returns does it once.
pub const PARTS: [(&str, fn() -> Box<dyn FnMut()>); 15] = [
    (WHOLE_ROAD, || greeting(1)),
    ("greeting, of 32", || greeting(32)),
    ("head, wrk", || head(WRK)),
    ("head, kubelet", || head(KUBELET)),
    ("head, browser", || head(BROWSER)),
    ("route, literal", || route("/")),
    ("route, parameter", || route("/users/7/orders/12")),
    ("response, text", || response(|| "Hello from Kubernetes!".into_response())),
    ("response, 4 headers", || response(with_headers)),
    ("response, 404", || response(|| http::StatusCode::NOT_FOUND.into_response())),
    ("record", record),
    ("token, right", || token("hunter2-hunter2-hunter2", "hunter2-hunter2-hunter2")),
    ("token, first wrong", || token("hunter2-hunter2-hunter2", "Xunter2-hunter2-hunter2")),
    ("token, last wrong", || token("hunter2-hunter2-hunter2", "hunter2-hunter2-hunterX")),
    ("token, other length", || token("hunter2-hunter2-hunter2-hunter2", "hunter2-hunter2-hunter2")),
];

const WRK: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const KUBELET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.34\r\n\
    Accept: */*\r\nConnection: close\r\n\r\n";

const BROWSER: &[u8] = b"GET /shop/cart?currency=EUR&sort=price HTTP/1.1\r\nHost: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example.com/books\r\nConnection: keep-alive\r\n\
    Cookie: session=3f2a9c51c2ab4f7d8e1b; theme=dark; consent=necessary\r\nUpgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-User: ?1\r\nDNT: 1\r\nPriority: u=0, i\r\n\r\n";

/// What comes by itself finds the thread back in its wait that answered the last one, and not on its way.
const PAUSE: Duration = Duration::from_micros(200);

/// The whole road, from a client's socket through engine, pool, router and handler and back: what the client itself
/// takes for it, two system calls, is in it. So many clients ask one after the other, and then wait for their answers: what
/// is done once for all that is there is shared by them.
fn greeting(clients: usize) -> Box<dyn FnMut()> {
    let settings = [("HOST", "127.0.0.1"), ("PORT", "0"), ("WORKERS", "2")];
    let config = Config::from_pairs(settings).expect("the settings are right");
    let service = Service::new("parts").get("/", |_: &Request| "Hello from Kubernetes!");
    let running = service.start(config).expect("loopback has a port");
    running.wait_ready(Duration::from_secs(60)).expect("nothing keeps it from starting");
    let connect = |_| TcpStream::connect(running.addr()).expect("it listens");
    let mut clients: Vec<TcpStream> = (0..clients).map(connect).collect();
    let mut asking = 0;
    let mut answer = [0; 1024];
    Box::new(move || {
        let _serves_on = &running;
        if clients.len() == 1 {
            thread::sleep(PAUSE);
        }
        clients[asking].write_all(black_box(WRK)).expect("the connection is kept");
        asking = (asking + 1) % clients.len();
        if asking > 0 {
            return;
        }
        for client in &mut clients {
            let count = client.read(&mut answer).expect("the request is answered");
            assert!(black_box(&answer[..count]).starts_with(b"HTTP/1.1 200 OK"));
        }
    })
}

fn head(bytes: &'static [u8]) -> Box<dyn FnMut()> {
    let mut parser = HeadParser::default();
    assert_eq!(parser.parse(bytes), Some(bytes.len()));
    Box::new(move || {
        black_box(parser.parse(black_box(bytes)));
    })
}

fn route(target: &'static str) -> Box<dyn FnMut()> {
    let routes =
        Routes::new(&["/", "/users", "/users/{id}", "/users/{id}/orders/{order}", "/files/{*path}", "/search"]);
    let mut request = Request::get(target);
    assert_eq!(routes.route(&mut request), 200);
    Box::new(move || {
        black_box(routes.route(black_box(&mut request)));
    })
}

fn with_headers() -> seaworthy::Response {
    let headers = [
        (http::header::CONTENT_TYPE, "application/json"),
        (http::header::CACHE_CONTROL, "no-store"),
        (http::header::ETAG, "\"33a64df5\""),
        (http::header::VARY, "accept-encoding"),
    ];
    headers.into_iter().fold("{}".into_response(), |response, (name, value)| {
        response.with_header(name, http::HeaderValue::from_static(value))
    })
}

/// The handler's making of the response is in it: what it makes is what there is to write.
fn response(make: impl Fn() -> seaworthy::Response + 'static) -> Box<dyn FnMut()> {
    let mut client = Vec::with_capacity(4096);
    Box::new(move || {
        client.clear();
        write_response(make(), &mut client);
        black_box(&client);
    })
}

fn token(right: &'static str, given: &'static str) -> Box<dyn FnMut()> {
    Box::new(move || {
        black_box(is_token(black_box(right), black_box(given)));
    })
}

fn record() -> Box<dyn FnMut()> {
    let mut line = Vec::with_capacity(4096);
    Box::new(move || {
        line.clear();
        let values = [
            ("method", log::kv::Value::from("GET")),
            ("path", log::kv::Value::from("/users/7/orders/12")),
            ("route", log::kv::Value::from("/users/{id}/orders/{order}")),
            ("status", log::kv::Value::from(200)),
            ("duration_us", log::kv::Value::from(1234)),
            ("peer", log::kv::Value::from("10.244.1.17:53122")),
        ];
        let record = Record::builder()
            .args(format_args!("request"))
            .level(Level::Info)
            .target("access")
            .key_values(black_box(&values))
            .build();
        write_record(&record, &mut line);
        black_box(&line);
    })
}
