//! Waiting for a state, and measuring.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Client, PATIENCE, get};

/// Asks until it is so. For states that announce themselves by no event that a client could see.
#[track_caller]
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(
            started.elapsed() < PATIENCE,
            "it never came to be that {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// How long things took.
#[derive(Debug)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Of something done so many times.
    pub(crate) fn of(count: usize, mut something: impl FnMut()) -> Times {
        let time = |_| {
            let started = Instant::now();
            something();
            started.elapsed()
        };
        Times((0..count).map(time).collect())
    }

    /// Of GETs on one connection that is kept open.
    pub(crate) fn of_gets(address: SocketAddr, path: &str, count: usize) -> Times {
        let mut client = Client::connect(address);
        client.get(path).expect(200);
        Times::of(count, || drop(client.get(path).expect(200)))
    }

    pub(crate) fn from(times: Vec<Duration>) -> Times {
        Times(times)
    }

    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// The time that so many of a hundred did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort();
        assert!(!sorted.is_empty(), "nothing was measured");
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
    }

    pub(crate) fn max(&self) -> Duration {
        self.percentile(100)
    }

    /// How many took longer.
    pub(crate) fn above(&self, bound: Duration) -> usize {
        self.0.iter().filter(|&&time| time > bound).count()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Someone who asks for a path again and again, each time on a new connection, as a kubelet does.
pub(crate) struct Watch {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Times>,
}

impl Watch {
    pub(crate) fn start(address: SocketAddr, path: &'static str) -> Watch {
        let enough = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&enough);
        let thread = thread::spawn(move || {
            let mut times = Vec::new();
            while times.is_empty() || !seen.load(Ordering::Relaxed) {
                let started = Instant::now();
                get(address, path).expect(200);
                times.push(started.elapsed());
                thread::sleep(Duration::from_millis(10));
            }
            Times(times)
        });
        Watch { enough, thread }
    }

    /// Asserts that every answer was a 200, and tells how long they took.
    pub(crate) fn end(self) -> Times {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().expect("every probe is answered")
    }
}
