//! Checks that need no thread, and those of the process's own resources.

use super::*;
use std::path::Path;

fn verdict_of(check: Check) -> (HealthStatus, Option<String>) {
    let health = health([check]);
    let stop = Stop::default();
    start(&health, &stop);
    let since = Instant::now();
    loop {
        let state = health.states().next().unwrap();
        if state.age.is_some() {
            stop.stop();
            return (state.status, state.last_error);
        }
        assert!(since.elapsed() < LONG, "it is never looked at");
        thread::yield_now();
    }
}

#[test]
fn a_loop_that_no_longer_beats_is_noticed() {
    let (check, heartbeat) = Check::heartbeat("consumer", "40ms");
    let health = health([check.not_alive()]);
    thread::sleep(Duration::from_millis(60));
    assert_eq!(
        ask(&health, "/livez", Phase::Starting).0,
        200,
        "before start-up is complete nobody beats"
    );
    start(&health, &Stop::default());
    thread::sleep(Duration::from_millis(60));
    assert_eq!(
        ask(&health, "/livez", Phase::Running).0,
        503,
        "it has never beaten"
    );
    // This thread may be held up between the beat and the question, though not for ever.
    let since = Instant::now();
    loop {
        heartbeat.beat();
        if ask(&health, "/livez", Phase::Running).0 == 200 {
            break;
        }
        assert!(since.elapsed() < LONG, "it is not seen to beat");
    }
    thread::sleep(Duration::from_millis(60));
    assert_eq!(ask(&health, "/livez", Phase::Running).0, 503);
    assert_eq!(reason(&health).as_deref(), Some("no heartbeat within 40ms"));
}

#[test]
fn ready_made_checks_degrade_unless_they_are_told_otherwise() {
    let full = Check::disk_space("disk", "/", u64::MAX);
    let (status, reason) = verdict_of(full);
    assert_eq!(status, HealthStatus::Degraded);
    assert!(reason.unwrap().ends_with("is free at /"));
    let full = Check::disk_space("disk", "/", u64::MAX).unready();
    assert_eq!(verdict_of(full).0, HealthStatus::Unhealthy);
}

#[test]
fn free_disk_is_asked_of_the_path_that_is_given() {
    assert_eq!(
        verdict_of(Check::disk_space("disk", "/", 1)),
        (HealthStatus::Healthy, None)
    );
    let (status, reason) = verdict_of(Check::disk_space("disk", "/no/such/path", 1));
    assert_eq!(status, HealthStatus::Degraded);
    assert!(reason.unwrap().starts_with("/no/such/path: "));
    let proc = Path::new("/proc");
    if proc.is_dir() {
        let (status, _) = verdict_of(Check::disk_space("disk", proc, 1));
        assert_eq!(status, HealthStatus::Degraded, "there is no room in /proc");
    }
}

#[test]
#[should_panic(expected = "from 1 to 100 percent, not 0")]
fn a_share_of_the_memory_that_is_none_is_refused() {
    let _ = Check::<()>::memory("memory", 0);
}

#[test]
fn the_state_of_a_service_without_workers_is_not_saturated() {
    assert_eq!(
        verdict_of(Check::saturation("1ms")),
        (HealthStatus::Healthy, None)
    );
}
