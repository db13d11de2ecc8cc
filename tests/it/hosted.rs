//! What a service runs beside its handlers: checks, start-up tasks and background services.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Check, Ending, Phase, Request, Service, Stop};

use crate::library::{end, serve, start};
use crate::support::{Client, Engine, eventually, get};

both_engines! {
    a_check_that_hangs_or_panics_fails_by_name,
    a_check_is_asked_in_the_background_and_not_by_the_probe,
    a_failed_liveness_check_leaves_readiness_alone,
    a_service_is_ready_when_every_start_up_task_has_returned,
    a_failed_start_up_task_ends_the_service,
    background_services_are_stopped_in_reverse_after_the_last_answer,
    a_background_service_that_fails_ends_the_service,
    a_background_service_that_will_not_stop_is_named,
}

fn a_check_that_hangs_or_panics_fails_by_name(engine: Engine) {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let hangs = move || -> Result<(), String> {
        let _ = held.lock().unwrap().recv();
        Ok(())
    };
    let service = Service::new("test")
        .check(
            Check::readiness("hangs", hangs)
                .timeout("100ms")
                .every("100ms"),
        )
        .check(
            Check::readiness("panics", || -> Result<(), String> { panic!("on purpose") })
                .every("100ms"),
        )
        .check(Check::readiness("fails", || Err::<(), _>("on purpose")).every("100ms"))
        .check(Check::readiness("passes", || Ok::<(), String>(())).every("100ms"));
    let (running, address) = serve(service, engine);
    eventually("the good check has passed", || {
        get(address, "/readyz/passes").status == 200
    });
    let answer = get(address, "/readyz?verbose").expect(503);
    for line in [
        "[-]hangs failed: reason withheld\n",
        "[-]panics failed: reason withheld\n",
    ] {
        assert!(
            answer.text().contains(line),
            "{line:?} is missing: {}",
            answer.text()
        );
    }
    assert!(
        answer
            .text()
            .contains("[-]fails failed: reason withheld\n[+]passes ok\n"),
        "{}",
        answer.text()
    );
    get(
        address,
        "/readyz?exclude=hangs&exclude=panics&exclude=fails",
    )
    .expect(200);
    get(address, "/livez").expect(200);
    drop(release);
    eventually("the check that hung is asked again", || {
        get(address, "/readyz/hangs").status == 200
    });
    end(running);
}

fn a_check_is_asked_in_the_background_and_not_by_the_probe(engine: Engine) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let slow = move || -> Result<(), String> {
        counter.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(200));
        Ok(())
    };
    let service =
        Service::new("test").check(Check::readiness("slow", slow).timeout("5s").every("60s"));
    let (running, address) = serve(service, engine);
    eventually("the check has passed", || {
        get(address, "/readyz").status == 200
    });
    let began = Instant::now();
    for _ in 0..20 {
        get(address, "/readyz").expect(200);
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "20 probes that wait 200 ms each take 4 s"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    end(running);
}

fn a_failed_liveness_check_leaves_readiness_alone(engine: Engine) {
    let service = Service::new("test").check(Check::liveness("deadlock", || Err::<(), _>("stuck")));
    let (running, address) = serve(service, engine);
    eventually("the check has failed", || {
        get(address, "/livez").status == 503
    });
    get(address, "/healthz").expect(503);
    get(address, "/livez/deadlock").expect(503);
    get(address, "/readyz").expect(200);
    get(address, "/livez?exclude=deadlock").expect(200);
    end(running);
}

fn a_service_is_ready_when_every_start_up_task_has_returned(engine: Engine) {
    let (go, wait) = mpsc::channel::<()>();
    let done = Arc::new(AtomicUsize::new(0));
    let (first, second) = (Arc::clone(&done), Arc::clone(&done));
    let service = Service::new("test")
        .get("/", |_: &Request| "served")
        .on_start("first", move |_: &Stop| first.store(1, Ordering::SeqCst))
        .on_start("second", move |_: &Stop| {
            wait.recv().expect("the test says when");
            // In order: the first has returned.
            second
                .compare_exchange(1, 2, Ordering::SeqCst, Ordering::SeqCst)
                .map(drop)
                .map_err(|_| "out of order")
        });
    let running = start(service, engine, &[]);
    let address = running.addr();
    eventually("the first task has run", || {
        done.load(Ordering::SeqCst) == 1
    });
    assert_eq!(running.phase(), Phase::Starting);
    get(address, "/healthz").expect(200);
    get(address, "/readyz").expect(503);
    assert!(
        get(address, "/")
            .expect(503)
            .header("retry-after")
            .is_some()
    );
    go.send(()).unwrap();
    eventually("the service is ready", || {
        get(address, "/readyz").status == 200
    });
    assert_eq!(running.phase(), Phase::Running);
    assert_eq!(done.load(Ordering::SeqCst), 2);
    get(address, "/").expect(200);
    end(running);
}

fn a_failed_start_up_task_ends_the_service(engine: Engine) {
    for panics in [false, true] {
        let later = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&later);
        let service = Service::new("test")
            .on_start("migrate", move |_: &Stop| -> Result<(), &str> {
                assert!(!panics, "on purpose");
                Err("the schema is locked")
            })
            .on_start("later", move |_: &Stop| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        let running = start(service, engine, &[]);
        let report = running.wait();
        assert_eq!(report.ending, Ending::StartFailed, "{report:?}");
        assert_eq!(report.ending.exit_code(), 1);
        assert_eq!(
            later.load(Ordering::SeqCst),
            0,
            "what needs the first task must not run"
        );
    }
}

fn background_services_are_stopped_in_reverse_after_the_last_answer(engine: Engine) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = Arc::clone(&order);
        move || order.lock().unwrap().push(what)
    };
    let (answered, database, hook, consumer) = (
        note("answer"),
        note("database"),
        note("hook"),
        note("consumer"),
    );
    let (entered, inside) = mpsc::channel();
    let service = Service::new("test")
        .get("/slow", move |_: &Request| {
            entered.send(()).unwrap();
            thread::sleep(Duration::from_millis(500));
            answered();
            "done"
        })
        .background("database", move |stop: &Stop| {
            stop.wait(Duration::from_secs(600));
            database();
        })
        .on_stop("hook", hook)
        .background("consumer", move |stop: &Stop| {
            stop.wait(Duration::from_secs(600));
            consumer();
        });
    let (running, address) = serve(service, engine);
    let mut client = Client::connect(address);
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    inside.recv().unwrap();
    end(running);
    assert_eq!(
        *order.lock().unwrap(),
        ["answer", "consumer", "hook", "database"]
    );
    client.response().expect(200);
}

fn a_background_service_that_fails_ends_the_service(engine: Engine) {
    let (fail, when) = mpsc::channel::<()>();
    let service =
        Service::new("test").background("refresher", move |_: &Stop| -> Result<(), &str> {
            let _ = when.recv();
            Err("no source")
        });
    let (running, address) = serve(service, engine);
    get(address, "/readyz").expect(200);
    drop(fail);
    let report = running.wait();
    assert_eq!(report.ending, Ending::ServiceFailed, "{report:?}");
    assert_eq!(report.ending.exit_code(), 1);
    assert!(Client::try_connect(address).is_err());
}

fn a_background_service_that_will_not_stop_is_named(engine: Engine) {
    let (release, held) = mpsc::channel::<()>();
    let service = Service::new("test").background("stubborn", move |_: &Stop| {
        let _ = held.recv();
    });
    let running = start(service, engine, &[("SHUTDOWN_TIMEOUT", "200ms")]);
    eventually("the service has started", || {
        running.phase() == Phase::Running
    });
    let told = Instant::now();
    running.stop();
    let report = running.wait();
    assert_eq!(report.services_late, ["stubborn"]);
    assert_eq!(report.ending, Ending::DeadlinePassed);
    assert!(
        told.elapsed() < Duration::from_secs(4),
        "{:?}",
        told.elapsed()
    );
    drop(release);
}
