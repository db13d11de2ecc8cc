//! How a service ends: what fails or hangs on the way out, and what the report says of it all.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Ending, Request, Service, Stop};

use crate::service::serve_with;
use crate::support::{Client, Engine, PATIENCE, Setup, get, number};

both_engines! {
    a_background_service_that_fails_while_it_is_stopped_is_told_and_not_called_clean,
    a_background_service_that_fails_in_the_drain_delay_is_told_and_hurries_nothing,
    a_stop_hook_that_fails_is_told_and_keeps_no_other_from_running,
    a_stuck_background_service_costs_no_other_its_ending,
    a_slow_background_service_has_the_time_that_the_others_leave,
    the_whole_end_takes_no_longer_than_the_grace_period_allows: alone,
    a_stop_that_follows_a_background_failure_changes_nothing,
    the_report_counts_what_was_answered_since_the_start_and_in_the_drain,
    the_log_says_of_a_request_what_its_client_was_told,
}

fn a_background_service_that_fails_while_it_is_stopped_is_told_and_not_called_clean(
    engine: Engine,
) {
    let service = Service::new("test").background("flusher", |stop: &Stop| {
        stop.wait(PATIENCE);
        Err("the last batch is lost")
    });
    let running = serve_with(service, engine, &[]);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::ServiceFailed);
    assert_eq!(report.ending.exit_code(), 1);
    let failures = [("flusher", "the last batch is lost".to_owned())];
    assert_eq!(report.failures, failures);
}

fn a_background_service_that_fails_in_the_drain_delay_is_told_and_hurries_nothing(engine: Engine) {
    let (fail, failing) = mpsc::channel::<()>();
    let service = Service::new("test").background("consumer", move || {
        let _ = failing.recv();
        Err("the queue is gone")
    });
    let running = serve_with(service, engine, &[("DRAIN_DELAY", "500ms")]);
    running.stop();
    drop(fail);
    let report = running.wait();
    assert_eq!(report.ending, Ending::ServiceFailed, "{report:?}");
    let failures = [("consumer", "the queue is gone".to_owned())];
    assert_eq!(report.failures, failures);
    assert!(
        report.drain_delay >= Duration::from_millis(500),
        "{report:?}"
    );
}

fn a_stop_hook_that_fails_is_told_and_keeps_no_other_from_running(engine: Engine) {
    let (told, ran) = mpsc::channel();
    let service = Service::new("test")
        .on_stop("first added", move || told.send(()).unwrap())
        .on_stop("fails", || Err("no"))
        .on_stop("panics", || -> () { panic!("on purpose") });
    let running = serve_with(service, engine, &[]);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::ServiceFailed);
    let names: Vec<&str> = report.failures.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["panics", "fails"]);
    ran.recv_timeout(PATIENCE).expect("the other hook has run");
}

/// Stuck until the test ends, and what tells it.
fn stuck() -> (impl FnMut() + Send + 'static, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let wait = move || {
        let _ = held.recv();
    };
    (wait, release)
}

fn a_stuck_background_service_costs_no_other_its_ending(engine: Engine) {
    let (told, ended) = mpsc::channel();
    let (hook_told, service_told) = (told.clone(), told);
    let (wait, _release) = stuck();
    let service = Service::new("test")
        .on_stop("hook", move || hook_told.send("hook").unwrap())
        .background("earlier", move |stop: &Stop| {
            stop.wait(PATIENCE);
            thread::sleep(Duration::from_millis(50));
            service_told.send("earlier").unwrap();
        })
        .background("stuck", wait);
    let running = serve_with(service, engine, &[("SHUTDOWN_TIMEOUT", "0")]);
    running.stop();
    let report = running.wait();
    assert_eq!(report.services_late, ["stuck"]);
    assert_eq!(report.ending, Ending::DeadlinePassed);
    let ended: Vec<&str> = ended.try_iter().collect();
    assert_eq!(ended, ["earlier", "hook"]);
}

fn a_slow_background_service_has_the_time_that_the_others_leave(engine: Engine) {
    let (told, ended) = mpsc::channel();
    let service = Service::new("test")
        .on_stop("first added", move || told.send(()).unwrap())
        // More than its half of the second that both have behind the deadline.
        .background("slow", |stop: &Stop| {
            stop.wait(PATIENCE);
            thread::sleep(Duration::from_millis(650));
        });
    let running = serve_with(service, engine, &[("SHUTDOWN_TIMEOUT", "0")]);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert!(report.services >= Duration::from_millis(650), "{report:?}");
    ended.try_recv().expect("the hook has run");
}

fn the_whole_end_takes_no_longer_than_the_grace_period_allows(engine: Engine) {
    let names = ["a", "b", "c", "d", "e"];
    let (mut service, mut releases) = (Service::new("test"), Vec::new());
    for name in names {
        let (wait, release) = stuck();
        service = service.background(name, wait);
        releases.push(release);
    }
    let (begun, has_begun) = mpsc::channel();
    let service = service.get("/hangs", move |_: &Request| {
        begun.send(()).unwrap();
        thread::sleep(Duration::from_secs(10));
    });
    let running = serve_with(service, engine, &[("SHUTDOWN_TIMEOUT", "300ms")]);
    let mut client = Client::connect(running.addr());
    client.send("GET /hangs HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    let told = Instant::now();
    running.stop();
    let report = running.wait();
    assert_eq!(report.services_late.len(), names.len());
    assert_eq!(report.abandoned, [("/hangs".to_owned(), 1)]);
    let took = told.elapsed();
    assert!(
        took < Duration::from_millis(2300),
        "300 ms and a margin of 2 s: {took:?}"
    );
}

fn a_stop_that_follows_a_background_failure_changes_nothing(engine: Engine) {
    let (fail, fails) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let service = Service::new("test")
        .get("/slow", move |_: &Request| {
            begun.send(()).unwrap();
            thread::sleep(Duration::from_millis(500));
            "whole"
        })
        .background("consumer", move || {
            let _ = fails.recv();
            Err("the queue is gone")
        });
    let running = serve_with(service, engine, &[]);
    let mut client = Client::connect(running.addr());
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    drop(fail);
    running.stop();
    running.stop();
    assert_eq!(client.response().expect(200).text(), "whole");
    let report = running.wait();
    assert_eq!(report.ending, Ending::ServiceFailed);
    assert_eq!(report.abandoned_total(), 0);
}

fn the_report_counts_what_was_answered_since_the_start_and_in_the_drain(engine: Engine) {
    let (begun, has_begun) = mpsc::channel();
    let service =
        Service::new("test")
            .get("/", |_: &Request| "at once")
            .get("/slow", move |_: &Request| {
                begun.send(()).unwrap();
                thread::sleep(Duration::from_millis(300));
                "whole"
            });
    let running = serve_with(service, engine, &[]);
    for _ in 0..5 {
        get(running.addr(), "/").expect(200);
    }
    get(running.addr(), "/readyz").expect(200);
    let mut client = Client::connect(running.addr());
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    has_begun.recv_timeout(PATIENCE).unwrap();
    running.stop();
    client.response().expect(200);
    let report = running.wait();
    assert_eq!((report.answered, report.finished), (6, 1), "{report:?}");
    let (slowest, took) = report.slowest.expect("one was answered in the drain");
    assert_eq!(slowest, "/slow");
    assert!(took >= Duration::from_millis(300), "{took:?}");
}

fn the_log_says_of_a_request_what_its_client_was_told(engine: Engine) {
    let server = Setup::new(engine)
        .set("ACCESS_LOG", "all")
        .set("WORKERS", 1)
        .set("QUEUE_CAPACITY", 0)
        // Time for a busy machine to ask meanwhile.
        .set("STARTUP_DELAY", "2s")
        .start();
    let mut told = vec![server.get("/").expect(503).status];
    let server = server.ready();
    let mut asks = server.client();
    asks.send("DELETE /readyz HTTP/1.1\r\nHost: test\r\n\r\n");
    told.push(asks.response().expect(405).status);
    let (busy, refused) = server.fill("/delay/2");
    told.extend((0..5).map(|_| server.get("/").status));
    for mut client in busy {
        told.push(client.response().status);
    }
    told.push(server.get("/status/503").status);
    told.push(server.get("/nowhere").status);
    let exit = server.stop().expect_clean();
    let access = exit.records.iter().filter(|record| {
        let is_probe = record["path"] == "/readyz" && record["method"] == "GET";
        record["msg"] == "request" && !is_probe
    });
    let mut logged: Vec<u16> = access
        .map(|record| number(record, "status") as u16)
        .collect();
    told.extend(vec![503; refused]);
    told.sort_unstable();
    logged.sort_unstable();
    assert_eq!(logged, told);
}
