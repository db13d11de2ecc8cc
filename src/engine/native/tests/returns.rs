//! Connections that come back from the pool while the engine waits: their clients must not wait for its next look, which
//! is a second away.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Sends this, answers on another thread once this one waits in the engine, and says how long the next request then took
/// to come out: the least of several times, since the machine has other things to do.
fn least_wait(first: &[u8], mut before: impl FnMut(&dyn Engine, &mut Client)) -> Duration {
    let engine = engine("PORT", "0");
    let mut client = connect(&*engine);
    let waits = (0..5).map(|_| {
        client.write_all(first).unwrap();
        let exchange = requests(&*engine, 1).remove(0);
        before(&*engine, &mut client);
        let worker = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            answer(exchange);
            Instant::now()
        });
        let next = requests(&*engine, 1).remove(0);
        let came = Instant::now();
        answer(next);
        let mut answers = 0;
        while answers < 2 {
            let mut bytes = [0; 1024];
            let count = read(&mut client, &mut bytes).unwrap();
            answers += bytes[..count]
                .windows(9)
                .filter(|nine| nine == b"HTTP/1.1 ")
                .count();
        }
        came.saturating_duration_since(worker.join().unwrap())
    });
    waits.min().unwrap()
}

const SOON: Duration = Duration::from_millis(500);

#[test]
fn a_request_that_came_with_the_one_before_comes_out_as_soon_as_that_is_answered() {
    let wait = least_wait(&[GET, GET].concat(), |_, _| {});
    assert!(wait < SOON, "{wait:?}");
}

#[test]
fn a_request_that_came_while_the_one_before_was_answered_comes_out_as_soon_as_that_is_done() {
    let wait = least_wait(GET, |engine, client| {
        client.write_all(GET).unwrap();
        // The engine has seen it, and can do nothing yet.
        assert!(pull_for(engine, Duration::from_millis(20)).is_empty());
    });
    assert!(wait < SOON, "{wait:?}");
}

/// Says whether it is still there.
struct Kept(Arc<AtomicBool>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn what_a_client_leaves_that_does_not_wait_for_its_answer_is_dropped_by_a_worker() {
    let engine = engine("PORT", "0");
    let client = ask(&*engine);
    let mut exchange = requests(&*engine, 1).remove(0);
    let is_dropped = Arc::new(AtomicBool::new(false));
    let kept = Kept(Arc::clone(&is_dropped));
    assert!(!exchange.watch_client(Box::new(|| Some(Box::new(kept)))));
    drop(client);
    let mut ready = Vec::new();
    let began = Instant::now();
    while ready.is_empty() && began.elapsed() < NEVER {
        engine.pull(0, Some(began + NEVER), &mut ready);
    }
    assert!(matches!(&ready[..], [Ready::Discarded(_)]));
    assert!(!is_dropped.load(SeqCst), "while sockets were driven");
    drop(ready);
    assert!(is_dropped.load(SeqCst));
}
