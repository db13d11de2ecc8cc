//! What connections do, what they hold, and why they have ended.

use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};

use seaworthy::{Request, Service};

use super::value;
use crate::service::serve_with;
use crate::support::{Client, Engine, PATIENCE, eventually, get};

both_engines! {
    connections_are_told_by_what_they_do_and_with_what_they_hold,
    a_connections_end_is_told_with_its_reason,
}

fn told(admin: SocketAddr, sample: &str) -> f64 {
    value(get(admin, "/metrics").expect(200).text(), sample)
}

fn connections_are_told_by_what_they_do_and_with_what_they_hold(engine: Engine) {
    let (begun, has_begun) = mpsc::sync_channel(1);
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .post("/", |_: &Request| "got it")
        .get("/held", move |_: &Request| {
            begun.send(()).unwrap();
            let _ = held.lock().unwrap().recv_timeout(PATIENCE);
        });
    let settings = [
        ("ADMIN_PORT", "0"),
        ("WORKERS", "1"),
        ("MAX_CONNECTIONS", "50"),
        ("BUFFER_MEMORY", "8MiB"),
    ];
    let running = serve_with(service, engine, &settings);
    let (addr, admin) = (running.addr(), running.admin_addr().unwrap());
    assert_eq!(told(admin, "seaworthy_connections_max "), 50.0);
    for share in ["requests", "responses"] {
        let limit = format!("seaworthy_buffer_memory_limit_bytes{{use=\"{share}\"}} ");
        assert_eq!(told(admin, &limit), f64::from(4 << 20));
    }
    let mut idle = Client::connect(addr);
    idle.get("/").expect(200);
    let mut head = Client::connect(addr);
    head.send("GET / HTTP/1.1\r\nHo");
    let mut body = Client::connect(addr);
    let arrived = "x".repeat(50_000);
    body.send(format!(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n{arrived}"
    ));
    let mut handled = Client::connect(addr);
    handled.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    let mut waiting = Client::connect(addr);
    waiting.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    for state in ["idle", "head", "body", "handling", "waiting"] {
        let sample = format!("seaworthy_connections{{state=\"{state}\"}} ");
        eventually(&format!("one is in {state}"), || {
            told(admin, &sample) == 1.0
        });
    }
    let holds = "seaworthy_buffer_memory_bytes{use=\"requests\"} ";
    eventually("the body is held", || told(admin, holds) >= 50_000.0);
    go_on.send(()).unwrap();
    handled.response().expect(200);
    waiting.response().expect(200);
    body.send(arrived);
    body.response().expect(200);
    let idle = "seaworthy_connections{state=\"idle\"} ";
    eventually("four are idle again", || told(admin, idle) == 4.0);
    eventually("nothing is held", || told(admin, holds) < 50_000.0);
}

fn a_connections_end_is_told_with_its_reason(engine: Engine) {
    let service = || Service::new("test").get("/", |_: &Request| "hello");
    let closed =
        |reason: &str| format!("seaworthy_connections_closed_total{{reason=\"{reason}\"}} ");
    let running = serve_with(service(), engine, &[("ADMIN_PORT", "0")]);
    let (addr, admin) = (running.addr(), running.admin_addr().unwrap());
    assert_eq!(told(admin, &closed("client")), 0.0);

    let mut leaving = Client::connect(addr);
    leaving.get("/").expect(200);
    drop(leaving);
    let mut last = Client::connect(addr);
    last.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    last.response().expect(200);
    last.expect_close();
    let mut refused = Client::connect(addr);
    refused.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999\r\n\r\n");
    refused.response().expect(413);
    refused.expect_close();
    drop((last, refused));
    for reason in ["client", "answered", "refused"] {
        eventually(&format!("one ended for {reason}"), || {
            told(admin, &closed(reason)) == 1.0
        });
    }

    let settings = [("ADMIN_PORT", "0"), ("KEEP_ALIVE_TIMEOUT", "200ms")];
    let running = serve_with(service(), engine, &settings);
    let mut idle = Client::connect(running.addr());
    idle.get("/").expect(200);
    idle.expect_close();
    let admin = running.admin_addr().unwrap();
    eventually("one was idle for too long", || {
        told(admin, &closed("idle_timeout")) == 1.0
    });
}
