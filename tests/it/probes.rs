//! What Kubernetes, load balancers and people with curl are told.

use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use crate::support::{
    Client, Engine, Response, Setup, Times, Turn, Watch, established, eventually, free_port,
};

both_engines! {
    every_probe_says_ok_and_is_never_cached,
    a_head_probe_gets_the_same_head_and_no_body,
    verbose_lists_the_checks_one_per_line,
    exclude_leaves_a_check_out_as_the_kube_apiserver_does,
    excluding_an_unknown_check_warns_and_changes_nothing,
    one_check_can_be_asked_by_name,
    a_failing_probe_withholds_the_reason_from_the_client_and_logs_it,
    a_pod_whose_database_was_never_there_is_not_ready,
    an_operator_can_take_a_pod_out_of_traffic_and_back,
    probes_answer_while_every_worker_is_blocked_and_the_queue_is_full: alone,
    probes_answer_while_idle_connections_take_every_place: alone,
    probes_answer_while_stuck_connections_take_every_place: alone,
    probes_on_one_connection_answer_as_on_fresh_ones,
}

const PROBES: [&str; 4] = ["/healthz", "/livez", "/readyz", "/startupz"];

fn every_probe_says_ok_and_is_never_cached(engine: Engine) {
    let server = Setup::new(engine).unset("DEMO_ENDPOINTS").start().ready();
    for path in PROBES {
        let answer = server.get(path).expect(200);
        assert_eq!(answer.text(), "ok", "{path}");
        expect_probe_headers(&answer);
    }
    let mut client = server.client();
    client.send("POST /healthz HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().status, 405, "a probe is a question");
}

fn a_head_probe_gets_the_same_head_and_no_body(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    for path in PROBES {
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let answer = client.response_to("HEAD").expect(200);
        expect_probe_headers(&answer);
        assert_eq!(answer.header("content-length"), Some("2"));
        // Were there a body, it would be the beginning of the next answer.
        client.get(path).expect(200);
    }
}

fn verbose_lists_the_checks_one_per_line(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    for path in PROBES {
        let name = path.trim_start_matches('/');
        let answer = server.get(&format!("{path}?verbose")).expect(200);
        expect_probe_headers(&answer);
        let lines: Vec<&str> = answer.text().lines().collect();
        assert_eq!(lines[0], "[+]ping ok", "{path}");
        assert_eq!(
            *lines.last().unwrap(),
            format!("{name} check passed"),
            "{path}"
        );
        assert!(
            lines[..lines.len() - 1]
                .iter()
                .all(|line| line.starts_with("[+]") && line.ends_with(" ok")),
            "{lines:?}"
        );
    }
    let ready = server.get("/readyz?verbose").expect(200);
    for check in ["[+]startup ok\n", "[+]shutdown ok\n"] {
        assert!(
            ready.text().contains(check),
            "{check:?} is missing: {}",
            ready.text()
        );
    }
}

fn exclude_leaves_a_check_out_as_the_kube_apiserver_does(engine: Engine) {
    let server = Setup::new(engine).set("STARTUP_DELAY", "60s").start();
    server.get("/readyz").expect(503);
    assert_eq!(
        server.get("/readyz?exclude=startup").expect(200).text(),
        "ok"
    );
    let verbose = server
        .get("/readyz?verbose&exclude=startup&exclude=ping")
        .expect(200);
    for line in [
        "[+]startup excluded: ok\n",
        "[+]ping excluded: ok\n",
        "[+]shutdown ok\n",
        "readyz check passed",
    ] {
        assert!(
            verbose.text().contains(line),
            "{line:?} is missing: {}",
            verbose.text()
        );
    }
    assert_eq!(
        server.get("/readyz?exclude=start%75p").expect(200).text(),
        "ok",
        "a query is percent-encoded"
    );
    server.get("/readyz?exclude=ping").expect(503);
}

fn excluding_an_unknown_check_warns_and_changes_nothing(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    assert_eq!(
        server.get("/readyz?exclude=nosuch").expect(200).text(),
        "ok"
    );
    let verbose = server.get("/readyz?verbose&exclude=nosuch").expect(200);
    let warning = "warn: some health checks cannot be excluded: no matches for \"nosuch\"\n";
    assert!(verbose.text().contains(warning), "{}", verbose.text());
    assert!(verbose.text().contains("[+]ping ok\n"));
}

fn one_check_can_be_asked_by_name(engine: Engine) {
    let server = Setup::new(engine).set("STARTUP_DELAY", "60s").start();
    for path in [
        "/healthz/ping",
        "/livez/ping",
        "/readyz/ping",
        "/readyz/shutdown",
    ] {
        let answer = server.get(path).expect(200);
        assert_eq!(answer.text(), "ok", "{path}");
        expect_probe_headers(&answer);
    }
    server.get("/readyz/startup").expect(503);
    server.get("/readyz/nosuch").expect(404);
    server.get("/livez/startup").expect(404);
}

fn a_failing_probe_withholds_the_reason_from_the_client_and_logs_it(engine: Engine) {
    let (database, url) = database();
    close(database);
    let server = Setup::new(engine).set("DATABASE_URL", &url).start();
    eventually("the check has failed", || {
        server.get("/readyz/database").status == 503
    });
    let answer = server.get("/readyz?verbose");
    expect_probe_headers(&answer);
    let answer = answer.expect(503);
    assert!(
        answer
            .text()
            .contains("[-]database failed: reason withheld\n"),
        "{}",
        answer.text()
    );
    assert!(
        answer.text().contains("readyz check failed"),
        "{}",
        answer.text()
    );
    let port = url
        .rsplit(':')
        .next()
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    assert!(
        !answer.text().contains(&port),
        "the client learns where the database is: {}",
        answer.text()
    );
    server.wait_for("a record with the reason", |record| {
        let text = record.to_string().to_lowercase();
        text.contains("database") && text.contains("refused")
    });
    let exit = server.stop();
    assert!(
        !exit.output().contains("hunter2"),
        "the password is in the log: {exit:#?}"
    );
}

/// Ten seconds for two of the check's intervals, and nothing in it depends on the engine: once is enough.
#[test]
fn a_pod_without_its_database_gets_no_traffic_and_is_not_restarted() {
    let _turn = Turn::together();
    let engine = Engine::Native;
    let (database, url) = database();
    let server = Setup::new(engine).set("DATABASE_URL", &url).start().ready();
    assert!(
        server
            .get("/readyz?verbose")
            .expect(200)
            .text()
            .contains("[+]database ok\n")
    );
    assert_eq!(server.get("/readyz/database").expect(200).text(), "ok");

    let port = database.local_addr().unwrap().port();
    close(database);
    // A check every few seconds finds out; the bound is `PATIENCE`.
    eventually("the pod is unready", || server.get("/readyz").status == 503);
    for path in ["/healthz", "/livez", "/startupz"] {
        server.get(path).expect(200);
    }
    server.get("/").expect(200);

    // Another listener on the same port may need the first one's connections to be forgotten.
    let mut again = None;
    eventually("the port can be had again", || {
        again = TcpListener::bind(("127.0.0.1", port)).ok();
        again.is_some()
    });
    eventually("the pod is ready again", || {
        server.get("/readyz").status == 200
    });
    let exit = server.stop().expect_clean();
    assert!(
        !exit.output().contains("hunter2"),
        "the password is in the log: {exit:#?}"
    );
}

fn a_pod_whose_database_was_never_there_is_not_ready(engine: Engine) {
    let (database, url) = database();
    close(database);
    let server = Setup::new(engine).set("DATABASE_URL", &url).start();
    eventually("start-up ends", || server.get("/startupz").status == 200);
    // Not even for a moment: the first check has not run yet, or it has failed.
    for _ in 0..50 {
        server.get("/readyz").expect(503);
    }
    server.get("/livez").expect(200);
}

fn an_operator_can_take_a_pod_out_of_traffic_and_back(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    let mut post = |path: &str| {
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
        ));
        let status = client.response().status;
        assert!((200..300).contains(&status), "POST {path} gave {status}");
    };
    post("/readyz/disable");
    server.get("/readyz").expect(503);
    server.get("/healthz").expect(200);
    server.get("/").expect(200);
    post("/readyz/enable");
    server.get("/readyz").expect(200);
}

fn probes_answer_while_every_worker_is_blocked_and_the_queue_is_full(engine: Engine) {
    let server = Setup::new(engine)
        .set("WORKERS", "2")
        .set("QUEUE_CAPACITY", "2")
        .start()
        .ready();
    let (blocked, _) = server.fill("/delay/4");
    assert_eq!(blocked.len(), 4, "two run and two wait");
    let began = Instant::now();
    let fresh = Times::of(50, || drop(server.get("/healthz").expect(200)));
    let ready = Times::of_gets(server.address, "/readyz", 50);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "the workers were not blocked all the time"
    );
    assert!(!blocked.iter().any(Client::has_news));
    // 50 ms are promised. Half of the probes must be well inside, nine in ten inside whatever else this machine does.
    for times in [fresh, ready] {
        assert!(times.median() < Duration::from_millis(25), "{times:?}");
        assert!(
            times.percentile(90) < Duration::from_millis(50),
            "{times:?}"
        );
    }
}

fn probes_answer_while_idle_connections_take_every_place(engine: Engine) {
    let server = Setup::new(engine)
        .set("MAX_CONNECTIONS", "50")
        .start()
        .ready();
    let mut idle: Vec<Client> = Vec::new();
    for _ in 0..60 {
        let mut client = server.client();
        client.get("/").expect(200);
        idle.push(client);
    }
    let times = Times::of(50, || drop(server.get("/healthz").expect(200)));
    assert!(
        times.percentile(90) < Duration::from_millis(50),
        "50 ms are promised: {times:?}"
    );
    // Someone had to make room for the last ten, and it was those who had waited longest.
    idle[0].expect_close();
    idle[59].get("/").expect(200);
}

fn probes_answer_while_stuck_connections_take_every_place(engine: Engine) {
    // Where nobody is too slow, who is in the middle of a body may not be closed for another's sake.
    let server = Setup::new(engine)
        .set("MAX_CONNECTIONS", "50")
        .set("MIN_BODY_RATE", "0")
        .start()
        .ready();
    // Were who asked whether it is ready still there, the fiftieth would be let in beyond the limit.
    eventually("nobody is connected", || established(server.address) == 0);
    let mut stuck: Vec<Client> = Vec::new();
    for _ in 0..50 {
        let mut client = server.client();
        client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2000\r\n\r\n");
        client.send("x".repeat(1999));
        stuck.push(client);
    }
    // Connections are accepted in order: the first probe's answer shows that the fifty are in.
    let times = Times::of(50, || drop(server.get("/healthz").expect(200)));
    assert!(
        times.percentile(90) < Duration::from_millis(50),
        "50 ms are promised: {times:?}"
    );
    server.get("/readyz").expect(200);
    eventually("newcomers are turned away", || {
        server.get("/").status == 503
    });
    let shed = server.get("/").expect(503);
    assert!(shed.header("retry-after").is_some());
    for client in &mut stuck {
        client.send("x");
        client.response().expect(200);
    }
    eventually("there is room again", || server.get("/").status == 200);
}

fn probes_on_one_connection_answer_as_on_fresh_ones(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let watch = Watch::start(server.address, "/livez");
    let mut client = server.client();
    for _ in 0..25 {
        for path in PROBES {
            assert_eq!(client.get(path).expect(200).text(), "ok");
        }
    }
    assert!(watch.end().count() > 0);
}

#[track_caller]
fn expect_probe_headers(answer: &Response) {
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// Nobody can be reached from here on, not even in a process that another test is just starting, which has the
/// listener until its `exec`.
pub(crate) fn close(database: TcpListener) {
    socket2::SockRef::from(&database)
        .shutdown(Shutdown::Both)
        .expect("it listens");
}

/// Something that can be reached like a database, and the URL that leads there.
pub(crate) fn database() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", free_port())).expect("the port is free");
    let url = format!(
        "postgres://app:hunter2@{}/orders",
        listener.local_addr().unwrap()
    );
    (listener, url)
}
