use super::{check::Check, state::HealthStatus, *};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::{
    thread,
    time::{Duration, Instant},
};

mod at_hand;
mod reports;
mod thresholds;

const LONG: Duration = Duration::from_secs(30);

fn health(checks: impl IntoIterator<Item = Check>) -> Health {
    let mut health = Health::default();
    checks
        .into_iter()
        .for_each(|check| health.add(CachedCheck::new(check, &Arc::new(()))));
    health
}

/// The workers of a service that has none.
struct Nobody;

impl Workers for Nobody {
    fn all_busy_for(&self, _: Duration) -> Option<Vec<(String, usize)>> {
        None
    }
}

fn start(health: &Health, stop: &Stop) {
    let nobody: Weak<dyn Workers> = Weak::<Nobody>::new();
    health.start(stop, &nobody);
}

/// What the service's first check fails for.
fn reason(health: &Health) -> Option<String> {
    health.states().next().unwrap().last_error
}

fn ask(health: &Health, target: &str, phase: Phase) -> (u16, String) {
    let response = health
        .answer(&Request::get(target), phase)
        .expect("a probe's path");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    (
        response.status().as_u16(),
        String::from_utf8_lossy(response.body().unwrap()).into_owned(),
    )
}

/// A readiness check that tells of each run and then returns what it is sent.
fn scripted(name: &'static str) -> (Check, Receiver<()>, Sender<Result<(), &'static str>>) {
    let (began, begun) = unbounded();
    let (answer, answers) = bounded(0);
    let examine = move || {
        let _ = began.send(());
        answers.recv().unwrap_or(Ok(()))
    };
    // Answered in time also where the machine is busy.
    let check = Check::readiness(name, examine);
    (check.every("1ms").timeout("60s"), begun, answer)
}

#[test]
fn kubernetes_sees_each_phase_of_a_life() {
    let health = health([]);
    for (phase, live, ready, started) in [
        (Phase::Starting, 200, 503, 503),
        (Phase::Running, 200, 200, 200),
        (Phase::Draining, 200, 503, 200),
        (Phase::Stopping, 200, 503, 200),
    ] {
        for (path, status) in [
            ("/healthz", live),
            ("/livez", live),
            ("/readyz", ready),
            ("/startupz", started),
        ] {
            assert_eq!(
                ask(&health, path, phase).0,
                status,
                "{path} while {phase:?}"
            );
        }
    }
}

#[test]
fn an_operator_reads_the_reports_as_those_of_the_kube_apiserver() {
    let (check, switch) = Check::switch("traffic");
    let health = health([check]);
    switch.off();
    let ask = |target| ask(&health, target, Phase::Running);
    let lines = "[+]ping ok\n[+]startup ok\n[+]shutdown ok\n";
    assert_eq!(
        ask("/readyz"),
        (
            503,
            format!("{lines}[-]traffic failed: reason withheld\nreadyz check failed\n")
        )
    );
    assert_eq!(
        ask("/readyz?verbose&exclude=traffic"),
        (
            200,
            format!("{lines}[+]traffic excluded: ok\nreadyz check passed\n")
        )
    );
    assert_eq!(ask("/readyz?exclude=traffic"), (200, "ok".to_owned()));
    let (_, warned) = ask("/readyz?verbose&exclude=trafic");
    assert!(
        warned.contains("warn: some health checks cannot be excluded: no matches for \"trafic\"\n"),
        "{warned}"
    );
    switch.on();
    assert_eq!(ask("/readyz"), (200, "ok".to_owned()));
}

#[test]
fn one_check_can_be_asked_alone() {
    let (check, switch) = Check::switch("traffic");
    let health = health([check]);
    switch.off();
    assert_eq!(ask(&health, "/readyz/ping", Phase::Running).0, 200);
    assert_eq!(ask(&health, "/readyz/traffic", Phase::Running).0, 503);
    assert_eq!(ask(&health, "/readyz/nothing", Phase::Running).0, 404);
    assert_eq!(ask(&health, "/livez/traffic", Phase::Running).0, 404);
}

#[test]
fn other_paths_and_methods_are_left_to_the_routes() {
    let health = health([]);
    assert!(health.answer(&Request::get("/"), Phase::Running).is_none());
    assert!(
        health
            .answer(&Request::get("/readyzz"), Phase::Running)
            .is_none()
    );
    assert!(
        health
            .answer(&Request::post("/readyz/disable", ""), Phase::Running)
            .is_none()
    );
}

#[test]
fn a_pod_is_not_ready_before_its_checks_have_passed_once() {
    let (check, begun, answer) = scripted("database");
    let health = health([check]);
    let stop = Stop::default();
    assert_eq!(ask(&health, "/readyz", Phase::Running).0, 503);
    start(&health, &stop);
    begun.recv_timeout(LONG).unwrap();
    assert_eq!(
        ask(&health, "/readyz", Phase::Running).0,
        503,
        "the first run is under way"
    );
    answer.send(Ok(())).unwrap();
    begun.recv_timeout(LONG).unwrap();
    assert_eq!(
        ask(&health, "/readyz", Phase::Running).0,
        200,
        "the second run is under way, the first has passed"
    );
    answer.send(Err("refused")).unwrap();
    begun.recv_timeout(LONG).unwrap();
    assert_eq!(ask(&health, "/readyz", Phase::Running).0, 503);
    assert_eq!(
        ask(&health, "/livez", Phase::Running).0,
        200,
        "a restart would not mend the database"
    );
    stop.stop();
    drop(answer);
}

#[test]
fn a_check_that_hangs_fails_by_name_and_keeps_no_probe_waiting() {
    let (check, begun, answer) = scripted("database");
    let health = health([check.timeout("1ms")]);
    let stop = Stop::default();
    start(&health, &stop);
    begun.recv_timeout(LONG).unwrap();
    let hung_since = Instant::now();
    while hung_since.elapsed() <= Duration::from_millis(1) {
        thread::yield_now();
    }
    let (status, report) = ask(&health, "/readyz", Phase::Running);
    assert!(
        status == 503 && report.contains("[-]database failed"),
        "{report}"
    );
    assert_eq!(reason(&health).as_deref(), Some("no answer within 1ms"));
    stop.stop();
    drop(answer);
}

#[test]
fn a_check_that_panics_fails_by_name_and_runs_again() {
    let (runs, seen) = unbounded();
    let check = Check::liveness("deadlock", move || -> Result<(), String> {
        let _ = runs.send(());
        panic!("poisoned")
    });
    // On a busy machine a panic may take longer than a second.
    let health = health([check.every("1ms").timeout("60s")]);
    let stop = Stop::default();
    start(&health, &stop);
    seen.recv_timeout(LONG).unwrap();
    seen.recv_timeout(LONG)
        .expect("it runs again after a panic");
    assert_eq!(reason(&health).as_deref(), Some("panicked: poisoned"));
    assert_eq!(ask(&health, "/livez", Phase::Running).0, 503);
    stop.stop();
}

#[test]
#[should_panic(expected = "there is a check named \"ping\" already")]
fn a_check_cannot_take_a_built_in_name() {
    health([Check::readiness("ping", || Ok::<(), String>(()))]);
}
