//! How far the run is, and how long it still takes.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

pub struct Progress {
    started: Instant,
    /// What all of it was estimated to take, and the part that is done.
    planned: Duration,
    done: Duration,
    terminal: bool,
}

impl Progress {
    pub fn new(planned: Duration) -> Progress {
        Progress { started: Instant::now(), planned, done: Duration::ZERO, terminal: stderr().is_terminal() }
    }

    pub fn show(&self, what: &str) {
        let share = self.done.as_secs_f64() / self.planned.as_secs_f64().max(1e-9);
        let left = in_words(time_left(self.started.elapsed(), self.done, self.planned));
        let line = format!("{} {:3.0} %  {left} left  {what}", bar(share), share * 100.0);
        if self.terminal {
            // Back to the start of the line, and away with what was longer.
            eprint!("\r{line}\x1b[K");
            let _ = stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    pub fn advance(&mut self, estimate: Duration) {
        self.done += estimate;
    }

    /// A line of its own that stays.
    pub fn note(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{text}");
    }

    pub fn finish(&self) {
        self.note(&format!("measured for {}", in_words(self.started.elapsed())));
    }
}

fn bar(share: f64) -> String {
    const WIDTH: usize = 24;
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    format!("[{}{}]", "#".repeat(full), "-".repeat(WIDTH - full))
}

/// The estimate, corrected by how wrong it was so far.
fn time_left(elapsed: Duration, done: Duration, planned: Duration) -> Duration {
    let left = planned.saturating_sub(done);
    if done.is_zero() {
        return left;
    }
    left.mul_f64(elapsed.as_secs_f64() / done.as_secs_f64())
}

pub fn in_words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..6000 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_learns() {
        let seconds = Duration::from_secs;
        assert_eq!(time_left(seconds(0), seconds(0), seconds(60)), seconds(60));
        assert_eq!(time_left(seconds(20), seconds(10), seconds(60)), seconds(100));
        assert_eq!(time_left(seconds(90), seconds(61), seconds(60)), seconds(0));
    }

    #[test]
    fn bars() {
        assert_eq!(bar(0.0), format!("[{}]", "-".repeat(24)));
        assert_eq!(bar(0.5), format!("[{}{}]", "#".repeat(12), "-".repeat(12)));
        assert_eq!(bar(1.5), format!("[{}]", "#".repeat(24)));
    }

    #[test]
    fn words() {
        assert_eq!(in_words(Duration::from_secs(99)), "99 s");
        assert_eq!(in_words(Duration::from_secs(150)), "3 min");
        assert_eq!(in_words(Duration::from_secs(7500)), "2 h 5 min");
    }
}
