//! What happens to a service beside its requests: background services, drains.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seaworthy::{Request, Restart, Running, Schedule, Service, Stop};

use super::value;
use crate::service::serve_with;
use crate::support::{Client, Engine, PATIENCE, eventually, get};

both_engines! {
    background_services_tell_whether_they_run_and_how_often_they_had_to_begin_anew,
    a_drain_tells_its_deadline,
    a_collector_that_takes_its_time_holds_up_neither_probes_nor_requests,
    scrapes_that_are_never_answered_leave_room_for_probes,
    a_collector_that_never_returns_does_not_keep_the_service_from_ending,
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

/// A service with a collector that waits, once it is told to, and those who tell it.
struct SlowCollector {
    running: Running,
    is_slow: Arc<AtomicBool>,
    is_asked: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
}

impl SlowCollector {
    fn start(engine: Engine, settings: &[(&str, &str)]) -> SlowCollector {
        let (asked, is_asked) = mpsc::channel::<()>();
        let (go_on, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let is_slow = Arc::new(AtomicBool::new(false));
        let slow = Arc::clone(&is_slow);
        let service = Service::new("test")
            .get("/", |_: &Request| "hello")
            .append_metrics(move || {
                if slow.load(SeqCst) {
                    let _ = asked.send(());
                    let _ = held.lock().unwrap().recv();
                }
                "other_things 7".to_owned()
            });
        SlowCollector {
            running: serve_with(service, engine, settings),
            is_slow,
            is_asked,
            go_on,
        }
    }

    /// A client whose scrape is in the collector's hands.
    fn scrape(&self, address: SocketAddr) -> Client {
        self.is_slow.store(true, SeqCst);
        let scraper = send_scrape(address);
        self.is_asked.recv_timeout(PATIENCE).unwrap();
        scraper
    }
}

fn send_scrape(address: SocketAddr) -> Client {
    let mut scraper = Client::connect(address);
    scraper.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    scraper
}

fn a_collector_that_takes_its_time_holds_up_neither_probes_nor_requests(engine: Engine) {
    for settings in [
        &[("WORKERS", "1")][..],
        &[("WORKERS", "1"), ("ADMIN_PORT", "0")],
    ] {
        let slow = SlowCollector::start(engine, settings);
        let (port, admin) = (slow.running.addr(), slow.running.admin_addr());
        let mut scraper = slow.scrape(admin.unwrap_or(port));
        // None of these is answered before the collector goes on, where it has to wait for it.
        get(port, "/readyz").expect(200);
        get(port, "/").expect(200);
        if let Some(admin) = admin {
            get(admin, "/livez").expect(200);
            get(admin, "/statusz").expect(200);
        }
        slow.go_on.send(()).unwrap();
        let answer = scraper.response().expect(200);
        assert_eq!(value(answer.text(), "other_things "), 7.0);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

/// They hold places that are kept for probes, as connections beyond `MAX_CONNECTIONS` do.
fn scrapes_that_are_never_answered_leave_room_for_probes(engine: Engine) {
    let settings = [("MAX_CONNECTIONS", "1")];
    let slow = SlowCollector::start(engine, &settings);
    let address = slow.running.addr();
    let mut scrapers = vec![slow.scrape(address)];
    scrapers.extend((0..20).map(|_| send_scrape(address)));
    for _ in 0..3 {
        get(address, "/livez").expect(200);
    }
    let mut last = scrapers.pop().expect("there are some");
    last.response().expect(503);
    get(address, "/livez").expect(200);
}

fn a_collector_that_never_returns_does_not_keep_the_service_from_ending(engine: Engine) {
    let settings = [("ADMIN_PORT", "0"), ("DRAIN_DELAY", "0")];
    let slow = SlowCollector::start(engine, &settings);
    let admin = slow.running.admin_addr().expect("it has an admin port");
    let _scraper = slow.scrape(admin);
    slow.running.stop();
    assert_eq!(slow.running.wait().abandoned_total(), 0);
}
