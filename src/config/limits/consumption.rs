//! What the process's own cgroup has used of its CPU quota and its memory limit.

use super::{Limits, files::Files, groups::Groups};
use std::path::Path;

/// As of one moment; what there is no file for is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Consumption {
    /// The periods of the quota that have ended, and those in which it was used up.
    pub(crate) periods: Option<u64>,
    pub(crate) throttled_periods: Option<u64>,
    /// For how long threads had to wait for the next period, together.
    pub(crate) throttled_nanos: Option<u64>,
    /// The tightest, as in [`Limits`].
    pub(crate) cpu_quota: Option<f64>,
    pub(crate) memory_limit: Option<u64>,
    /// In bytes, with what the kernel could drop.
    pub(crate) memory_usage: Option<u64>,
    pub(crate) oom_kills: Option<u64>,
}

impl Consumption {
    /// Reads the files below `root`, in version 1 and version 2.
    pub(crate) fn read(root: &Path) -> Consumption {
        let limits = Limits::read_from(root);
        let files = Files::below_root(root);
        let groups = Groups::of_this_process(&files);
        let (cpu, memory) = (groups.of("cpu"), groups.of("memory"));
        let first = |groups: &[_], name: &str| {
            let mut texts = groups
                .iter()
                .filter_map(|group: &std::path::PathBuf| files.text(group.join(name)));
            texts.next()
        };
        let statistics = first(&cpu, "cpu.stat").unwrap_or_default();
        let of_cpu = |name| entry(&statistics, name);
        let usage =
            first(&memory, "memory.current").or_else(|| first(&memory, "memory.usage_in_bytes"));
        let events = first(&memory, "memory.events")
            .or_else(|| first(&memory, "memory.oom_control"))
            .unwrap_or_default();
        Consumption {
            periods: of_cpu("nr_periods"),
            throttled_periods: of_cpu("nr_throttled"),
            throttled_nanos: of_cpu("throttled_usec")
                .map(|micros| micros * 1000)
                .or_else(|| of_cpu("throttled_time")),
            cpu_quota: limits.cpu_quota,
            memory_limit: limits.memory_limit,
            memory_usage: usage.and_then(|usage| usage.trim().parse().ok()),
            oom_kills: entry(&events, "oom_kill"),
        }
    }
}

/// The number of a line such as `nr_periods 7`.
fn entry(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(known, _)| *known == name)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests;
