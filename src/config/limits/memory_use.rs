//! How much of its memory limit the process's cgroup uses.

use super::{UNLIMITED_MEMORY, files::Files, groups::Groups, parse_limit};
use std::path::Path;

/// What one cgroup uses and may use, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// Without file pages that have not been touched for long, which the kernel drops first: the kubelet's *working
    /// set* (<https://kubernetes.io/docs/reference/instrumentation/node-metrics/>).
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

impl MemoryUse {
    /// Reads that of the group that is nearest to its limit, of the process's own and those above it, as the files below
    /// `root` tell; `None` where none has a limit.
    pub(crate) fn read(root: &Path) -> Option<MemoryUse> {
        let files = Files::below_root(root);
        let groups = Groups::of_this_process(&files).of("memory");
        let found = groups
            .iter()
            .filter_map(|group| MemoryUse::of(&files, group));
        found.max_by_key(|memory| u128::from(memory.used) * 1000 / u128::from(memory.limit))
    }

    /// Whether more than so many percent of the limit are in use.
    pub(crate) fn is_above(self, percent: u8) -> bool {
        u128::from(self.used) * 100 > u128::from(self.limit) * u128::from(percent)
    }

    fn of(files: &Files, group: &Path) -> Option<MemoryUse> {
        let text = |name: &str| files.text(group.join(name));
        let (limit, used, inactive) = match text("memory.max") {
            Some(limit) => (limit, text("memory.current")?, "inactive_file "),
            None => (
                text("memory.limit_in_bytes")?,
                text("memory.usage_in_bytes")?,
                "total_inactive_file ",
            ),
        };
        let limit = parse_limit(&limit);
        let used: u64 = used.trim().parse().ok()?;
        let statistics = text("memory.stat").unwrap_or_default();
        let inactive = statistics
            .lines()
            .find_map(|line| line.strip_prefix(inactive)?.parse::<u64>().ok())
            .unwrap_or(0);
        (limit > 0 && limit < UNLIMITED_MEMORY).then_some(MemoryUse {
            used: used.saturating_sub(inactive),
            limit,
        })
    }
}

#[cfg(test)]
mod tests;
