//! A server's stdout as parsed records, followed while it runs.

use std::io::{BufRead, BufReader};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use serde_json::Value;

use super::PATIENCE;
use super::server::Stdout;

#[derive(Clone, Default)]
pub(super) struct Log {
    state: Arc<Mutex<LogState>>,
    pub(super) changed: Arc<Condvar>,
}

#[derive(Default)]
pub(super) struct LogState {
    pub(super) records: Vec<Value>,
    pub(super) text: Vec<String>,
    /// Lines that are no JSON objects and should be.
    bad: Vec<String>,
    pub(super) held: bool,
    pub(super) ended: bool,
}

impl Log {
    pub(super) fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state
            .lock()
            .unwrap_or_else(|failed| failed.into_inner())
    }

    pub(super) fn follow(self, stdout: process::ChildStdout, mode: Stdout) {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let mut state = self.lock();
                match serde_json::from_str::<Value>(&line) {
                    Ok(record) if record.is_object() => state.records.push(record),
                    _ if mode == Stdout::Text => state.text.push(line),
                    _ => state.bad.push(line),
                }
                if state.records.len() == 1 {
                    state.held = mode == Stdout::Unread;
                }
                self.changed.notify_all();
                if mode == Stdout::Broken {
                    break;
                }
                while state.held {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(|failed| failed.into_inner());
                }
            }
            self.lock().ended = true;
            self.changed.notify_all();
        });
    }

    pub(super) fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.wait_until(|state| state.ended || state.records.iter().any(&fits));
        match found.records.iter().find(|record| fits(record)) {
            Some(record) => record.clone(),
            None => panic!("waiting for {what}, the log has {:#?}", found.records),
        }
    }

    pub(super) fn wait_for_end(&self) {
        let state = self.wait_until(|state| state.ended);
        assert!(state.ended, "the process ended and its stdout did not");
    }

    /// Waits, and asserts that every line was a record.
    fn wait_until(&self, fits: impl Fn(&LogState) -> bool) -> MutexGuard<'_, LogState> {
        let waiting = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, |state| !fits(state));
        let (state, _) = waiting.unwrap_or_else(|failed| failed.into_inner());
        assert!(
            state.bad.is_empty(),
            "lines that are no records: {:?}",
            state.bad
        );
        state
    }
}
