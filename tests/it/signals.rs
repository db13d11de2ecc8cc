//! Which signal does what, at every moment of a pod's life.

use std::time::{Duration, Instant};

use crate::support::{Client, Engine, Exit, Server, Setup, eventually, number};

both_engines! {
    a_signal_that_is_repeated_changes_nothing,
    an_interrupt_or_a_quit_during_a_drain_ends_it_at_once,
    a_keyboard_interrupt_drains_without_the_delay,
    a_quit_drains_as_a_termination_does,
    a_signal_that_the_parent_had_blocked_is_obeyed,
    two_interrupts_end_a_pod_that_hangs_while_starting,
}

/// A pod in a drain that takes longer than the test, begun by this signal.
fn draining(engine: Engine, begun_by: &str) -> (Server, Client) {
    let server = Setup::new(engine).set("DRAIN_DELAY", "60s").start().ready();
    let mut client = server.client();
    client.send("GET /delay/60 HTTP/1.1\r\nHost: test\r\n\r\n");
    server.signal(begun_by);
    eventually("the pod is draining", || {
        server.get("/readyz").status == 503
    });
    (server, client)
}

fn expect_code(exit: Exit, code: i32, signals: &str) {
    assert_eq!(
        (exit.code, exit.signal),
        (Some(code), None),
        "{signals}: {exit:#?}"
    );
}

fn a_signal_that_is_repeated_changes_nothing(engine: Engine) {
    let server = Setup::new(engine).set("DRAIN_DELAY", "1s").start().ready();
    let mut busy = server.client();
    busy.send("GET /delay/2 HTTP/1.1\r\nHost: test\r\n\r\n");
    for _ in 0..4 {
        server.signal("TERM");
        // Two pending signals of one kind are one: the next may follow only when this one has been seen.
        eventually("the signal is seen", || server.get("/readyz").status == 503);
    }
    assert_eq!(busy.response().expect(200).text(), "waited 2 s");
    server.exit().expect_clean();
}

fn an_interrupt_or_a_quit_during_a_drain_ends_it_at_once(engine: Engine) {
    for (first, second, code) in [
        ("TERM", "INT", 130),
        ("TERM", "QUIT", 131),
        ("QUIT", "INT", 130),
    ] {
        let (server, _busy) = draining(engine, first);
        server.signal("TERM");
        let signalled = Instant::now();
        server.signal(second);
        expect_code(server.exit(), code, &format!("{first}, then {second}"));
        assert!(
            signalled.elapsed() < Duration::from_secs(2),
            "at once was {:?}",
            signalled.elapsed()
        );
    }
}

fn a_keyboard_interrupt_drains_without_the_delay(engine: Engine) {
    let one_at_a_time = Setup::new(engine)
        .set("WORKERS", 1)
        .set("QUEUE_CAPACITY", 0);
    let server = one_at_a_time.set("DRAIN_DELAY", "60s").start().ready();
    let mut busy = server.client();
    busy.send("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is being handled", || server.get("/").status == 503);
    server.signal("INT");
    assert_eq!(busy.response().expect(200).text(), "waited 1 s");
    let exit = server.exit().expect_clean();
    assert!(
        number(exit.report(), "drain_delay_ms") < 1000.0,
        "{exit:#?}"
    );
}

fn a_quit_drains_as_a_termination_does(engine: Engine) {
    let server = Setup::new(engine)
        .set("DRAIN_DELAY", "300ms")
        .start()
        .ready();
    server.signal("QUIT");
    let exit = server.exit().expect_clean();
    assert!(
        number(exit.report(), "drain_delay_ms") >= 300.0,
        "{exit:#?}"
    );
}

fn a_signal_that_the_parent_had_blocked_is_obeyed(engine: Engine) {
    let setup = Setup::new(engine)
        .set("DRAIN_DELAY", "0")
        .blocking_signals();
    let server = setup.start().ready();
    let blocked =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap_or_default();
    let mask = blocked
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"));
    // SIGHUP, which nobody hooks, shows that the parent's mask was passed on.
    let is_passed_on =
        mask.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap_or(0) & 1 == 1);
    assert!(is_passed_on || !cfg!(target_os = "linux"), "{mask:?}");
    server.signal("TERM");
    server.exit().expect_clean();
}

fn two_interrupts_end_a_pod_that_hangs_while_starting(engine: Engine) {
    let server = Setup::new(engine).set("STARTUP_DELAY", "60s").start();
    server.signal("INT");
    // The delay is told to stop, and does: nothing hangs. The first signal is enough, within a second.
    let signalled = Instant::now();
    expect_code(server.exit(), 0, "INT while starting");
    assert!(
        signalled.elapsed() < Duration::from_secs(1),
        "{:?}",
        signalled.elapsed()
    );
}
