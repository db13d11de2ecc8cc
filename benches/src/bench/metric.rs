//! What is told of a measurement, and how it is written.

use serde::{Deserialize, Serialize};

/// In the order of a table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Metric {
    CpuPerRequest,
    CpuPerEvent,
    RequestsPerSecond,
    ReachedAll,
    P50,
    P99,
    P999,
    ProbesFailed,
    MemoryRest,
    MemoryBusy,
    MemoryIdle,
    ChargedPerIdle,
    IdleHeld,
    MemoryStreams,
    ChargedPerStream,
    StreamsHeld,
    FirstAnswer,
    Exit,
    ExitClean,
    Failed,
    SystemCalls,
    Size,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    Seconds,
    Bytes,
    Count,
    Ratio,
    Share,
    PerSecond,
}

impl Metric {
    pub fn title(self) -> &'static str {
        match self {
            Metric::CpuPerRequest => "CPU per request",
            Metric::RequestsPerSecond => "requests/s",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::ProbesFailed => "probes without an answer in 1 s",
            Metric::MemoryRest => "memory at rest",
            Metric::MemoryBusy => "memory when busy",
            Metric::MemoryIdle => "memory with idle connections",
            Metric::ChargedPerIdle => "charged per idle connection, kernel included",
            Metric::IdleHeld => "idle connections still open",
            Metric::CpuPerEvent => "CPU per event and client",
            Metric::ReachedAll => "a broadcast to all",
            Metric::MemoryStreams => "memory with streams",
            Metric::ChargedPerStream => "charged per stream, kernel included",
            Metric::StreamsHeld => "streams still open",
            Metric::FirstAnswer => "start to first 200",
            Metric::Exit => "SIGTERM to exit",
            Metric::ExitClean => "exits with code 0",
            Metric::Failed => "requests failed",
            Metric::SystemCalls => "system calls per request",
            Metric::Size => "size",
        }
    }

    pub fn unit(self) -> Unit {
        match self {
            Metric::CpuPerRequest
            | Metric::CpuPerEvent
            | Metric::P50
            | Metric::P99
            | Metric::P999
            | Metric::ReachedAll
            | Metric::FirstAnswer
            | Metric::Exit => Unit::Seconds,
            Metric::MemoryRest
            | Metric::MemoryBusy
            | Metric::MemoryIdle
            | Metric::ChargedPerIdle
            | Metric::MemoryStreams
            | Metric::ChargedPerStream
            | Metric::Size => Unit::Bytes,
            Metric::ProbesFailed | Metric::ExitClean => Unit::Share,
            Metric::IdleHeld | Metric::StreamsHeld | Metric::Failed => Unit::Count,
            Metric::RequestsPerSecond => Unit::PerSecond,
            Metric::SystemCalls => Unit::Ratio,
        }
    }

    pub fn less_is_better(self) -> bool {
        !matches!(self, Metric::RequestsPerSecond | Metric::IdleHeld | Metric::StreamsHeld | Metric::ExitClean)
    }

    /// Rather than counted, such as requests that failed: a ratio of those says nothing.
    pub fn is_measured(self) -> bool {
        !matches!(self.unit(), Unit::Count | Unit::Share)
    }

    pub fn format(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        match self.unit() {
            Unit::Seconds if value < 1e-3 => format!("{} µs", significant(value * 1e6)),
            Unit::Seconds if value < 1.0 => format!("{} ms", significant(value * 1e3)),
            Unit::Seconds => format!("{} s", significant(value)),
            Unit::Bytes if value < 1024.0 * 1024.0 => format!("{} KiB", significant(value / 1024.0)),
            Unit::Bytes => format!("{} MiB", significant(value / 1024.0 / 1024.0)),
            Unit::Ratio => significant(value),
            Unit::Share => format!("{} %", significant(value * 100.0)),
            Unit::Count | Unit::PerSecond => thousands(value),
        }
    }
}

/// Three digits that mean something.
pub fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        0.0 => "0".into(),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits() {
        assert_eq!(Metric::P99.format(0.000_012_34), "12.3 µs");
        assert_eq!(Metric::P99.format(0.123_4), "123 ms");
        assert_eq!(Metric::P99.format(1.5), "1.50 s");
        assert_eq!(Metric::Size.format(1_153_434.0), "1.10 MiB");
        assert_eq!(Metric::ProbesFailed.format(0.0), "0 %");
        assert_eq!(Metric::P99.format(f64::NAN), "–");
    }

    #[test]
    fn groups_of_three() {
        assert_eq!(Metric::RequestsPerSecond.format(1_234_567.4), "1,234,567");
        assert_eq!(Metric::RequestsPerSecond.format(999.6), "1,000");
        assert_eq!(Metric::Failed.format(0.0), "0");
    }
}
