use super::*;
use crate::lifecycle::policy::{Policy, Restart};
use crossbeam_channel::unbounded;

const PATIENCE: Duration = Duration::from_secs(30);

fn service<R: crate::lifecycle::task::TaskResult>(
    name: &'static str,
    mut work: impl FnMut(&Stop) -> R + Send + 'static,
) -> BackgroundService {
    BackgroundService::new(name, None, move |stop: &Stop| work(stop), Arc::new(()))
}

fn start(all: Vec<Background>) -> (BackgroundServices, Arc<Control>) {
    let control = Control::new(None);
    (BackgroundServices::start(all, &control).unwrap(), control)
}

#[test]
fn a_service_that_another_needs_is_stopped_after_it() {
    let (order, seen) = unbounded();
    let background = |name: &'static str| {
        let order = order.clone();
        Background::Service(service(name, move |stop| {
            stop.wait(PATIENCE);
            order.send(name).unwrap();
        }))
    };
    let told = order.clone();
    let hook = Background::Hook(Task::new("hook", move |_| told.send("hook").unwrap()));
    let (services, _) = start(vec![background("database"), hook, background("consumer")]);
    assert!(services.stop(Instant::now() + PATIENCE).late.is_empty());
    assert_eq!(
        seen.try_iter().collect::<Vec<_>>(),
        ["consumer", "hook", "database"]
    );
}

#[test]
fn a_service_that_will_not_stop_is_named_and_not_waited_for() {
    let (release, held) = crossbeam_channel::bounded::<()>(0);
    let stuck = Background::Service(service("stuck", move |_| {
        let _ = held.recv();
    }));
    let (services, _) = start(vec![stuck]);
    assert_eq!(services.stop(Instant::now()).late, ["stuck"]);
    drop(release);
}

#[test]
fn a_service_whose_need_never_is_ready_is_stopped_like_any_other() {
    let mut database = service("database", |stop| {
        stop.wait(PATIENCE);
    });
    database.notifies_ready = true;
    let mut consumer = service("consumer", |_| -> () {
        panic!("what it needs was never ready")
    });
    consumer.needs.push("database");
    let mut reporter = service("reporter", |_| -> () {
        panic!("what it needs has never begun")
    });
    reporter.needs.push("consumer");
    let (services, control) = start(vec![
        Background::Service(database),
        Background::Service(consumer),
        Background::Service(reporter),
    ]);
    assert!(services.stop(Instant::now() + PATIENCE).late.is_empty());
    assert!(control.take_failures().is_empty());
}

#[test]
fn what_its_destructor_panics_at_is_a_failure_with_its_name() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("not flushed");
        }
    }
    let held = Panics;
    let holder = service("holder", move |stop| {
        let _ = &held;
        stop.wait(PATIENCE);
    });
    let (services, control) = start(vec![Background::Service(holder)]);
    assert!(services.stop(Instant::now() + PATIENCE).late.is_empty());
    let failures = control.take_failures();
    assert_eq!(
        (failures[0].name, failures[0].reason.as_str()),
        ("holder", "panicked: not flushed")
    );
}

#[test]
fn one_that_fails_is_restarted_up_to_its_limit_and_then_fails_the_service() {
    let mut flaky = service("flaky", |_| Err::<(), _>("no source"));
    flaky.on_failure = Policy::Restart(Restart::backoff("1ms", "1ms").limit(2));
    let (services, control) = start(vec![Background::Service(flaky)]);
    control.wait_for_stop();
    let stopped = services.stop(Instant::now() + PATIENCE);
    assert_eq!(stopped.restarts, [("flaky", 2)]);
    assert_eq!(stopped.failed_runs, [("flaky", 3)]);
    assert_eq!(
        control.take_failures()[0].reason,
        "no source, after 2 restarts"
    );
}
