//! Time that passes while the process does not run: it is stopped as a throttled, frozen or suspended pod is, and
//! whatever was in its sockets before it looked at a deadline came in time.

use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Cgroup, Client, Engine, Resources, Server, Setup, eventually, get};

both_engines! {
    a_request_on_a_kept_connection_that_came_during_a_stall_is_answered,
    a_first_request_that_came_during_a_stall_is_answered,
    a_head_whose_rest_came_during_a_stall_is_answered,
    a_body_whose_rest_came_during_a_stall_is_answered,
    a_download_whose_client_has_read_during_a_stall_goes_on,
    three_hundred_of_three_hundred_are_answered_after_a_stall: long,
    what_waited_for_a_worker_during_a_stall_is_not_turned_away,
    a_request_that_came_with_the_signal_during_a_stall_is_answered,
    a_connection_opened_ahead_of_need_is_kept_as_long_as_an_idle_one,
    a_head_has_its_time_from_its_first_byte,
    a_last_chance_that_passes_during_a_stall_is_one_all_the_same,
    the_backlog_of_a_pod_that_stood_still_is_answered_within_its_limit,
    three_hundred_of_three_hundred_are_answered_on_a_hundredth_of_a_cpu: long,
}

/// Longer than the timeouts of these tests.
const STALL: Duration = Duration::from_millis(1500);

/// What is sent has arrived when this has passed: it goes over loopback.
const ARRIVAL: Duration = Duration::from_millis(50);

const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// Stops the process, does this, and lets the process go on after so long that every timeout has passed.
fn during_a_stall(server: &Server, work: impl FnOnce()) {
    during_a_stall_of(STALL, server, work);
}

fn during_a_stall_of(stall: Duration, server: &Server, work: impl FnOnce()) {
    server.signal("STOP");
    work();
    thread::sleep(stall);
    server.signal("CONT");
}

/// A server whose timeout of this name is a second.
fn with_timeout(engine: Engine, name: &str) -> Server {
    Setup::new(engine).set(name, "1s").start().ready()
}

fn a_request_on_a_kept_connection_that_came_during_a_stall_is_answered(engine: Engine) {
    let server = with_timeout(engine, "KEEP_ALIVE_TIMEOUT");
    let mut client = server.client();
    client.get("/").expect(200);
    during_a_stall(&server, || client.send(GET));
    client.response().expect(200);
}

fn a_first_request_that_came_during_a_stall_is_answered(engine: Engine) {
    let server = with_timeout(engine, "KEEP_ALIVE_TIMEOUT");
    let mut client = server.client();
    // Accepted before the stall.
    get(server.address, "/").expect(200);
    during_a_stall(&server, || client.send(GET));
    client.response().expect(200);
}

fn a_head_whose_rest_came_during_a_stall_is_answered(engine: Engine) {
    let server = with_timeout(engine, "HEAD_TIMEOUT");
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHo");
    thread::sleep(ARRIVAL);
    during_a_stall(&server, || client.send("st: test\r\n\r\n"));
    client.response().expect(200);
}

fn a_body_whose_rest_came_during_a_stall_is_answered(engine: Engine) {
    let server = with_timeout(engine, "BODY_TIMEOUT");
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3000\r\n\r\n";
    let mut client = server.client();
    client.send(head);
    client.send("x".repeat(1000));
    thread::sleep(ARRIVAL);
    during_a_stall(&server, || client.send("x".repeat(2000)));
    assert_eq!(client.response().expect(200).body.len(), 3000);
}

fn a_download_whose_client_has_read_during_a_stall_goes_on(engine: Engine) {
    const SIZE: usize = 8 << 20;
    let server = with_timeout(engine, "WRITE_TIMEOUT");
    let mut client = Client::connect_narrow(server.address);
    client.send(format!(
        "GET /bytes/{SIZE} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    ));
    // Until it is blocked on the client.
    thread::sleep(Duration::from_millis(300));
    let mut first = Vec::new();
    during_a_stall_of(2 * STALL, &server, || {
        first = client.exactly(16 * 1024).expect("so much was sent before");
    });
    let rest = client.count_to_end();
    assert!(
        first.len() + rest >= SIZE,
        "{} of {SIZE}",
        first.len() + rest
    );
}

fn three_hundred_of_three_hundred_are_answered_after_a_stall(engine: Engine) {
    let setup = Setup::new(engine).set("KEEP_ALIVE_TIMEOUT", "4s");
    let (server, mut clients) = with_three_hundred_clients(&setup, Duration::from_secs(2));
    during_a_stall_of(3 * STALL, &server, || {
        clients.iter_mut().for_each(|client| client.send(GET))
    });
    for client in &mut clients {
        client.response().expect(200);
    }
}

/// A server, and clients of it who have each had an answer within the time that a connection may be idle.
fn with_three_hundred_clients(setup: &Setup, within: Duration) -> (Server, Vec<Client>) {
    (0..5)
        .find_map(|_| {
            let server = setup.clone().start().ready();
            let began = Instant::now();
            let client = |_| {
                let mut client = server.client();
                client.get("/").expect(200);
                client
            };
            let clients: Vec<Client> = (0..300).map(client).collect();
            (began.elapsed() < within).then_some((server, clients))
        })
        .unwrap_or_else(|| panic!("three hundred requests in {within:?}"))
}

fn what_waited_for_a_worker_during_a_stall_is_not_turned_away(engine: Engine) {
    let setup = Setup::new(engine)
        .set("QUEUE_TIMEOUT", "1s")
        .set("WORKERS", 4);
    let server = setup.start().ready();
    let mut clients: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("GET /delay/0.1 HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    thread::sleep(ARRIVAL);
    during_a_stall(&server, || {});
    for client in &mut clients {
        client.response().expect(200);
    }
}

fn a_request_that_came_with_the_signal_during_a_stall_is_answered(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut kept = server.client();
    kept.get("/").expect(200);
    let mut silent = server.client();
    get(server.address, "/").expect(200);
    during_a_stall(&server, || {
        server.signal("TERM");
        kept.send(GET);
        silent.send(GET);
    });
    kept.response().expect(200);
    silent.response().expect(200);
    server.exit().expect_clean();
}

fn a_connection_opened_ahead_of_need_is_kept_as_long_as_an_idle_one(engine: Engine) {
    let server = with_timeout(engine, "HEAD_TIMEOUT");
    let mut client = server.client();
    thread::sleep(STALL);
    client.send(GET);
    client.response().expect(200);
}

fn a_head_has_its_time_from_its_first_byte(engine: Engine) {
    let server = with_timeout(engine, "HEAD_TIMEOUT");
    let mut client = server.client();
    thread::sleep(Duration::from_millis(800));
    client.send("GET / HTTP/1.1\r\n");
    thread::sleep(Duration::from_millis(500));
    client.send("Host: test\r\n\r\n");
    client.response().expect(200);
}

fn a_last_chance_that_passes_during_a_stall_is_one_all_the_same(engine: Engine) {
    let server = Setup::new(engine).own_port().start().ready();
    let mut busy = server.client();
    busy.send("GET /delay/2 HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut silent = server.client();
    get(server.address, "/").expect(200);
    server.signal("TERM");
    eventually("the listener is closed", || {
        TcpStream::connect(server.address).is_err()
    });
    // From here on the silent one has a second.
    during_a_stall(&server, || silent.send(GET));
    silent.response().expect(200);
    busy.response().expect(200);
    server.exit().expect_clean();
}

fn the_backlog_of_a_pod_that_stood_still_is_answered_within_its_limit(engine: Engine) {
    const LIMIT: u64 = 10;
    const BACKLOG: usize = 200;
    let server = Setup::new(engine)
        .set("MAX_CONNECTIONS", LIMIT)
        .set("SHUTDOWN_TIMEOUT", "20s")
        .start()
        .ready();
    let before = Resources::warm(&server).descriptors;
    server.signal("STOP");
    let mut clients: Vec<Client> = (0..BACKLOG)
        .map(|_| {
            let mut client = server.client();
            client.send("GET /delay/0.005 HTTP/1.1\r\nHost: test\r\n\r\n");
            client
        })
        .collect();
    server.signal("TERM");
    server.signal("CONT");
    let mut most = 0;
    for client in &mut clients {
        // Those who were accepted beyond the limit before the signal was seen are told to come again.
        let answer = client.response();
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        client.expect_close();
        // Gone with the last of them.
        most = most.max(Resources::try_of(&server).map_or(0, |now| now.descriptors));
    }
    // Some beyond the limit are let in for the sake of probes.
    assert!(
        most <= before + LIMIT + 16,
        "{most}, before it were {before}"
    );
    server.exit().expect_clean();
}

fn three_hundred_of_three_hundred_are_answered_on_a_hundredth_of_a_cpu(engine: Engine) {
    let Some(group) = Cgroup::new("cpu", &[("cpu.cfs_period_us", "100000")]) else {
        return;
    };
    let setup = Setup::new(engine)
        .before(&group.enter())
        .set("KEEP_ALIVE_TIMEOUT", "1s")
        .set("QUEUE_CAPACITY", 1000);
    let (server, mut clients) = with_three_hundred_clients(&setup, Duration::from_millis(800));
    server.signal("STOP");
    // A millisecond of every hundred: most requests wait in their sockets for longer than a connection may be idle.
    assert!(group.write("cpu.cfs_quota_us", "1000"));
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 50000\r\n\r\n";
    for client in &mut clients {
        client.send(head.to_owned() + &"x".repeat(50_000));
    }
    server.signal("CONT");
    // They take two seconds of it, and a minute where the system takes its share of that hundredth: it is lifted before that.
    let group = &group;
    let (all_are_answered, is_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = is_over.recv_timeout(4 * STALL);
            assert!(group.write("cpu.cfs_quota_us", "-1"));
        });
        for client in &mut clients {
            assert_eq!(client.response().expect(200).body.len(), 50_000);
        }
        drop(all_are_answered);
    });
}
