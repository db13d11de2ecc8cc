//! Background services that fail, depend on each other or run by a schedule, and how far start-up is.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use seaworthy::{Ending, Policy, Restart, Schedule, Service, Stop};

use crate::library::{end, serve, start};
use crate::support::{Engine, PATIENCE, eventually, get};

both_engines! {
    a_background_service_that_fails_is_restarted_and_the_pod_is_unready_meanwhile,
    a_background_service_that_panics_again_and_again_ends_the_service_at_its_limit,
    a_background_service_that_returns_early_ends_the_service_unless_it_may,
    without_a_background_service_that_failed_the_pod_is_unready_where_that_was_asked_for,
    what_needs_another_starts_once_that_is_ready_and_stops_before_it,
    a_scheduled_job_never_overlaps_itself_and_what_it_skips_is_counted,
    a_scheduled_job_that_fails_has_its_next_beat_and_the_pod_is_ready_when_that_succeeds,
    a_scheduled_job_is_told_to_stop_between_two_runs,
    a_start_up_probe_tells_how_far_the_tasks_are,
    start_up_tasks_and_stop_hooks_take_the_state_and_the_stop,
}

fn a_background_service_that_fails_is_restarted_and_the_pod_is_unready_meanwhile(engine: Engine) {
    let (fail, failing) = mpsc::channel::<()>();
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&runs);
    let service = Service::new("test")
        .background("consumer", move |stop: &Stop| {
            if counter.fetch_add(1, SeqCst) > 0 {
                stop.wait(PATIENCE);
                return Ok(());
            }
            let _ = failing.recv();
            Err("the queue is gone")
        })
        .on_failure(Restart::backoff("500ms", "1m").unready_meanwhile());
    let (running, address) = serve(service, engine);
    get(address, "/readyz").expect(200);
    drop(fail);
    eventually("the pod is unready", || {
        get(address, "/readyz/consumer").status == 503
    });
    assert_eq!(runs.load(SeqCst), 1);
    eventually("it is ready again", || {
        get(address, "/readyz").status == 200
    });
    assert_eq!(runs.load(SeqCst), 2);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!(report.restarts, [("consumer", 1)]);
    assert_eq!(report.failed_runs, [("consumer", 1)]);
}

fn a_background_service_that_panics_again_and_again_ends_the_service_at_its_limit(engine: Engine) {
    let service = Service::new("test")
        .background("flaky", || -> () { panic!("on purpose") })
        .on_failure(Restart::backoff("1ms", "1h").limit(3));
    let report = start(service, engine, &[]).wait();
    assert_eq!(report.ending, Ending::ServiceFailed);
    let failures = [("flaky", "panicked: on purpose, after 3 restarts".to_owned())];
    assert_eq!(report.failures, failures);
    assert_eq!(report.restarts, [("flaky", 3)]);
}

fn a_background_service_that_returns_early_ends_the_service_unless_it_may(engine: Engine) {
    let service = Service::new("test").background("consumer", || ());
    let report = start(service, engine, &[]).wait();
    assert_eq!(report.ending, Ending::ServiceFailed);
    assert_eq!(report.ending.exit_code(), 1);
    let reason = "it returned before it was told to stop".to_owned();
    assert_eq!(report.failures, [("consumer", reason)]);

    let (told, has_run) = mpsc::channel();
    let service = Service::new("test")
        .background("warmer", || ())
        .on_return(Policy::GoOn)
        .background("later", move |stop: &Stop| {
            told.send(()).unwrap();
            stop.wait(PATIENCE);
        })
        .needs("warmer");
    let (running, address) = serve(service, engine);
    has_run.recv_timeout(PATIENCE).unwrap();
    get(address, "/readyz").expect(200);
    end(running);
}

fn without_a_background_service_that_failed_the_pod_is_unready_where_that_was_asked_for(
    engine: Engine,
) {
    let fails = || Err::<(), _>("on purpose");
    let (tell, has_begun) = mpsc::channel();
    let service = Service::new("test")
        .background("needless", move || {
            tell.send(()).expect("the test waits");
            fails()
        })
        .on_failure(Policy::GoOn);
    let (running, address) = serve(service, engine);
    has_begun.recv_timeout(PATIENCE).expect("it begins");
    eventually("it has failed", || {
        let metrics = get(address, "/metrics").expect(200);
        let is_down = "seaworthy_background_service_up{name=\"needless\"} 0\n";
        metrics.text().contains(is_down)
    });
    get(address, "/readyz").expect(200);
    end(running);

    let service = Service::new("test")
        .background("needed", fails)
        .on_failure(Policy::Unready);
    let (running, address) = serve(service, engine);
    eventually("the pod is unready", || {
        get(address, "/readyz/needed").status == 503
    });
    get(address, "/livez").expect(200);
    end(running);

    let service = Service::new("test")
        .background("brief", || ())
        .on_return(Policy::Unready);
    let (running, address) = serve(service, engine);
    eventually("the pod is unready", || {
        get(address, "/readyz/brief").status == 503
    });
    running.stop();
    assert_eq!(running.wait().failed_runs, [("brief", 1)]);
}

fn what_needs_another_starts_once_that_is_ready_and_stops_before_it(engine: Engine) {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let order = Arc::clone(&order);
        move || order.lock().unwrap().push(what)
    };
    let (connected, disconnected) = (note("connected"), note("disconnected"));
    let (consuming, consumed) = (note("consuming"), note("consumed"));
    let (go, wait) = mpsc::channel::<()>();
    let service = Service::new("test")
        .background("database", move |stop: &Stop| {
            wait.recv().expect("the test says when");
            connected();
            stop.notify_ready();
            stop.wait(PATIENCE);
            disconnected();
        })
        .notifies_ready()
        .background("consumer", move |stop: &Stop| {
            consuming();
            stop.wait(PATIENCE);
            consumed();
        })
        .needs("database");
    let (running, address) = serve(service, engine);
    let answer = get(address, "/readyz").expect(503);
    assert!(answer.text().contains("[-]database failed"), "{answer:?}");
    assert!(order.lock().unwrap().is_empty());
    go.send(()).unwrap();
    eventually("the consumer runs", || order.lock().unwrap().len() == 2);
    get(address, "/readyz").expect(200);
    end(running);
    assert_eq!(
        *order.lock().unwrap(),
        ["connected", "consuming", "consumed", "disconnected"]
    );
}

fn a_scheduled_job_never_overlaps_itself_and_what_it_skips_is_counted(engine: Engine) {
    let (runs, at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, inside) = (Arc::clone(&runs), Arc::clone(&at_once));
    let refresh = move || {
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "it overlaps itself");
        thread::sleep(Duration::from_millis(110));
        inside.fetch_sub(1, SeqCst);
        counter.fetch_add(1, SeqCst);
    };
    let schedule = Schedule::every("20ms").jitter("1ms").at_once();
    let service = Service::new("test").every("refresh", schedule, refresh);
    let (running, _) = serve(service, engine);
    eventually("it has run three times", || runs.load(SeqCst) >= 3);
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    let [("refresh", skipped)] = report.skipped_beats[..] else {
        panic!("{report:?}");
    };
    assert!(skipped >= 6, "{skipped}");
    assert!(report.failed_runs.is_empty(), "{report:?}");
}

fn a_scheduled_job_that_fails_has_its_next_beat_and_the_pod_is_ready_when_that_succeeds(
    engine: Engine,
) {
    let works = Arc::new(AtomicUsize::new(0));
    let state = Arc::clone(&works);
    let refresh = move || match state.load(SeqCst) {
        0 => Err("no source"),
        _ => Ok(()),
    };
    let service = Service::new("test")
        .every("refresh", Duration::from_millis(20), refresh)
        .on_failure(Policy::Unready);
    let (running, address) = serve(service, engine);
    eventually("the pod is unready", || {
        get(address, "/readyz/refresh").status == 503
    });
    works.store(1, SeqCst);
    eventually("it is ready again", || {
        get(address, "/readyz").status == 200
    });
    running.stop();
    let report = running.wait();
    assert_eq!(report.ending, Ending::Clean, "{report:?}");
    assert_eq!(report.failed_runs[0].0, "refresh");
    assert!(report.restarts.is_empty(), "{report:?}");
}

fn a_scheduled_job_is_told_to_stop_between_two_runs(engine: Engine) {
    let service =
        Service::new("test").every("expire", "1h", || -> () { panic!("not within the hour") });
    let (running, _) = serve(service, engine);
    let told = Instant::now();
    end(running);
    assert!(told.elapsed() < PATIENCE, "{:?}", told.elapsed());
}

fn a_start_up_probe_tells_how_far_the_tasks_are(engine: Engine) {
    let (go, wait) = mpsc::channel::<()>();
    let service = Service::new("test")
        .on_start("migrate", || ())
        .on_start("warm cache", move || {
            wait.recv().map_err(|error| error.to_string())
        })
        .on_start("index", || ());
    let running = start(service, engine, &[]);
    let address = running.addr();
    let tells = |status: u16, lines: [&str; 3]| {
        let answer = get(address, "/startupz?verbose").expect(status);
        lines.iter().all(|line| answer.text().contains(line))
    };
    eventually("the second task runs", || {
        let running = [
            "[+]task migrate done in ",
            "[-]task warm cache has run for ",
            "[-]task index waits",
        ];
        tells(503, running)
    });
    go.send(()).unwrap();
    eventually("the service has started", || {
        get(address, "/startupz").status == 200
    });
    let done = [
        "[+]task migrate done in ",
        "[+]task warm cache done in ",
        "[+]task index done in ",
    ];
    assert!(tells(200, done));
    assert_eq!(get(address, "/startupz").expect(200).text(), "ok");
    end(running);
}

fn start_up_tasks_and_stop_hooks_take_the_state_and_the_stop(engine: Engine) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    type State = Mutex<Vec<(&'static str, bool)>>;
    let note = |state: &Arc<State>, what, stop: &Stop| {
        state.lock().unwrap().push((what, stop.is_stopping()));
    };
    let service = Service::with_state("test", Arc::<State>::clone(&seen))
        .on_start("open", move |stop: &Stop, state: &Arc<State>| {
            note(state, "open", stop)
        })
        .on_stop("close", move |stop: &Stop, state: &Arc<State>| {
            note(state, "close", stop)
        });
    let config = crate::library::config(engine, &[]);
    let running = service.start(config).expect("a port is free");
    running.wait_ready(PATIENCE).expect("it becomes ready");
    end(running);
    assert_eq!(*seen.lock().unwrap(), [("open", false), ("close", true)]);
}
