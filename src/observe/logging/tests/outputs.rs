//! Stand-ins for stdout.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex};

/// What an [`Output`] does with a write.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// Takes all of it.
    Takes,
    /// Takes so many bytes of it.
    TakesPart(usize),
    /// Blocks until told to do something else.
    Blocks,
    /// Fails.
    Fails(ErrorKind),
}

/// Remembers what was written, and does what it is told to.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<(Mutex<State>, Condvar)>);

struct State {
    /// For one write each.
    script: VecDeque<Does>,
    /// For all others.
    otherwise: Does,
    written: Vec<u8>,
    writes: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            script: VecDeque::new(),
            otherwise: Does::Takes,
            written: Vec::new(),
            writes: 0,
        }
    }
}

impl Output {
    /// What it does from now on, a write that blocks already included.
    pub(super) fn does(&self, otherwise: Does) {
        self.does_first(&[], otherwise);
    }

    /// The same, after one write for each of `script`.
    pub(super) fn does_first(&self, script: &[Does], otherwise: Does) {
        let mut state = self.0.0.lock().unwrap();
        state.script = script.iter().copied().collect();
        state.otherwise = otherwise;
        self.0.1.notify_all();
    }

    /// Waits until so many writes have been tried.
    pub(super) fn wait_for_writes(&self, writes: usize) {
        let state = self.0.0.lock().unwrap();
        let waited = (self.0.1)
            .wait_timeout_while(state, super::LONG, |state| state.writes < writes)
            .unwrap()
            .1;
        assert!(!waited.timed_out(), "{writes} writes");
    }

    /// How many writes were tried.
    pub(super) fn writes(&self) -> usize {
        self.0.0.lock().unwrap().writes
    }

    /// All that was written.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap()
    }

    /// The lines written, each parsed.
    pub(super) fn objects(&self) -> Vec<serde_json::Value> {
        let text = self.text();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in a line: {line}"))
        };
        text.lines().map(parse).collect()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.0.lock().unwrap();
        state.writes += 1;
        self.0.1.notify_all();
        let does = loop {
            match state.script.pop_front().unwrap_or(state.otherwise) {
                Does::Blocks => state = self.0.1.wait(state).unwrap(),
                does => break does,
            }
        };
        let taken = match does {
            Does::TakesPart(part) => bytes.len().min(part),
            Does::Fails(kind) => return Err(kind.into()),
            Does::Takes | Does::Blocks => bytes.len(),
        };
        state.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
