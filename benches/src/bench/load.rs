//! The load generators, wrk for closed loops and oha for open ones, and what they tell.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::machine::ended_children_cpu;
use crate::scenario::{PROBE, PROBES_PER_SECOND};

/// What oha calls an error and yet no server failed: the request was under way when the time was
/// up, or it was never sent, since nobody listens any more or the connection had been closed.
const NOT_FAILED: [&str; 3] = ["deadline", "refused", "canceled"];

/// So many CPUs it can use at most.
pub const WRK_THREADS: u32 = 1;

const WRK_SCRIPT: &str = include_str!("wrk.lua");

/// What is asked for, and over how many connections.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub method: &'static str,
    pub path: &'static str,
    pub connections: usize,
    /// A new connection for each request.
    pub fresh: bool,
}

/// What a load generator saw; times in seconds.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub answered: f64,
    pub seconds: f64,
    pub failed: f64,
    /// The kinds of failures, as far as they are told.
    pub failures: String,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    /// The CPUs that the generator itself took.
    pub took: f64,
}

/// As many requests as the connections carry, each sent when the one before it is answered.
pub fn closed(port: u16, target: Target, time: Duration) -> io::Result<Seen> {
    let wrk = wrk_command(port, target, time)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    read_report("wrk", wrk, parse_wrk)
}

/// The same for as long as the returned process lives.
pub fn closed_in_background(port: u16, target: Target) -> io::Result<Child> {
    wrk_command(port, target, Duration::from_secs(600))?.stdout(Stdio::null()).spawn()
}

fn wrk_command(port: u16, target: Target, time: Duration) -> io::Result<Command> {
    let mut text = format!("wrk.method = '{}'\n", target.method);
    if target.method == "POST" {
        text += &format!("wrk.body = string.rep('x', {})\n", benches::BODY);
    }
    if target.fresh {
        text += "wrk.headers['Connection'] = 'close'\n";
    }
    fs::write(script(), text + WRK_SCRIPT)?;
    let mut command = Command::new("wrk");
    command
        .args(["--threads", &WRK_THREADS.to_string(), "--timeout", "2s", "--latency"])
        .args(["--connections", &target.connections.to_string()])
        .args(["--duration", &format!("{}s", time.as_secs().max(1))])
        .arg("--script")
        .arg(script())
        .arg(format!("http://{}{}", crate::client::address(port), target.path));
    Ok(command)
}

fn script() -> PathBuf {
    std::env::temp_dir().join(format!("seaworthy-bench-{}.lua", std::process::id()))
}

/// Leaves no file behind.
pub fn clean_up() {
    let _ = fs::remove_file(script());
}

/// A fixed rate whatever the server does: a late answer counts from when its request was due, so
/// that a server which stalls cannot hide it by keeping the next requests from being sent.
pub fn open(port: u16, target: Target, rate: u32, time: Duration) -> io::Result<Seen> {
    finish(open_command(port, target, rate, time).spawn()?)
}

/// Asks for readiness as a kubelet does: each time on a connection of its own, and with a second's patience.
pub fn probing(port: u16, time: Duration) -> Command {
    let mut command = open_command(port, PROBE, PROBES_PER_SECOND, time);
    command.args(["-t", "1s"]);
    command
}

pub fn open_command(port: u16, target: Target, rate: u32, time: Duration) -> Command {
    let mut command = Command::new("oha");
    command
        .args(["--no-tui", "--output-format", "json", "--latency-correction"])
        .args(["-m", target.method])
        .args(["-c", &target.connections.to_string()])
        .args(["-q", &rate.to_string()])
        .args(["-z", &format!("{}ms", time.as_millis())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if target.fresh {
        command.arg("--disable-keepalive");
    }
    command.arg(format!("http://{}{}", crate::client::address(port), target.path));
    command
}

/// Waits for oha's end and reads its report.
pub fn finish(oha: Child) -> io::Result<Seen> {
    read_report("oha", oha, parse_oha)
}

fn read_report(tool: &str, generator: Child, parse: fn(&str) -> Option<Seen>) -> io::Result<Seen> {
    let before = ended_children_cpu();
    let output = generator.wait_with_output()?;
    let took = ended_children_cpu().saturating_sub(before).as_secs_f64();
    let [report, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    match parse(&report) {
        Some(seen) => Ok(Seen { took: took / seen.seconds, ..seen }),
        None => Err(io::Error::other(format!("{tool} told nothing that is understood: {errors}{report}"))),
    }
}

pub fn parse_wrk(report: &str) -> Option<Seen> {
    #[derive(Deserialize)]
    struct Line {
        answered: f64,
        microseconds: f64,
        failed: f64,
        p50: f64,
        p99: f64,
        p999: f64,
    }
    let line: Line = serde_json::from_str(report.lines().rfind(|line| line.starts_with('{'))?).ok()?;
    // Percentiles of nothing are no times.
    let time = |micros: f64| if line.answered > 0.0 { micros / 1e6 } else { f64::NAN };
    Some(Seen {
        answered: line.answered,
        seconds: line.microseconds / 1e6,
        failed: line.failed,
        failures: String::new(),
        p50: time(line.p50),
        p99: time(line.p99),
        p999: time(line.p999),
        took: 0.0,
    })
}

pub fn parse_oha(report: &str) -> Option<Seen> {
    let report: Value = serde_json::from_str(report).ok()?;
    let percentile = |name: &str| report["latencyPercentiles"][name].as_f64().unwrap_or(f64::NAN);
    let counts = |name: &str| Some(report[name].as_object()?.iter().filter_map(|(kind, n)| Some((kind, n.as_f64()?))));
    let is_success = |status: &str| status.starts_with('2');
    let is_failure = |error: &str| !NOT_FAILED.iter().any(|harmless| error.contains(harmless));
    let statuses = || counts("statusCodeDistribution");
    let failures: Vec<(&String, f64)> = statuses()?
        .filter(|(status, _)| !is_success(status))
        .chain(counts("errorDistribution")?.filter(|(error, _)| is_failure(error)))
        .collect();
    let told: Vec<String> = failures.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    Some(Seen {
        answered: statuses()?.filter(|(status, _)| is_success(status)).map(|(_, count)| count).sum(),
        seconds: report["summary"]["total"].as_f64()?,
        failed: failures.iter().map(|(_, count)| count).sum(),
        failures: told.join(", "),
        p50: percentile("p50"),
        p99: percentile("p99"),
        p999: percentile("p99.9"),
        took: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_wrk() {
        let report = "Running 1s test\n  12 requests in 1.00s\n\
            {\"answered\":12,\"microseconds\":1000000,\"failed\":1,\"p50\":100,\"p99\":2000,\"p999\":3000,\"max\":4000}\n";
        let seen = parse_wrk(report).unwrap();
        let expected = Seen {
            answered: 12.0,
            seconds: 1.0,
            failed: 1.0,
            failures: String::new(),
            p50: 0.0001,
            p99: 0.002,
            p999: 0.003,
            took: 0.0,
        };
        assert_eq!(seen, expected);
        assert_eq!(parse_wrk("unable to connect\n"), None);
    }

    #[test]
    fn a_report_of_oha() {
        let report = r#"{
            "summary": {"successRate": 0.9, "total": 2.0},
            "latencyPercentiles": {"p50": 0.001, "p99": 0.01, "p99.9": 0.1},
            "statusCodeDistribution": {"200": 90, "204": 1, "503": 4},
            "errorDistribution": {
                "aborted due to deadline": 3,
                "Connection refused (os error 111)": 7,
                "operation was canceled": 1,
                "connection closed before message completed": 2
            }
        }"#;
        let seen = parse_oha(report).unwrap();
        let expected = Seen {
            answered: 91.0,
            seconds: 2.0,
            failed: 6.0,
            failures: "4 × 503, 2 × connection closed before message completed".into(),
            p50: 0.001,
            p99: 0.01,
            p999: 0.1,
            took: 0.0,
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn nothing_answered() {
        let report = r#"{"summary": {"total": 1.0}, "latencyPercentiles": {"p50": null},
            "statusCodeDistribution": {}, "errorDistribution": {"timeout": 50}}"#;
        let seen = parse_oha(report).unwrap();
        assert_eq!((seen.answered, seen.failed), (0.0, 50.0));
        assert!(seen.p50.is_nan());
        assert_eq!(parse_oha("no report"), None);
    }
}
