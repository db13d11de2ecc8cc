//! What this process may use: CPUs, their quota, memory and descriptors, as its cgroup and the kernel say.
//!
//! Quota and memory limit are the tightest from the process's own group up to the topmost that is visible, in
//! version 1, version 2 and mixed hierarchies. Nothing is remembered between readings, so that a pod that is resized
//! in place can be read again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// Handlers block, on a database or on another service, most of their time: so many of them share a CPU.
pub(crate) const WORKERS_PER_CPU: usize = 4;

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
            descriptor_limit: descriptors::limit(),
            ..Limits::read_from(Path::new("/"))
        }
    }

    /// Reads the limits as the files below `root` tell them, but for the descriptors.
    pub(crate) fn read_from(root: &Path) -> Limits {
        let groups = Groups::of_this_process(root);
        Limits {
            // `num_cpus::get` applies the quota of its first call for ever, which a resize makes wrong; and the
            // standard library rounds the quota down. So the kernel is asked, and `num_cpus` where it does not say.
            cpus: allowed_cpus(root).unwrap_or_else(num_cpus::get).max(1),
            cpu_quota: groups
                .of("cpu")
                .iter()
                .filter_map(|group| cpu_quota(group))
                .reduce(f64::min),
            memory_limit: memory_limit(&groups.of("memory")),
            descriptor_limit: None,
        }
    }

    /// How many handlers should run at once: the quota, else the CPUs, rounded up to whole ones, times four since
    /// handlers block; at least 2. A quota above the CPUs counts as the CPUs.
    pub fn default_workers(&self) -> usize {
        (self.whole_cpus() * WORKERS_PER_CPU).max(2)
    }

    /// The CPUs that can be kept busy, rounded up.
    pub(crate) fn whole_cpus(&self) -> usize {
        let quota = self
            .cpu_quota
            .map_or(self.cpus, |quota| quota.ceil() as usize);
        quota.min(self.cpus).max(1)
    }
}

/// Reads one of the kernel's files. They say that they are empty, so a buffer that follows what they say grows from
/// 32 bytes, a system call each time, and all this is on the way to the first answer.
fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::with_capacity(8 * 1024);
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
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

/// Where the process stands in every hierarchy, and where those are mounted.
struct Groups {
    root: PathBuf,
    memberships: String,
    mounts: Vec<Mount>,
}

/// A mounted cgroup hierarchy, or the part of one below `top`.
struct Mount {
    top: String,
    point: String,
    /// The controllers of a version 1 hierarchy; `None` is version 2.
    controllers: Option<String>,
}

impl Groups {
    fn of_this_process(root: &Path) -> Groups {
        let text = |name: &str| read_text(root.join("proc/self").join(name)).unwrap_or_default();
        Groups {
            root: root.to_owned(),
            memberships: text("cgroup"),
            mounts: text("mountinfo").lines().filter_map(Mount::parse).collect(),
        }
    }

    /// The directories of the groups that bound the process's use of what `controller` controls, its own group first
    /// in each hierarchy. A hierarchy that does not have the controller has no such files, so it does no harm here.
    fn of(&self, controller: &str) -> Vec<PathBuf> {
        let memberships = self.memberships.lines().filter_map(parse_membership);
        let with_controller = memberships
            .filter(|(controllers, _)| has(controllers, controller) || controllers.is_empty());
        with_controller
            .flat_map(|(controllers, group)| self.lineage(controllers, group, controller))
            .collect()
    }

    fn lineage(&self, controllers: &str, group: &str, controller: &str) -> Vec<PathBuf> {
        let mounted: Vec<&Mount> = self
            .mounts
            .iter()
            .filter(|mount| mount.shows(controllers, controller))
            .collect();
        let below_top = mounted
            .iter()
            .filter_map(|mount| Some(self.upwards(mount, mount.below_top(group)?)));
        let groups: Vec<PathBuf> = below_top.flatten().collect();
        match mounted.first() {
            // The group lies outside of what is mounted, as when the container was moved or has the host's view of
            // itself: the top of the mount is then the nearest that can be known.
            Some(mount) if groups.is_empty() => self.upwards(mount, ""),
            _ => groups,
        }
    }

    /// The directories from the group up to the mount point.
    fn upwards(&self, mount: &Mount, group: &str) -> Vec<PathBuf> {
        let point = self.root.join(mount.point.trim_start_matches('/'));
        let own = point.join(group.trim_start_matches('/'));
        own.ancestors()
            .take_while(|group| group.starts_with(&point))
            .map(Path::to_owned)
            .collect()
    }
}

impl Mount {
    /// A line of `mountinfo`: `36 35 98:0 /top /point options [fields] - type source options`.
    fn parse(line: &str) -> Option<Mount> {
        let (placed, kind) = line.split_once(" - ")?;
        let mut placed = placed.split(' ').skip(3);
        let (top, point) = (placed.next()?, placed.next()?);
        let mut kind = kind.split(' ');
        let controllers = match kind.next()? {
            "cgroup" => Some(kind.nth(1)?.to_owned()),
            "cgroup2" => None,
            _ => return None,
        };
        Some(Mount {
            top: unescape(top),
            point: unescape(point),
            controllers,
        })
    }

    fn shows(&self, membership: &str, controller: &str) -> bool {
        match &self.controllers {
            Some(options) => has(options, controller) && has(membership, controller),
            None => membership.is_empty(),
        }
    }

    /// The group's path below the top of this mount; `None` where it lies elsewhere.
    fn below_top<'a>(&self, group: &'a str) -> Option<&'a str> {
        let below = group.strip_prefix(self.top.trim_end_matches('/'))?;
        let inside = (below.is_empty() || below.starts_with('/'))
            && !below.split('/').any(|part| part == "..");
        inside.then_some(below)
    }
}

/// A line of `/proc/self/cgroup`, `4:cpu,cpuacct:/group`, as controllers and group; version 2 names no controllers.
fn parse_membership(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    rest.split_once(':')
}

fn has(list: &str, word: &str) -> bool {
    list.split(',').any(|listed| listed == word)
}

/// Undoes what the kernel does to spaces, tabs, newlines and backslashes in `mountinfo`.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

fn cpu_quota(group: &Path) -> Option<f64> {
    let text = |name: &str| read_text(group.join(name)).ok();
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
fn memory_limit(groups: &[PathBuf]) -> Option<u64> {
    let mut tightest = u64::MAX;
    let mut limit_above_is_known = false;
    for group in groups {
        let text = |name: &str| read_text(group.join(name)).ok();
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
fn allowed_cpus(root: &Path) -> Option<usize> {
    let status = read_text(root.join("proc/self/status")).ok()?;
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    // The list names CPUs that could be plugged in too, on some virtual machines a hundred more than there are.
    let online = read_text(root.join("sys/devices/system/cpu/online")).ok()?;
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

pub(crate) use descriptors::raise_descriptor_limit;

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

    pub(super) fn limit() -> Option<u64> {
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

    pub(super) fn limit() -> Option<u64> {
        None
    }
}
