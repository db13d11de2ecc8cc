//! What this process may use: CPUs, their quota, memory and descriptors, as its cgroup and the kernel say.
//!
//! Quota and memory limit are the tightest from the process's own group up to the topmost that is visible, in
//! version 1, version 2 and mixed hierarchies. Nothing is remembered between readings, so that a pod that is resized
//! in place can be read again: [`Limits::reread`], and before memory grows, [`MemoryLimit`].

use std::io;
use std::path::{Path, PathBuf};

use files::Files;
use groups::Groups;

pub(crate) mod consumption;
mod files;
mod groups;
pub(crate) mod memory_use;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod usage;

/// Handlers block, on a database or on another service, most of their time: so many of them share a CPU.
///
/// Measured under half a CPU with 32 clients, with 4, 8, 16 and 32 of them: handlers that wait for 5 ms were answered 763,
/// 1,536, 3,076 and 6,074 times a second (by axum's 512 blocking threads 5,858 times), handlers that compute for 1 ms
/// between 579 and 604 times by each. A thread that rests takes 16 KiB of memory.
pub(crate) const WORKERS_PER_CPU: usize = 32;

/// Two threads at a time take what comes on a reactor's sockets.
pub(crate) const CPUS_PER_REACTOR: usize = 2;

/// Beyond that a reactor's share of the connections becomes small before its processors are busy.
const MOST_REACTORS: usize = 8;

/// Version 1 writes "no limit" as the largest number of whole pages; the page size is not worth asking for.
const UNLIMITED_MEMORY: u64 = 1 << 62;

/// What this process may use, as read at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// CPUs that the process may run on, whatever its quota; at least 1.
    pub cpus: usize,
    /// The CPU time that the cgroup grants per wall-clock time, in CPUs: `0.5` is Kubernetes' `500m`. `None` without
    /// a quota.
    pub cpu_quota: Option<f64>,
    /// The memory limit in bytes; `None` without one.
    pub memory_limit: Option<u64>,
    /// How many descriptors the process may have open (the soft limit); `None` where that cannot be told.
    pub descriptor_limit: Option<u64>,
}

impl Limits {
    /// Reads the limits of this process. What cannot be read counts as unlimited, and for the CPUs `num_cpus` is asked.
    pub fn read() -> Limits {
        Limits {
            descriptor_limit: descriptor_limit(),
            ..Limits::read_from(Path::new("/"))
        }
    }

    /// Reads them again, below `root` as [`read`](Limits::read) does below `/`.
    ///
    /// # Errors
    /// Where one of the files is there and cannot be read now, as for want of a descriptor: to take that for no limit
    /// would have the service grow when it should not.
    pub(crate) fn reread(root: &Path) -> io::Result<Limits> {
        let files = Files::below_root(root);
        let limits = Limits {
            descriptor_limit: descriptor_limit(),
            ..Limits::read_through(&files)
        };
        files.finish().map(|()| limits)
    }

    /// Reads the limits as the files below `root` tell them, but for the descriptors.
    pub(crate) fn read_from(root: &Path) -> Limits {
        Limits::read_through(&Files::below_root(root))
    }

    fn read_through(files: &Files) -> Limits {
        let groups = Groups::of_this_process(files);
        let quotas = groups.of("cpu");
        Limits {
            // `num_cpus::get` applies the quota of its first call for ever, which a resize makes wrong; and the
            // standard library rounds the quota down. So the kernel is asked, and `num_cpus` where it does not say.
            cpus: allowed_cpus(files).unwrap_or_else(num_cpus::get).max(1),
            cpu_quota: quotas
                .iter()
                .filter_map(|group| cpu_quota(files, group))
                .reduce(f64::min),
            memory_limit: memory_limit(files, &groups.of("memory")),
            descriptor_limit: None,
        }
    }

    /// How many handlers should run at once: the quota, else the CPUs, rounded up to whole ones, times 32 since handlers
    /// wait most of their time. A quota above the CPUs counts as the CPUs.
    pub fn default_workers(&self) -> usize {
        self.whole_cpus() * WORKERS_PER_CPU
    }

    /// How many reactors should drive the sockets: one for each two CPUs that can be kept busy, since the thread that
    /// leads and the one that stands by keep two busy, and at most 8.
    pub(crate) fn default_reactors(&self) -> usize {
        self.whole_cpus()
            .div_ceil(CPUS_PER_REACTOR)
            .min(MOST_REACTORS)
    }

    /// The CPUs that can be kept busy, rounded up.
    pub(crate) fn whole_cpus(&self) -> usize {
        let quota = self
            .cpu_quota
            .map_or(self.cpus, |quota| quota.ceil() as usize);
        quota.min(self.cpus).max(1)
    }
}

/// CPUs in decimal notation, to the thousandth as Kubernetes counts them, without the code that prints any float.
pub(crate) fn show_cpus(cpus: f64) -> String {
    let thousandths = (cpus * 1000.0).round() as u64;
    let digits = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// The files that tell the memory limit, found once: reading those few again takes some microseconds.
pub(crate) struct MemoryLimit {
    root: PathBuf,
    groups: Vec<PathBuf>,
}

impl MemoryLimit {
    /// Finds them below `root`.
    pub(crate) fn find(root: &Path) -> MemoryLimit {
        let files = Files::below_root(root);
        MemoryLimit {
            root: root.to_owned(),
            groups: Groups::of_this_process(&files).of("memory"),
        }
    }

    /// The limit now, in bytes; `None` without one.
    ///
    /// # Errors
    /// As [`Limits::reread`].
    pub(crate) fn read(&self) -> io::Result<Option<u64>> {
        let files = Files::below_root(&self.root);
        let limit = memory_limit(&files, &self.groups);
        files.finish().map(|()| limit)
    }
}

fn cpu_quota(files: &Files, group: &Path) -> Option<f64> {
    let text = |name: &str| files.text(group.join(name));
    let (quota, period) = match text("cpu.max") {
        Some(line) => {
            let (quota, period) = line.trim().split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
        None => (text("cpu.cfs_quota_us")?, text("cpu.cfs_period_us")?),
    };
    // "max" and -1, the two ways of writing "no quota", are no unsigned numbers.
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok()?;
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// The tightest limit of these groups, of which the process's own comes first.
fn memory_limit(files: &Files, groups: &[PathBuf]) -> Option<u64> {
    let mut tightest = u64::MAX;
    let mut limit_above_is_known = false;
    for group in groups {
        let text = |name: &str| files.text(group.join(name));
        if let Some(limit) = text("memory.max") {
            tightest = tightest.min(parse_limit(&limit));
        } else if let Some(limit) = text("memory.limit_in_bytes") {
            tightest = tightest.min(parse_limit(&limit));
            // Version 1 tells here what all groups above allow, even those that a container cannot see.
            if !limit_above_is_known && let Some(statistics) = text("memory.stat") {
                let above = statistics
                    .lines()
                    .find_map(|line| line.strip_prefix("hierarchical_memory_limit "));
                limit_above_is_known = above.is_some();
                tightest = tightest.min(above.map_or(u64::MAX, parse_limit));
            }
        }
    }
    (tightest < UNLIMITED_MEMORY).then_some(tightest)
}

/// A limit in bytes; `max`, which is no number, is the largest.
fn parse_limit(text: &str) -> u64 {
    text.trim().parse().unwrap_or(u64::MAX)
}

/// The CPUs that the process's affinity and its cpuset leave it, of those that are online.
fn allowed_cpus(files: &Files) -> Option<usize> {
    let status = files.text("proc/self/status")?;
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    // The list names CPUs that could be plugged in too, on some virtual machines a hundred more than there are.
    let online = files.text("sys/devices/system/cpu/online")?;
    let (allowed, online) = (parse_ranges(allowed)?, parse_ranges(&online)?);
    let pairs = allowed
        .iter()
        .flat_map(|one| online.iter().map(move |other| (one, other)));
    let common =
        pairs.map(|(one, other)| (one.1.min(other.1) + 1).saturating_sub(one.0.max(other.0)));
    Some(common.sum()).filter(|cpus| *cpus > 0)
}

/// A list such as `0-3,8`, as pairs of the first and the last of each range.
fn parse_ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        Some((first as usize, last as usize))
    };
    list.trim().split(',').map(range).collect()
}

pub(crate) use descriptors::{limit as descriptor_limit, raise_descriptor_limit};

/// Descriptors kept for everything that is no connection and no upload: log, listeners, pollers, files and clients of the
/// service.
const SPARE_DESCRIPTORS: u64 = 32;

/// What each reactor after the first has of its own: its poller, twice, and what wakes it and times it.
const DESCRIPTORS_PER_REACTOR: u64 = 4;

/// Descriptors kept where there are so many reactors.
pub(crate) fn spare_descriptors(reactors: usize) -> u64 {
    SPARE_DESCRIPTORS + DESCRIPTORS_PER_REACTOR * (reactors as u64).saturating_sub(1)
}

/// How many descriptors there are for connections and what they are stored to, at least one; none where there is no limit.
pub(crate) fn descriptors_for_connections(limit: Option<u64>, reactors: usize) -> Option<u64> {
    let left = |descriptors: u64| descriptors.saturating_sub(spare_descriptors(reactors));
    limit.map(|descriptors| left(descriptors).max(1))
}

/// Whether this descriptor, the lowest that was free (POSIX.1-2024, 2.6), is among the last half of those that are
/// kept. The process has some open before any connection, so that the other half is never all there.
pub(crate) fn is_spare_descriptor(descriptor: i32) -> bool {
    let kept = SPARE_DESCRIPTORS / 2;
    let limit = descriptor_limit().unwrap_or(u64::MAX);
    u64::try_from(descriptor).is_ok_and(|descriptor| descriptor >= limit.saturating_sub(kept))
}

#[cfg(unix)]
mod descriptors {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    /// Raises the limit on open descriptors to the highest that needs no privilege, and returns the limit then in
    /// force. It comes before [`Limits::read`](super::Limits::read), which bounds the connections by what it finds.
    pub(crate) fn raise_descriptor_limit() -> u64 {
        if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
            && soft < hard
        {
            // A refusal leaves the soft limit, which is what is then reported: macOS refuses an infinite one.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        limit().unwrap_or(u64::MAX)
    }

    /// The soft limit on open descriptors.
    pub(crate) fn limit() -> Option<u64> {
        getrlimit(Resource::RLIMIT_NOFILE)
            .ok()
            .map(|(soft, _)| soft)
    }
}

#[cfg(not(unix))]
mod descriptors {
    /// There is no limit to raise here.
    pub(crate) fn raise_descriptor_limit() -> u64 {
        u64::MAX
    }

    pub(crate) fn limit() -> Option<u64> {
        None
    }
}
