//! Nothing in the engine is meant to panic; should something do so all the same, it costs one connection. A timeout that
//! no clock can be added to is what panics here: the configuration allows none, and a service's start lowers it.
//!
//! What comes in one round is one reactor's, so there is one here.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Pulls as the pool does; what was ready before a panic is lost with it.
fn pull_caught(engine: &dyn Engine) -> Option<Vec<Ready>> {
    let pull = || {
        let mut ready = Vec::new();
        engine.pull(0, Some(Instant::now() + NEVER), &mut ready);
        ready
    };
    catch_unwind(AssertUnwindSafe(pull)).ok()
}

fn end(engine: &dyn Engine) {
    engine.stop_accepting();
    let began = Instant::now();
    while engine.pull(0, Some(began + NEVER), &mut Vec::new()) == Pulled::Open {
        assert!(began.elapsed() < NEVER, "something is kept for ever");
    }
}

#[test]
fn a_panic_while_accepting_costs_a_newcomer_and_not_the_listener() {
    let mut config = Config::from_pairs([]).unwrap();
    config.keep_alive_timeout = Duration::MAX;
    let engine = engine_with(&config, 1);
    for _ in 0..3 {
        let mut client = connect(&*engine);
        assert!(pull_caught(&*engine).is_none(), "nothing has panicked");
        assert_eq!(
            read(&mut client, &mut [0; 1]).unwrap(),
            0,
            "the connection is lost"
        );
    }
    // The timeout is another in a drain, so that the next one is served.
    let mut client = ask(&*engine);
    engine.stop_accepting();
    let mut ready = pull_caught(&*engine).expect("it goes on");
    let Some(Ready::Request(exchange)) = ready.pop() else {
        panic!("the listener is deaf")
    };
    exchange.respond(Response::new(StatusCode::OK), true);
    expect_answer(&mut client);
    end(&*engine);
}

#[test]
fn a_panic_over_one_connection_costs_no_other_its_request() {
    let mut config = Config::from_pairs([]).unwrap();
    config.body_timeout = Duration::MAX;
    let engine = engine_with(&config, 1);
    let mut unlucky = connect(&*engine);
    let mut others = [connect(&*engine), connect(&*engine), connect(&*engine)];
    pull_for(&*engine, MOMENT);
    // All of one round, and one of them is with a worker.
    others[2].write_all(GET).unwrap();
    let exchange = requests(&*engine, 1).remove(0);
    others[0].write_all(GET).unwrap();
    unlucky
        .write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n")
        .unwrap();
    others[1].write_all(GET).unwrap();
    others[2].write_all(GET).unwrap();
    assert!(pull_caught(&*engine).is_none(), "nothing has panicked");
    answer(exchange);
    expect_answer(&mut others[2]);
    // What had come out before the panic went down with it: a visible close. What had not is answered.
    assert_eq!(read(&mut others[0], &mut [0; 1]).unwrap(), 0);
    requests(&*engine, 2).into_iter().for_each(answer);
    others[1..].iter_mut().for_each(expect_answer);
    assert_eq!(read(&mut unlucky, &mut [0; 1]).unwrap(), 0);
    end(&*engine);
}

#[test]
fn a_deadline_is_kept_although_a_panic_took_the_timer_with_it() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let mut config = Config::from_pairs([("KEEP_ALIVE_TIMEOUT", "300ms")]).unwrap();
    config.body_timeout = Duration::MAX;
    // Who is unlucky has to be there still, and the timer to be set for it and the other.
    let (engine, _idle, _unlucky) = in_time(|| {
        let engine = engine_with(&config, 1);
        let began = Instant::now();
        let idle = idle(&*engine);
        let mut unlucky = connect(&*engine);
        pull_for(&*engine, MOMENT);
        // A wait that is over at once has set the timer for the idle connections all the same.
        engine.wake(0);
        engine.pull(0, Some(Instant::now() + NEVER), &mut Vec::new());
        unlucky
            .write_all(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n")
            .unwrap();
        (began.elapsed() < TIMEOUT).then_some((engine, idle, unlucky))
    });
    // The timer runs out behind that, and is an event of the same round.
    thread::sleep(TIMEOUT + MOMENT);
    assert!(pull_caught(&*engine).is_none(), "nothing has panicked");
    let mut late = idle(&*engine);
    let began = Instant::now();
    thread::scope(|scope| {
        let (told, has_ended) = crossbeam_channel::bounded::<()>(0);
        let engine = &*engine;
        // Or the wait would be without an end.
        scope.spawn(move || {
            has_ended
                .recv_timeout(NEVER)
                .is_err()
                .then(|| engine.wake(0))
        });
        // In one pull, which the deadline has to end.
        engine.pull(0, Some(began + 2 * NEVER), &mut Vec::new());
        pull_for(engine, Duration::from_secs(1));
        drop(told);
    });
    assert!(began.elapsed() < NEVER, "nothing ended the wait");
    expect_end(&mut late);
    end(&*engine);
}
