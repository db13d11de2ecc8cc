//! The machine: what it is, and whether something else took part in a measurement.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cpus: usize,
    pub virtual_machine: bool,
    pub memory_bytes: f64,
    pub kernel: String,
    pub cgroups: String,
    /// The versions of the tools and toolchains.
    pub versions: Vec<String>,
}

pub fn describe(cgroups: &str) -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes: f64 = field(&meminfo, "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    Machine {
        cpu: field(&cpuinfo, "model name").into(),
        cpus: cpus(),
        virtual_machine: field(&cpuinfo, "flags").split(' ').any(|flag| flag == "hypervisor"),
        memory_bytes: kibibytes * 1024.0,
        kernel: first_line("uname", &["-sr"]),
        cgroups: cgroups.into(),
        versions: [("rustc", "--version"), ("go", "version"), ("wrk", "--version"), ("oha", "--version")]
            .map(|(tool, option)| tell_version(&first_line(tool, &[option])))
            .into_iter()
            .filter(|version| !version.is_empty())
            .collect(),
    }
}

/// wrk adds who wrote it.
fn tell_version(line: &str) -> String {
    line.split(" Copyright").next().unwrap_or("").replace(" [epoll]", "")
}

/// The value of `name : value`.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| Some(line.strip_prefix(name)?.trim().strip_prefix(':')?.trim());
    text.lines().find_map(value).unwrap_or("")
}

pub fn first_line(program: &str, options: &[&str]) -> String {
    let output = Command::new(program).args(options).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("").trim().into()
}

/// Lets this process, and what it starts, have as many descriptors as it may; tells how many.
pub fn raise_descriptor_limit() -> u64 {
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    let Ok((soft, hard)) = limits else { return 1024 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// What kept a measurement from being one of the server alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Disturbance {
    /// CPUs taken by other processes.
    pub others: f64,
    /// CPUs withheld by the hypervisor.
    pub stolen: f64,
    /// The share that the load generator used of what it could use: near one, it is the generator
    /// that was measured.
    #[serde(default)]
    pub generator: f64,
}

const MOST_OTHERS: f64 = 0.1;
const MOST_STOLEN: f64 = 0.02;
const MOST_GENERATOR: f64 = 0.95;

impl Disturbance {
    pub fn matters(&self) -> bool {
        self.degree() > 1.0
    }

    /// How far the worst of them is over what is put up with, which is 1.
    pub fn degree(&self) -> f64 {
        let degrees = [self.others / MOST_OTHERS, self.stolen / MOST_STOLEN, self.generator / MOST_GENERATOR];
        degrees.into_iter().fold(0.0, f64::max)
    }
}

/// Watches the machine from before the server starts until after it has ended.
pub struct Watch {
    started: Instant,
    machine: Busy,
    ours: Duration,
}

impl Watch {
    pub fn start() -> Watch {
        Watch { started: Instant::now(), machine: machine_busy(), ours: our_cpu() }
    }

    /// To be called when all children have ended, since only then their time is known.
    pub fn stop(self) -> Disturbance {
        let seconds = self.started.elapsed().as_secs_f64();
        let now = machine_busy();
        let busy = now.busy.saturating_sub(self.machine.busy);
        let others = busy.saturating_sub(our_cpu().saturating_sub(self.ours)).saturating_sub(TICKS_ASTRAY);
        let stolen = now.stolen.saturating_sub(self.machine.stolen);
        Disturbance { others: others.as_secs_f64() / seconds, stolen: stolen.as_secs_f64() / seconds, generator: 0.0 }
    }
}

/// By how much the machine's time, told in ticks of 10 ms, may be above the sum of what its
/// processes ran, told in nanoseconds: some for each CPU. Over a second it is nothing, but a dozen
/// starts take a tenth of one.
const TICKS_ASTRAY: Duration = Duration::from_millis(30);

fn our_cpu() -> Duration {
    own_cpu() + ended_children_cpu()
}

/// Of this process.
pub fn own_cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_SELF)
}

/// Of all children that have ended and been waited for.
pub fn ended_children_cpu() -> Duration {
    cpu_of(UsageWho::RUSAGE_CHILDREN)
}

fn cpu_of(who: UsageWho) -> Duration {
    getrusage(who).map_or(Duration::ZERO, |usage| {
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(micros.unsigned_abs())
    })
}

pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

#[derive(Debug, PartialEq)]
struct Busy {
    busy: Duration,
    stolen: Duration,
}

fn machine_busy() -> Busy {
    parse_busy(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The first line of `/proc/stat`, in ticks of 10 ms: user, nice, system, idle, iowait, irq,
/// softirq, steal. What interrupts take belongs to nobody and is left out.
fn parse_busy(stat: &str) -> Busy {
    let mut fields = stat.lines().next().unwrap_or("").split_whitespace().skip(1);
    let ticks: [u64; 8] = std::array::from_fn(|_| fields.next().and_then(|field| field.parse().ok()).unwrap_or(0));
    let time = |ticks| Duration::from_millis(10 * ticks);
    Busy { busy: time(ticks[0] + ticks[1] + ticks[2]), stolen: time(ticks[7]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_proc_stat() {
        let stat = "cpu  100 1 99 5000 7 3 2 50 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        let busy = Busy { busy: Duration::from_secs(2), stolen: Duration::from_millis(500) };
        assert_eq!(parse_busy(stat), busy);
    }

    #[test]
    fn fields() {
        assert_eq!(field("model\t: 85\nmodel name\t: Some CPU\n", "model name"), "Some CPU");
        assert_eq!(field("MemTotal:       16 kB\n", "MemTotal"), "16 kB");
        assert_eq!(field("", "MemTotal"), "");
    }

    #[test]
    fn what_matters() {
        let quiet = Disturbance { others: 0.05, stolen: 0.01, generator: 0.9 };
        assert!(!quiet.matters());
        assert!(Disturbance { others: 0.5, ..quiet }.matters());
        assert!(Disturbance { stolen: 0.1, ..quiet }.matters());
        assert!(Disturbance { generator: 0.99, ..quiet }.matters());
    }

    #[test]
    fn the_worst_of_them_counts() {
        let busy = Disturbance { others: 0.3, stolen: 0.0, generator: 0.0 };
        let stolen = Disturbance { others: 0.0, stolen: 0.1, generator: 0.0 };
        assert!(stolen.degree() > busy.degree());
    }

    #[test]
    fn what_was_kept_before_generators_were_watched_can_be_read() {
        let kept: Disturbance = serde_json::from_str(r#"{"others": 0.2, "stolen": 0.0}"#).unwrap();
        assert_eq!(kept, Disturbance { others: 0.2, stolen: 0.0, generator: 0.0 });
    }
}
