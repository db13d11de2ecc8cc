//! Several threads that drive sockets, each with connections of its own, and one pool behind them. All else that is tried
//! with one is tried with more by `TEST_REACTORS=3`, which CI does.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Engine, Setup, Turn, eventually};

fn three() -> Setup {
    Setup::new(Engine::Native).set("REACTORS", "3")
}

#[test]
fn with_every_worker_blocked_each_reactor_still_answers_its_probes() {
    let _turn = Turn::together();
    let server = three().set("WORKERS", "3").start().ready();
    let mut probers: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let mut blocked: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut probers {
        client.get("/livez").expect(200);
    }
    for client in &mut blocked {
        client.send("GET /delay/5 HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    let asked = Instant::now();
    eventually("all are blocked", || {
        let metrics = server.get("/metrics");
        let mut lines = metrics.text().lines();
        lines.any(|line| line == "seaworthy_workers_busy 3")
    });
    for client in &mut probers {
        client.get("/livez").expect(200);
    }
    assert!(
        asked.elapsed() < Duration::from_secs(4),
        "a reactor had nobody: {:?}",
        asked.elapsed()
    );
    for client in &mut blocked {
        client.response().expect(200);
    }
    server.stop().expect_clean();
}

#[test]
fn what_waits_for_the_only_worker_is_answered_whichever_reactor_it_came_from() {
    let _turn = Turn::together();
    let server = three().set("WORKERS", "1").start().ready();
    let mut first = server.client();
    let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for client in &mut clients {
        client.get("/livez").expect(200);
    }
    first.send("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n");
    thread::sleep(Duration::from_millis(200));
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    first.response().expect(200);
    for client in &mut clients {
        client.response().expect(200);
    }
    server.stop().expect_clean();
}

#[test]
fn a_drain_ends_by_itself_once_every_reactor_has_answered_what_it_had() {
    let _turn = Turn::together();
    let server = three().start().ready();
    let mut idle: Vec<Client> = (0..6).map(|_| server.client()).collect();
    let mut busy: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut idle {
        client.get("/").expect(200);
    }
    for client in &mut busy {
        client.send("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    thread::sleep(Duration::from_millis(200));
    server.signal("TERM");
    for client in &mut busy {
        assert!(client.response().expect(200).closes());
    }
    for client in &mut idle {
        client.expect_close();
    }
    server.stop().expect_clean();
}
