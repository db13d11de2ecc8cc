//! Counts the system calls of a process that runs, by strace.

use std::io::{self, Error};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub struct Trace(Child);

impl Trace {
    pub fn start(pid: u32) -> io::Result<Trace> {
        let strace = Command::new("strace")
            .args(["--follow-forks", "--summary-only", "--attach", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::other(format!("strace: {error}")))?;
        // It says nothing that could be waited for before its summary.
        sleep(Duration::from_millis(300));
        Ok(Trace(strace))
    }

    /// How many calls there were.
    pub fn stop(self) -> io::Result<f64> {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT)?;
        let output = self.0.wait_with_output()?;
        let summary = String::from_utf8_lossy(&output.stderr);
        parse_total(&summary).ok_or_else(|| Error::other(format!("strace: {summary}")))
    }
}

/// The fourth column of the last line: share, seconds, µs per call, calls, perhaps errors, total.
fn parse_total(summary: &str) -> Option<f64> {
    let total = summary.lines().rfind(|line| line.trim_end().ends_with(" total"))?;
    total.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_summary() {
        let summary = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           3       200         4 read
 40.00    0.000400           2       200           write
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           2       400         4 total
";
        assert_eq!(parse_total(summary), Some(400.0));
        assert_eq!(parse_total("strace: attach: Operation not permitted"), None);
    }
}
