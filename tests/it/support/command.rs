//! The binary's commands that end by themselves.

use std::collections::BTreeMap;
use std::process::{self, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::server::BINARY;

/// A command of the binary that ends by itself.
pub(crate) struct Command {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// What such a command left.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Command {
    pub(crate) fn new(arguments: &[&str]) -> Command {
        let arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        Command {
            arguments,
            environment: BTreeMap::new(),
        }
    }

    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Command {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// Runs it; what is still running after [`PATIENCE`] is killed and has failed.
    pub(crate) fn run(&self) -> Output {
        let mut child = process::Command::new(BINARY)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let started = Instant::now();
        while child.try_wait().expect("a child can be asked").is_none() {
            if started.elapsed() > PATIENCE {
                child.kill().expect("a child can be killed");
            }
            thread::sleep(Duration::from_millis(1));
        }
        let output = child
            .wait_with_output()
            .expect("a child's output can be read");
        assert!(
            started.elapsed() <= PATIENCE,
            "{:?} {:?} does not end",
            self.arguments,
            self.environment
        );
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Output {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Output {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Output {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}
