//! The process and its cgroup: `process_*` as client_golang has them, and what the kernel says of quota and memory.

use super::exposition::{Exposition, Kind, Value};
use crate::config::limits::consumption::Consumption;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The kernel tells times in hundredths of a second, on every architecture (`USER_HZ`).
const NANOS_PER_TICK: u64 = 10_000_000;

/// Reads the kernel's files below a root at each scrape.
pub(crate) struct Process {
    root: PathBuf,
}

impl Process {
    pub(crate) fn below(root: &Path) -> Process {
        Process {
            root: root.to_owned(),
        }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.root.join("proc").join(name)).unwrap_or_default()
    }

    /// In nanoseconds since the epoch, for a process that began so many ticks after the machine did.
    fn started(&self, ticks: u64) -> Option<Value> {
        let boot = number_after(&self.text("stat"), "btime ")?;
        Some(Value::Nanos(boot * 1_000_000_000 + ticks * NANOS_PER_TICK))
    }
}

impl Process {
    pub(crate) fn write(&self, out: &mut Exposition) {
        use Kind::{Counter, Gauge};
        let stat = self.text("self/stat");
        // The name in parentheses may hold anything. Behind it is the third field (proc_pid_stat(5)).
        let fields: Vec<&str> = match stat.rsplit_once(')') {
            Some((_, rest)) => rest.split_whitespace().collect(),
            None => Vec::new(),
        };
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let cpu = field(14)
            .zip(field(15))
            .map(|(user, system)| Value::Nanos((user + system) * NANOS_PER_TICK));
        let limits = self.text("self/limits");
        let limit = |name| limit_after(&limits, name).map(Value::Whole);
        let resident = number_after(&self.text("self/status"), "VmRSS:").map(|kib| kib * 1024);
        let open = fs::read_dir(self.root.join("proc/self/fd"))
            // The directory itself is open meanwhile.
            .map(|entries| Value::from(entries.count().saturating_sub(1)))
            .ok();
        let network = self.text("self/net/netstat");
        let octets = |name| in_table(&network, "IpExt:", name).map(Value::Whole);
        let group = Consumption::read(&self.root);
        let quota = group
            .cpu_quota
            .map(|cores| Value::Nanos((cores * 1e9) as u64));
        for (kind, name, help, value) in [
            (
                Counter,
                "process_cpu_seconds",
                "Total user and system CPU time spent in seconds.",
                cpu,
            ),
            (
                Gauge,
                "process_open_fds",
                "Number of open file descriptors.",
                open,
            ),
            (
                Gauge,
                "process_max_fds",
                "Maximum number of open file descriptors.",
                limit("Max open files"),
            ),
            (
                Gauge,
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes.",
                field(23).map(Value::Whole),
            ),
            (
                Gauge,
                "process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes.",
                limit("Max address space"),
            ),
            (
                Gauge,
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
                resident.map(Value::Whole),
            ),
            (
                Gauge,
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                field(22).and_then(|ticks| self.started(ticks)),
            ),
            (
                Counter,
                "process_network_receive_bytes",
                "Number of bytes received by the process over the network.",
                octets("InOctets"),
            ),
            (
                Counter,
                "process_network_transmit_bytes",
                "Number of bytes sent by the process over the network.",
                octets("OutOctets"),
            ),
            (
                Counter,
                "cgroup_cpu_periods",
                "Periods of the CPU quota that have ended.",
                group.periods.map(Value::Whole),
            ),
            (
                Counter,
                "cgroup_cpu_throttled_periods",
                "Periods in which the CPU quota was used up.",
                group.throttled_periods.map(Value::Whole),
            ),
            (
                Counter,
                "cgroup_cpu_throttled_seconds",
                "How long threads waited for the next period of the CPU quota.",
                group.throttled_nanos.map(Value::Nanos),
            ),
            (
                Gauge,
                "cgroup_cpu_quota_cores",
                "The CPU quota, in CPUs.",
                quota,
            ),
            (
                Gauge,
                "cgroup_memory_limit_bytes",
                "The memory limit.",
                group.memory_limit.map(Value::Whole),
            ),
            (
                Gauge,
                "cgroup_memory_usage_bytes",
                "Memory in use, with what the kernel could drop.",
                group.memory_usage.map(Value::Whole),
            ),
            (
                Counter,
                "cgroup_oom_kills",
                "Processes that were killed for want of memory.",
                group.oom_kills.map(Value::Whole),
            ),
        ] {
            if let Some(value) = value {
                out.family(kind, name, help).sample(&[], value);
            }
        }
    }
}

/// The number behind the word that a line begins with.
fn number_after(text: &str, word: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(word));
    lines.next()?.split_whitespace().next()?.parse().ok()
}

/// The soft one of the limits of this name; what is unlimited is as much as there can be, as client_golang has it.
fn limit_after(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    match lines.next()?.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        limit => limit.parse().ok(),
    }
}

/// A number of a table that has its names in one line and the values in the next.
fn in_table(text: &str, table: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(table));
    let (names, values) = (lines.next()?, lines.next()?);
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::limits::tests::Tree, observe::metrics::exposition::Format};

    #[test]
    fn the_kernels_files_are_told_under_client_golangs_names() {
        let tree = Tree::new("", "");
        let stat =
            "7 (a ) b) S 1 7 7 0 -1 4194560 90 0 0 0 150 25 0 0 20 0 4 0 1000 4096000 300 9\n";
        tree.write("proc/self/stat", stat);
        tree.write("proc/stat", "cpu 1 2\nbtime 1700000000\n");
        tree.write("proc/self/status", "VmRSS:\t    1200 kB\n");
        let limits = "Max open files            1024                 4096                 files\n\
            Max address space         unlimited            unlimited            bytes\n";
        tree.write("proc/self/limits", limits);
        let netstat =
            "TcpExt: A\nTcpExt: 1\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 70 80\n";
        tree.write("proc/self/net/netstat", netstat);
        let mut out = Exposition::new(Format::Classic);
        Process::below(tree.root()).write(&mut out);
        for line in [
            "process_cpu_seconds_total 1.75",
            "process_max_fds 1024",
            "process_virtual_memory_bytes 4096000",
            "process_virtual_memory_max_bytes 18446744073709551615",
            "process_resident_memory_bytes 1228800",
            "process_start_time_seconds 1700000010",
            "process_network_receive_bytes_total 70",
            "process_network_transmit_bytes_total 80",
        ] {
            assert!(
                out.text.lines().any(|told| told == line),
                "{line}: {}",
                out.text
            );
        }
    }
}
