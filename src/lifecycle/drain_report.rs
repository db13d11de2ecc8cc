//! What the last log record says, and `/dev/termination-log` with it.

use crate::observe::logging;
use std::{
    fmt::{Display, Write},
    fs::OpenOptions,
    io::Write as _,
    path::Path,
    time::Duration,
};

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Everything that was accepted was answered, or nothing had been started yet: exit code 0.
    Clean,
    /// A start-up task failed: exit code 1.
    StartFailed,
    /// A background service or a stop hook failed, before the drain or during it, which cut nothing off: exit code 1.
    ServiceFailed,
    /// `SHUTDOWN_TIMEOUT` passed and requests or background services were cut off: exit code 75.
    DeadlinePassed,
}

impl Ending {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Clean => 0,
            Ending::StartFailed | Ending::ServiceFailed => 1,
            Ending::DeadlinePassed => 75,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Ending::Clean => "clean",
            Ending::StartFailed => "start failed",
            Ending::ServiceFailed => "background service failed",
            Ending::DeadlinePassed => "deadline passed",
        }
    }
}

/// What became of the requests and background services that were there when the service was told to stop.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DrainReport {
    /// How it ended.
    pub ending: Ending,
    /// Requests that a handler had answered and whose response was wholly sent, since the service was started. Neither
    /// probes nor requests that were turned away are counted.
    pub answered: u64,
    /// How many of these since the service was told to stop.
    pub finished: u64,
    /// Requests cut off by the deadline: the route's template, or what the connection was doing, and how many.
    pub abandoned: Vec<(String, usize)>,
    /// The request that took longest since the signal, and how long.
    pub slowest: Option<(String, Duration)>,
    /// Background services and stop hooks that had not ended by the deadline, nor a second after it.
    pub services_late: Vec<&'static str>,
    /// Start-up tasks, background services and stop hooks that failed, and why, the first one first.
    pub failures: Vec<(&'static str, String)>,
    /// How often each background service or scheduled job was restarted, of those that were.
    pub restarts: Vec<(&'static str, u64)>,
    /// How often each of them failed, whatever its policy made of that.
    pub failed_runs: Vec<(&'static str, u64)>,
    /// How many beats each scheduled job has skipped, because a run took longer than its interval.
    pub skipped_beats: Vec<(&'static str, u64)>,
    /// How long the drain delay took.
    pub drain_delay: Duration,
    /// How long requests in flight took after it.
    pub in_flight: Duration,
    /// How long background services took after that.
    pub services: Duration,
}

/// Kubernetes reads at most this much of a termination message.
/// <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>
const TERMINATION_LOG_LIMIT: usize = 4096;

impl DrainReport {
    pub(crate) fn new(ending: Ending) -> DrainReport {
        DrainReport {
            ending,
            answered: 0,
            finished: 0,
            abandoned: Vec::new(),
            slowest: None,
            services_late: Vec::new(),
            failures: Vec::new(),
            restarts: Vec::new(),
            failed_runs: Vec::new(),
            skipped_beats: Vec::new(),
            drain_delay: Duration::ZERO,
            in_flight: Duration::ZERO,
            services: Duration::ZERO,
        }
    }

    /// How many requests were cut off.
    #[must_use]
    pub fn abandoned_total(&self) -> usize {
        self.abandoned.iter().map(|(_, count)| count).sum()
    }

    /// Writes the last log record.
    pub(crate) fn log(&self) {
        let (slowest_route, slowest_ms) = self
            .slowest
            .as_ref()
            .map_or(("", 0), |(route, took)| (route.as_str(), millis(*took)));
        log::log!(
            if self.ending == Ending::Clean { log::Level::Info } else { log::Level::Error },
            ending = self.ending.name(),
            exit_code = self.ending.exit_code(),
            answered = self.answered,
            finished = self.finished,
            abandoned = self.abandoned_total(),
            abandoned_routes = list(&self.abandoned).as_str(),
            services_late = self.services_late.join(", ").as_str(),
            failures = list(&self.failures).as_str(),
            restarts = list(&self.restarts).as_str(),
            failed_runs = list(&self.failed_runs).as_str(),
            skipped_beats = list(&self.skipped_beats).as_str(),
            slowest_route = slowest_route,
            slowest_ms = slowest_ms,
            drain_delay_ms = millis(self.drain_delay),
            in_flight_ms = millis(self.in_flight),
            services_ms = millis(self.services),
            log_records_dropped = logging::dropped();
            "drained"
        );
    }

    /// Writes the report where Kubernetes looks for it, if the file is there; it is never created.
    pub(crate) fn write_termination_log(&self, path: &Path) {
        let text = self.text();
        let cut = text.floor_char_boundary(TERMINATION_LOG_LIMIT);
        let opened = OpenOptions::new().write(true).truncate(true).open(path);
        if let Ok(mut file) = opened {
            // There is nobody left to tell of a failure: the log has said the same already.
            let _ = file.write_all(&text.as_bytes()[..cut]);
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "drained: {}\nfinished: {} of {} answered\n",
            self.ending.name(),
            self.finished,
            self.answered
        );
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                writeln!(text, "{name}: {value}").expect("writing to a String does not fail");
            }
        };
        line("failures", &list(&self.failures));
        line("services that did not stop", &self.services_late.join(", "));
        line("restarts", &list(&self.restarts));
        line("failed runs", &list(&self.failed_runs));
        line("skipped beats", &list(&self.skipped_beats));
        if let Some((route, took)) = &self.slowest {
            line("slowest", &format!("{route}, {} ms", millis(*took)));
        }
        let [delay, in_flight, services] =
            [self.drain_delay, self.in_flight, self.services].map(millis);
        line(
            "phases",
            &format!("drain delay {delay} ms, in flight {in_flight} ms, services {services} ms"),
        );
        line("abandoned", &list(&self.abandoned));
        text
    }
}

/// Whole milliseconds, as the log has them.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `/delay/{seconds}: 2, (receiving): 1`.
fn list(named: &[(impl Display, impl Display)]) -> String {
    named
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_termination_message_fits_what_kubernetes_reads_and_is_never_created() {
        let dir =
            std::env::temp_dir().join(format!("seaworthy-termination-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (there, missing) = (dir.join("there"), dir.join("missing"));
        fs::write(&there, "an older, longer message\n".repeat(400)).unwrap();

        let mut report = DrainReport::new(Ending::DeadlinePassed);
        report.abandoned = (0..1000).map(|n| (format!("/réports/{n}"), 1)).collect();
        report.write_termination_log(&there);
        report.write_termination_log(&missing);

        let written = fs::read_to_string(&there).unwrap();
        assert!(
            written.starts_with("drained: deadline passed\n") && written.contains("/réports/7: 1"),
            "{written}"
        );
        assert!(
            written.len() <= TERMINATION_LOG_LIMIT && written.len() > TERMINATION_LOG_LIMIT - 8
        );
        assert!(!missing.exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
