//! The life of a pod: start, readiness, signals, drain, exit code, and the report that comes last.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Client, Engine, Server, Setup, eventually, free_port, get, number};

both_engines! {
    a_newcomer_gets_a_greeting_and_the_address_in_the_first_record,
    a_starting_pod_is_alive_and_gets_no_traffic_until_it_has_started,
    a_pod_stopped_at_rest_ends_at_once_with_zero,
    a_pod_stopped_while_starting_ends_within_a_second_with_zero,
    a_pod_stopped_the_moment_it_listens_always_ends_cleanly,
    a_draining_pod_serves_on_while_endpoints_update,
    a_request_in_flight_is_answered_whole_after_the_listener_has_closed,
    requests_waiting_for_a_worker_are_answered_before_the_pod_ends,
    connections_in_the_backlog_are_served_before_the_listener_closes,
    a_connection_that_has_not_spoken_yet_gets_a_second_in_a_drain,
    a_request_half_sent_when_the_drain_begins_is_answered,
    a_download_in_progress_is_finished_in_a_drain,
    a_drain_does_not_wait_for_more_of_a_request_whose_header_was_empty,
    the_admin_port_answers_probes_until_the_end,
}

fn a_newcomer_gets_a_greeting_and_the_address_in_the_first_record(engine: Engine) {
    let server = Setup::new(engine).unset("DEMO_ENDPOINTS").start().ready();
    assert_eq!(server.records()[0]["msg"], "listening", "the first record");
    assert_eq!(server.get("/").expect(200).text(), "Hello from Kubernetes!");
    assert!(
        server
            .get("/version")
            .expect(200)
            .text()
            .contains(env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        server.get("/delay/0").status,
        404,
        "the demo endpoints are off by default"
    );
    server.stop().expect_clean();
}

fn a_starting_pod_is_alive_and_gets_no_traffic_until_it_has_started(engine: Engine) {
    let server = Setup::new(engine).set("STARTUP_DELAY", "1s").start();
    // One connection for all: it must outlive the change.
    let mut client = server.client();
    for path in ["/healthz", "/livez"] {
        assert_eq!(client.get(path).expect(200).text(), "ok", "{path}");
    }
    for path in ["/readyz", "/startupz"] {
        assert_ne!(client.get(path).expect(503).text(), "ok", "{path}");
    }
    let refused = client.get("/").expect(503);
    let seconds = refused
        .header("retry-after")
        .expect("a client is told when to come again");
    assert!(seconds.parse::<u32>().is_ok(), "Retry-After: {seconds}");
    assert!(
        server.started.elapsed() < Duration::from_secs(1),
        "this machine is too slow to test a start of 1 s"
    );

    eventually("start-up ends", || client.get("/startupz").status == 200);
    assert!(
        server.started.elapsed() >= Duration::from_secs(1),
        "started before its tasks had returned"
    );
    client.get("/readyz").expect(200);
    client.get("/").expect(200);
    client.get("/healthz").expect(200);
}

fn a_pod_stopped_at_rest_ends_at_once_with_zero(engine: Engine) {
    for signal in ["TERM", "INT"] {
        let server = Setup::new(engine).start().ready();
        let signalled = Instant::now();
        server.signal(signal);
        let exit = server.exit().expect_clean();
        // Nothing is open, so nothing has to be waited for; the margin is for a busy machine.
        assert!(
            signalled.elapsed() < Duration::from_secs(2),
            "{signal} took {:?}",
            signalled.elapsed()
        );
        assert_eq!(
            exit.records
                .iter()
                .filter(|record| record["msg"] == "drained")
                .count(),
            1
        );
    }
}

fn a_pod_stopped_while_starting_ends_within_a_second_with_zero(engine: Engine) {
    let server = Setup::new(engine)
        .set("STARTUP_DELAY", "60s")
        // A drain would take longer than a second: there is nothing to drain yet.
        .set("DRAIN_DELAY", "5s")
        .start();
    server.get("/readyz").expect(503);
    let signalled = Instant::now();
    server.signal("TERM");
    let exit = server.exit();
    let took = signalled.elapsed();
    assert_eq!((exit.code, exit.signal), (Some(0), None), "{exit:#?}");
    assert!(
        took < Duration::from_millis(1500),
        "1 s is promised, 0.5 s is for a busy machine: {took:?}"
    );
}

fn a_pod_stopped_the_moment_it_listens_always_ends_cleanly(engine: Engine) {
    for round in 0..20 {
        let server = Setup::new(engine).start();
        server.signal("TERM");
        let exit = server.exit();
        assert_eq!(
            (exit.code, exit.signal),
            (Some(0), None),
            "round {round}: {exit:#?}"
        );
    }
}

fn a_draining_pod_serves_on_while_endpoints_update(engine: Engine) {
    let delay = Duration::from_secs(1);
    let server = Setup::new(engine)
        .own_port()
        .set("DRAIN_DELAY", "1s")
        .start()
        .ready();
    let mut idle = server.client();
    idle.get("/").expect(200);
    let mut kept = server.client();
    assert!(
        !kept.get("/").expect(200).closes(),
        "before the drain, connections are kept"
    );

    let signalled = Instant::now();
    server.signal("TERM");
    // "At once" is a thread's wake-up; half the delay leaves it room on a busy machine.
    eventually("the pod is unready", || server.get("/readyz").status == 503);
    assert!(
        signalled.elapsed() < delay / 2,
        "unready only after {:?}",
        signalled.elapsed()
    );

    let last = kept.get("/").expect(200);
    assert!(last.closes(), "a kept connection is told to go elsewhere");
    kept.expect_close();
    let mut fresh = server.client();
    assert!(fresh.get("/").expect(200).closes());
    fresh.expect_close();
    assert_eq!(
        server.get("/healthz").expect(200).text(),
        "ok",
        "draining is no reason to be killed"
    );
    assert!(
        server
            .get("/readyz?verbose")
            .expect(503)
            .text()
            .contains("[-]shutdown failed: reason withheld\n")
    );
    assert!(
        signalled.elapsed() < delay,
        "this machine is too slow to look into a delay of 1 s"
    );
    assert!(
        !idle.has_news(),
        "an idle connection is kept until the delay is over"
    );

    idle.expect_close();
    assert!(
        signalled.elapsed() >= delay,
        "closed after {:?}",
        signalled.elapsed()
    );
    let address = server.address;
    let exit = server.exit().expect_clean();
    assert!(
        number(exit.report(), "drain_delay_ms") >= 1000.0,
        "{exit:#?}"
    );
    assert!(
        signalled.elapsed() < delay * 3,
        "nothing was left to wait for: {:?}",
        signalled.elapsed()
    );
    assert!(TcpStream::connect(address).is_err());
}

fn a_request_in_flight_is_answered_whole_after_the_listener_has_closed(engine: Engine) {
    let server = Setup::new(engine).own_port().start().ready();
    let mut busy = in_flight(&server, "/delay/2");
    server.signal("TERM");
    expect_refusal(&server);
    let answer = busy.response().expect(200);
    assert!(answer.closes());
    busy.expect_close();
    let exit = server.exit().expect_clean();
    let report = exit.report();
    assert!(
        number(report, "in_flight_ms") > 500.0,
        "the time of each phase is told: {report}"
    );
    assert!(number(report, "finished") >= 1.0, "{report}");
    assert!(
        report.to_string().contains("/delay/"),
        "the slowest route is named: {report}"
    );
}

fn requests_waiting_for_a_worker_are_answered_before_the_pod_ends(engine: Engine) {
    let server = Setup::new(engine)
        .set("WORKERS", "3")
        .set("QUEUE_CAPACITY", "3")
        .start()
        .ready();
    let (mut clients, _) = server.fill("/delay/2");
    assert_eq!(clients.len(), 6, "three run and three wait");
    server.signal("TERM");
    for client in &mut clients {
        assert!(client.response().expect(200).closes());
    }
    server.exit().expect_clean();
}

fn connections_in_the_backlog_are_served_before_the_listener_closes(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    // A stopped process accepts nothing: these wait in the kernel, with their requests.
    server.signal("STOP");
    let mut clients: Vec<Client> = (0..20).map(|_| in_flight(&server, "/")).collect();
    server.signal("TERM");
    server.signal("CONT");
    for client in &mut clients {
        client.response().expect(200);
        client.expect_close();
    }
    server.exit().expect_clean();
}

fn a_connection_that_has_not_spoken_yet_gets_a_second_in_a_drain(engine: Engine) {
    let server = Setup::new(engine)
        .own_port()
        .set("DRAIN_DELAY", "300ms")
        .start()
        .ready();
    // Keeps the drain going for longer than the second.
    let mut busy = in_flight(&server, "/delay/3");
    server.signal("TERM");
    eventually("the pod is unready", || server.get("/readyz").status == 503);
    let connected = Instant::now();
    let mut silent = server.client();
    let mut speaks = server.client();
    expect_refusal(&server);

    speaks.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(speaks.response().expect(200).closes());
    silent.expect_close();
    let waited = connected.elapsed();
    assert!(
        waited >= Duration::from_millis(900),
        "a second is promised, it was {waited:?}"
    );
    // Were it not closed by then, it would be closed with the end of the drain, at 3 s.
    assert!(
        waited < Duration::from_millis(2400),
        "a second is promised, it was {waited:?}"
    );
    busy.response().expect(200);
    server.exit().expect_clean();
}

fn a_request_half_sent_when_the_drain_begins_is_answered(engine: Engine) {
    let server = Setup::new(engine).own_port().start().ready();
    let mut head = in_flight(&server, "/");
    head.response().expect(200);
    head.send("GET / HTTP/1.1\r\nHo");
    let mut body = server.client();
    body.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf");
    // Both halves have been read once a later connection has been served.
    server.get("/").expect(200);
    server.signal("TERM");
    expect_refusal(&server);

    head.send("st: test\r\n\r\n");
    assert!(head.response().expect(200).closes());
    body.send("rest");
    let answer = body.response().expect(200);
    assert_eq!(answer.text(), "halfrest");
    assert!(answer.closes());
    server.exit().expect_clean();
}

fn a_download_in_progress_is_finished_in_a_drain(engine: Engine) {
    const SIZE: usize = 8 << 20;
    let server = Setup::new(engine).own_port().start().ready();
    let mut slow = Client::connect_narrow(server.address);
    slow.send(format!("GET /bytes/{SIZE} HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert_eq!(slow.exactly(9).expect("it begins"), b"HTTP/1.1 ");
    server.signal("TERM");
    expect_refusal(&server);
    let rest = slow.count_to_end();
    assert!(rest >= SIZE, "{rest} of {SIZE} bytes");
    server.exit().expect_clean();
}

/// Clients write a space before an empty value, or none: neither is the beginning of another request.
fn a_drain_does_not_wait_for_more_of_a_request_whose_header_was_empty(engine: Engine) {
    let server = Setup::new(engine)
        .set("HEAD_TIMEOUT", "60s")
        .set("SHUTDOWN_TIMEOUT", "60s")
        .start()
        .ready();
    let mut clients = ["Origin: \r\n", "Origin:\r\n"].map(|header| {
        let mut client = server.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{header}\r\n"));
        client.response().expect(200);
        client
    });
    server.signal("TERM");
    clients.iter_mut().for_each(Client::expect_close);
    server.exit().expect_clean();
}

fn the_admin_port_answers_probes_until_the_end(engine: Engine) {
    let port = free_port();
    let server = Setup::new(engine)
        .own_port()
        .set("ADMIN_PORT", port)
        .start()
        .ready();
    let admin = (server.address.ip(), port).into();
    assert_eq!(get(admin, "/readyz").expect(200).text(), "ok");
    assert!(
        get(admin, "/livez?verbose")
            .expect(200)
            .text()
            .contains("[+]ping ok\n")
    );
    server.get("/livez").expect(200);
    assert_eq!(
        get(admin, "/").status,
        404,
        "the admin port is no second way to the application"
    );

    let mut busy = in_flight(&server, "/delay/2");
    server.signal("TERM");
    expect_refusal(&server);
    assert_eq!(get(admin, "/healthz").expect(200).text(), "ok");
    get(admin, "/readyz").expect(503);
    busy.response().expect(200);
    server.exit().expect_clean();
    assert!(TcpStream::connect(admin).is_err());
}

/// Sends a request and returns once the server has had the occasion to read it.
pub(crate) fn in_flight(server: &Server, path: &str) -> Client {
    let mut client = server.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client
}

/// Waits until the listener is closed.
fn expect_refusal(server: &Server) {
    eventually("new connections are refused", || {
        TcpStream::connect(server.address).is_err()
    });
}
