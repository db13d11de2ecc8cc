//! What happens to a service beside its requests: background services, drains.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seaworthy::{Request, Restart, Schedule, Service, Stop};

use super::value;
use crate::service::serve_with;
use crate::support::{Client, Engine, PATIENCE, eventually, get};

both_engines! {
    background_services_tell_whether_they_run_and_how_often_they_had_to_begin_anew,
    a_drain_tells_its_deadline,
    a_collector_that_takes_its_time_holds_up_neither_probes_nor_requests,
}

fn background_services_tell_whether_they_run_and_how_often_they_had_to_begin_anew(engine: Engine) {
    let (fail, failing) = mpsc::channel::<()>();
    let (go_on, slow) = mpsc::channel::<()>();
    let service = Service::new("test")
        .background("steady", |stop: &Stop| {
            stop.wait(PATIENCE);
        })
        .background("flaky", move |_: &Stop| -> Result<(), &str> {
            let _ = failing.recv();
            Err("as it should")
        })
        .on_failure(Restart::backoff("1h", "1h"))
        .every("slow", Schedule::every("1ms").at_once(), move |_: &Stop| {
            let _ = slow.recv_timeout(PATIENCE);
        });
    let running = serve_with(service, engine, &[]);
    let told = |sample: &str| value(get(running.addr(), "/metrics").expect(200).text(), sample);
    let up = |name: &str| {
        told(&format!(
            "seaworthy_background_service_up{{name=\"{name}\"}} "
        ))
    };
    let restarts = "seaworthy_background_restarts_total{name=\"flaky\"} ";
    let skipped = "seaworthy_scheduled_runs_skipped_total{name=\"slow\"} ";
    eventually("all of them are up", || {
        up("steady") + up("flaky") + up("slow") == 3.0
    });
    assert_eq!((told(restarts), told(skipped)), (0.0, 0.0));
    drop(fail);
    eventually("a restart is told", || told(restarts) == 1.0);
    eventually("it is down meanwhile", || up("flaky") == 0.0);
    thread::sleep(Duration::from_millis(5));
    go_on.send(()).unwrap();
    eventually("what was skipped is told", || told(skipped) > 0.0);
    assert_eq!((up("steady"), up("slow")), (1.0, 1.0));
}

fn a_drain_tells_its_deadline(engine: Engine) {
    const DEADLINE: &str = "seaworthy_drain_deadline_timestamp_seconds ";
    let settings = [("ADMIN_PORT", "0"), ("DRAIN_DELAY", "10s")];
    let running = serve_with(Service::new("test"), engine, &settings);
    let admin = running.admin_addr().expect("there is an admin port");
    let told = || value(get(admin, "/metrics").expect(200).text(), DEADLINE);
    assert_eq!(told(), 0.0);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    running.stop();
    eventually("the deadline is told", || told() > 0.0);
    // The delay, and `SHUTDOWN_TIMEOUT` behind it.
    let ahead = told() - before.as_secs_f64();
    assert!((30.0..60.0).contains(&ahead), "{ahead} seconds ahead");
}

fn a_collector_that_takes_its_time_holds_up_neither_probes_nor_requests(engine: Engine) {
    let (asked, is_asked) = mpsc::channel::<()>();
    let (go_on, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let is_slow = Arc::new(AtomicBool::new(false));
    let is_over = Arc::new(AtomicBool::new(false));
    let (slow, over) = (Arc::clone(&is_slow), Arc::clone(&is_over));
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .append_metrics(move || {
            if slow.load(SeqCst) {
                asked.send(()).unwrap();
                let _ = held.lock().unwrap().recv_timeout(PATIENCE);
                over.store(true, SeqCst);
            }
            "other_things 7".to_owned()
        });
    let running = serve_with(service, engine, &[("WORKERS", "1")]);
    is_slow.store(true, SeqCst);
    let mut scraper = Client::connect(running.addr());
    scraper.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    is_asked.recv_timeout(PATIENCE).unwrap();
    get(running.addr(), "/readyz").expect(200);
    get(running.addr(), "/").expect(200);
    assert!(!is_over.load(SeqCst), "they waited for the collector");
    go_on.send(()).unwrap();
    let answer = scraper.response().expect(200);
    assert_eq!(value(answer.text(), "other_things "), 7.0);
}
