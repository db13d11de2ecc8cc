//! What the process has used of CPU and memory.

use super::{files::Files, groups::Groups};
use std::path::Path;

/// What was used up to one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time of the process, in nanoseconds.
    pub(crate) cpu: u64,
    /// For how long the process's cgroup, or one above it, was kept from running, in nanoseconds: of the one that waited
    /// longest.
    pub(crate) throttled: u64,
    /// Bytes of memory: what the cgroup counts without file pages that can be dropped, and without a cgroup what of the
    /// process is resident.
    pub(crate) memory: u64,
}

/// Reads it; what cannot be read is 0.
pub(crate) fn read() -> Usage {
    read_from(Path::new("/"))
}

fn read_from(root: &Path) -> Usage {
    let files = Files::below_root(root);
    let groups = Groups::of_this_process(&files);
    let throttled = groups
        .of("cpu")
        .iter()
        .filter_map(|group| {
            let statistics = files.text(group.join("cpu.stat"))?;
            throttled(&statistics)
        })
        .max();
    Usage {
        cpu: cpu_time(),
        throttled: throttled.unwrap_or(0),
        memory: resident(&files).unwrap_or(0),
    }
}

/// In version 2 in microseconds, in version 1 in nanoseconds.
fn throttled(statistics: &str) -> Option<u64> {
    let number = |name: &str| {
        let mut lines = statistics.lines();
        lines.find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    number("throttled_usec ")
        .map(|micros| micros.saturating_mul(1000))
        .or_else(|| number("throttled_time "))
}

/// What of the process is in memory, in bytes.
fn resident(files: &Files) -> Option<u64> {
    let status = files.text("proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// CPU time of the process, in nanoseconds; 0 where it cannot be told.
#[cfg(unix)]
pub(crate) fn cpu_time() -> u64 {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return 0;
    };
    let nanos = usage.user_time().num_nanoseconds() + usage.system_time().num_nanoseconds();
    u64::try_from(nanos).unwrap_or(0)
}

#[cfg(not(unix))]
pub(crate) fn cpu_time() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_is_told_alike_by_both_versions_of_control_groups() {
        let two = "usage_usec 5\nnr_periods 3\nnr_throttled 1\nthrottled_usec 1500\n";
        let one = "nr_periods 3\nnr_throttled 1\nthrottled_time 1500000\n";
        assert_eq!(throttled(two), Some(1_500_000));
        assert_eq!(throttled(one), Some(1_500_000));
        assert_eq!(throttled("usage_usec 5\n"), None, "a group without a quota");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_this_process_uses_is_found() {
        let before = read();
        let sum = std::hint::black_box((0..20_000_000_u64).fold(0, u64::wrapping_add));
        let after = read();
        assert!(sum > 0 && after.cpu > before.cpu, "{before:?} {after:?}");
        assert!(after.memory > 1 << 20, "{after:?}");
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        let found = read_from(Path::new("/nowhere/at/all"));
        assert_eq!((found.throttled, found.memory), (0, 0));
    }
}
