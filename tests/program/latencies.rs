//! How long requests take, each on a connection of its own.

use crate::serving::ask;
use std::{
    fmt, thread,
    time::{Duration, Instant},
};

/// The shortest first.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    /// Asks for a path again and again, as long as that says so of how many answers there are.
    pub(crate) fn of(address: &str, path: &str, goes_on: impl Fn(usize) -> bool) -> Latencies {
        let mut times = Vec::new();
        while times.is_empty() || goes_on(times.len()) {
            let asked = Instant::now();
            let answer = ask(address, "GET", path, "");
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            times.push(asked.elapsed());
            thread::sleep(Duration::from_millis(5));
        }
        times.sort();
        Latencies(times)
    }

    /// The time that so many of a hundred did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99) = (self.percentile(50), self.percentile(99));
        write!(f, "{median:.1?} (p99 {p99:.1?})")
    }
}
