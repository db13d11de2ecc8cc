//! What checks make of a running service, and what each asker is told of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use seaworthy::{Check, CheckKind, HealthStatus, Request, Service};

use crate::library::{end, serve, start};
use crate::support::{Client, Engine, Response, eventually, get};

both_engines! {
    hung_handlers_on_every_worker_make_the_pod_unready_and_are_named,
    a_busy_worker_beside_a_free_one_is_no_saturation,
    a_dependency_that_is_down_degrades_the_pod_and_takes_it_out_of_nothing,
    another_service_is_asked_as_the_kubelet_would,
    a_dashboard_gets_health_json_and_the_kubelet_text,
    the_kubelet_may_leave_the_shutdown_out_unless_a_liveness_probe_has_failed,
}

/// A service whose `/hang` returns when the sender is dropped.
fn hanging() -> (Service, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let service = Service::new("test").get("/hang/{n}", move |_: &Request| {
        // The first holds the lock while it waits, and the others wait for that.
        let _ = held.lock().unwrap().recv();
        "released"
    });
    (service, release)
}

fn send_hang(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send("GET /hang/1 HTTP/1.1\r\nHost: test\r\n\r\n");
    client
}

fn hung_handlers_on_every_worker_make_the_pod_unready_and_are_named(engine: Engine) {
    let (service, release) = hanging();
    let service = service
        .get("/", |_: &Request| "ok")
        .check(Check::saturation("100ms"));
    let running = start(service, engine, &[("WORKERS", "2")]);
    let address = running.addr();
    running.wait_ready(Duration::from_secs(10)).unwrap();
    get(address, "/").expect(200);
    let mut hung = [send_hang(address), send_hang(address)];
    eventually("the pod is unready", || {
        get(address, "/readyz").status == 503
    });
    let report = get(address, "/readyz").expect(503);
    assert!(
        report
            .text()
            .contains("[-]saturation failed: reason withheld\n"),
        "{}",
        report.text()
    );
    get(address, "/livez").expect(200);
    let reason = running.check("saturation").unwrap().last_error.unwrap();
    assert_eq!(
        reason,
        "every worker is busy with one request for longer than 100ms: /hang/{n} (2)"
    );
    drop(release);
    for client in &mut hung {
        client.response().expect(200);
    }
    eventually("the pod is ready again", || {
        get(address, "/readyz").status == 200
    });
    end(running);
}

fn a_busy_worker_beside_a_free_one_is_no_saturation(engine: Engine) {
    let (service, release) = hanging();
    let service = service
        .get("/", |_: &Request| "ok")
        .check(Check::saturation("50ms").not_alive());
    let running = start(service, engine, &[("WORKERS", "2")]);
    let address = running.addr();
    running.wait_ready(Duration::from_secs(10)).unwrap();
    let mut hung = send_hang(address);
    for _ in 0..20 {
        get(address, "/").expect(200);
        get(address, "/livez").expect(200);
        std::thread::sleep(Duration::from_millis(10));
    }
    let state = running.check("saturation").unwrap();
    assert_eq!(state.kind, CheckKind::Liveness);
    assert_eq!(state.status, HealthStatus::Healthy);
    drop(release);
    hung.response().expect(200);
    end(running);
}

fn a_dependency_that_is_down_degrades_the_pod_and_takes_it_out_of_nothing(engine: Engine) {
    let (database, _url) = crate::probes::database();
    let port = database.local_addr().unwrap().port();
    let service = Service::new("test")
        .check(Check::tcp("cache", "127.0.0.1", port).every("20ms"))
        .check(
            Check::tcp("database", "127.0.0.1", port)
                .unready()
                .every("20ms"),
        );
    let (running, address) = serve(service, engine);
    running.wait_ready(Duration::from_secs(10)).unwrap();
    crate::probes::close(database);
    eventually("the pod is unready", || {
        get(address, "/readyz").status == 503
    });
    eventually("both have been looked at", || {
        let report = get(address, "/readyz");
        report
            .text()
            .contains("[+]cache degraded: reason withheld\n")
            && report
                .text()
                .contains("[-]database failed: reason withheld\n")
    });
    get(address, "/readyz?exclude=database").expect(200);
    get(address, "/readyz/cache").expect(200);
    end(running);
}

fn another_service_is_asked_as_the_kubelet_would(engine: Engine) {
    let (other, switch) = Check::switch("traffic");
    let (other, address) = serve(Service::new("other").check(other), engine);
    let url = format!("http://{address}/readyz");
    let check = Check::http("other", &url).unwrap();
    let (running, _) = serve(Service::new("test").check(check.every("20ms")), engine);
    let status = |wanted| running.check("other").unwrap().status == wanted;
    eventually("the other is ready", || status(HealthStatus::Healthy));
    switch.off();
    eventually("the other is not", || status(HealthStatus::Degraded));
    let error = running.check("other").unwrap().last_error.unwrap();
    assert_eq!(error, "it answers 503");
    end(running);
    end(other);
}

fn ask(address: SocketAddr, path: &str, accept: &str) -> Response {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    ));
    client.response()
}

fn a_dashboard_gets_health_json_and_the_kubelet_text(engine: Engine) {
    let (check, switch) = Check::switch("cache");
    let (running, address) = serve(Service::new("test").check(check.degraded()), engine);
    switch.off();
    let text = ask(address, "/readyz", "*/*").expect(200);
    assert_eq!(text.text(), "ok");
    let json = ask(address, "/readyz", "application/health+json").expect(200);
    assert_eq!(json.header("content-type"), Some("application/health+json"));
    assert_eq!(json.header("cache-control"), Some("no-store"));
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    assert_eq!(json["status"], "warn");
    assert_eq!(json["checks"]["cache"][0]["status"], "warn");
    end(running);
}

fn the_kubelet_may_leave_the_shutdown_out_unless_a_liveness_probe_has_failed(engine: Engine) {
    for has_failed in [false, true] {
        let (check, switch) = Check::switch("deadlock");
        let service = Service::new("test").check(check.not_alive());
        let running = start(
            service,
            engine,
            &[("DRAIN_DELAY", "60s"), ("ADMIN_PORT", "0")],
        );
        running.wait_ready(Duration::from_secs(10)).unwrap();
        let address = running.addr();
        if has_failed {
            switch.off();
            get(running.admin_addr().unwrap(), "/livez").expect(503);
        }
        running.stop();
        get(address, "/readyz").expect(503);
        let told = get(address, "/readyz?exclude=shutdown");
        let expected = if has_failed { 503 } else { 200 };
        assert_eq!(told.status, expected, "{}", told.text());
        // The drain is left to the end of the process, which waits for nobody.
    }
}
