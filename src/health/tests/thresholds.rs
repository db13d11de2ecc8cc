//! How many results make one, and what a check is before its first.

use super::*;

/// A check whose looks are answered one by one; each is complete when this returns.
struct Scripted {
    health: Health,
    begun: Receiver<()>,
    answer: Sender<Result<(), &'static str>>,
    stop: Stop,
}

impl Scripted {
    fn new(with: impl FnOnce(Check) -> Check) -> Scripted {
        let (check, begun, answer) = scripted("database");
        let health = health([with(check).timeout("30s")]);
        let stop = Stop::default();
        start(&health, &stop);
        begun.recv_timeout(LONG).expect("the first look");
        Scripted {
            health,
            begun,
            answer,
            stop,
        }
    }

    fn status_after(&self, result: Result<(), &'static str>) -> HealthStatus {
        self.answer.send(result).unwrap();
        self.begun.recv_timeout(LONG).expect("the next look");
        self.status()
    }

    fn status(&self) -> HealthStatus {
        self.health.state("database").unwrap().status
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.stop();
        let _ = self.answer.try_send(Ok(()));
    }
}

use HealthStatus::{Degraded, Healthy, Unhealthy};

#[test]
fn a_blip_takes_no_pod_out_and_one_success_brings_none_back() {
    let check = Scripted::new(|check| check.fails_after(3).recovers_after(2));
    assert_eq!(check.status_after(Ok(())), Healthy, "the first is believed");
    assert_eq!(check.status_after(Err("refused")), Healthy);
    assert_eq!(check.status_after(Err("refused")), Healthy);
    assert_eq!(check.status_after(Ok(())), Healthy, "the count begins anew");
    assert_eq!(check.status_after(Err("refused")), Healthy);
    assert_eq!(check.status_after(Err("refused")), Healthy);
    assert_eq!(check.status_after(Err("refused")), Unhealthy);
    assert_eq!(check.status_after(Ok(())), Unhealthy);
    assert_eq!(check.status_after(Err("refused")), Unhealthy);
    assert_eq!(
        check.status_after(Ok(())),
        Unhealthy,
        "the count begins anew"
    );
    assert_eq!(check.status_after(Ok(())), Healthy);
}

#[test]
fn a_check_that_degrades_keeps_the_pod_ready() {
    let check = Scripted::new(Check::degraded);
    assert_eq!(check.status_after(Err("refused")), Degraded);
    assert_eq!(
        ask(&check.health, "/readyz", Phase::Running),
        (200, "ok".to_owned())
    );
    let (_, verbose) = ask(&check.health, "/readyz?verbose", Phase::Running);
    assert!(
        verbose.contains("[+]database degraded: reason withheld\n"),
        "{verbose}"
    );
}

#[test]
fn the_state_before_the_first_look_is_the_services_to_choose() {
    for (chosen, expected) in [
        (None, Unhealthy),
        (Some(Healthy), Healthy),
        (Some(Degraded), Degraded),
    ] {
        let check = Scripted::new(|check| match chosen {
            Some(status) => check.initially(status),
            None => check,
        });
        assert_eq!(check.status(), expected, "{chosen:?}");
        assert_eq!(check.health.state("database").unwrap().age, None);
    }
}

#[test]
fn a_check_that_may_fail_twice_is_what_it_was_initially_until_it_has() {
    let check = Scripted::new(|check| check.initially(Healthy).fails_after(2));
    assert_eq!(check.status_after(Err("refused")), Healthy);
    assert_eq!(check.status_after(Err("refused")), Unhealthy);
}

#[test]
fn who_asks_for_a_check_learns_its_age_and_its_last_error_after_it_passes_again() {
    let check = Scripted::new(|check| check.tags(["storage"]));
    check.status_after(Err("refused"));
    check.status_after(Ok(()));
    let state = check.health.state("database").unwrap();
    assert_eq!(state.status, Healthy);
    assert_eq!(state.kind, CheckKind::Readiness);
    assert_eq!(state.last_error.as_deref(), Some("refused"));
    assert!(state.age.is_some_and(|age| age < LONG), "{state:?}");
    assert_eq!(state.tags, ["storage"]);
    assert!(check.health.state("nothing").is_none());
}

#[test]
fn a_look_that_is_stuck_fails_in_the_end_whatever_the_threshold() {
    let (check, begun, answer) = scripted("database");
    let health = health([check
        .timeout("1ms")
        .every("1ms")
        .initially(Healthy)
        .fails_after(20)]);
    let (stop, since) = (Stop::default(), Instant::now());
    start(&health, &stop);
    begun.recv_timeout(LONG).unwrap();
    while health.state("database").unwrap().status != Unhealthy {
        assert!(since.elapsed() < LONG, "it never fails");
        thread::yield_now();
    }
    assert!(since.elapsed() >= Duration::from_millis(30), "20 looks");
    assert!(begun.is_empty(), "it is asked again while it is stuck");
    stop.stop();
    drop(answer);
}

#[test]
fn a_first_look_that_comes_later_is_not_made_at_once() {
    let (check, begun, answer) = scripted("database");
    let health = health([check.after("50ms")]);
    let stop = Stop::default();
    let started = Instant::now();
    start(&health, &stop);
    begun.recv_timeout(LONG).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(50));
    stop.stop();
    drop(answer);
}

#[test]
#[should_panic(expected = "a check's interval must be longer than 0")]
fn a_check_without_rest_is_refused() {
    let _ = scripted("database").0.every("0");
}

#[test]
#[should_panic(expected = "a check's timeout must be longer than 0")]
fn a_check_without_time_is_refused() {
    let _ = scripted("database").0.timeout(Duration::ZERO);
}

#[test]
#[should_panic(expected = "a check fails after 1 look at least")]
fn a_check_that_fails_before_it_is_asked_is_refused() {
    let _ = scripted("database").0.fails_after(0);
}

#[test]
#[should_panic(expected = "is looked at whenever it is asked, so it has no interval")]
fn an_interval_that_nobody_would_keep_is_refused() {
    let (check, _) = Check::<()>::switch("traffic");
    let _ = check.every("5s");
}

#[test]
#[should_panic(expected = "\"a b\" is no tag for a check")]
fn a_tag_that_json_would_have_to_escape_is_refused() {
    let _ = scripted("database").0.tags(["a b"]);
}
