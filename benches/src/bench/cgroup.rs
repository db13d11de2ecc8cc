//! A control group of the server's own: its CPU quota, its CPU time to the nanosecond and the
//! memory that a pod would be charged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const PERIOD_MICROS: u64 = 100_000;

/// Where this machine lets control groups be made.
pub enum Hierarchy {
    V1 {
        cpu: PathBuf,
        cpuacct: PathBuf,
        memory: PathBuf,
    },
    V2 {
        parent: PathBuf,
    },
    /// Without the right to make one there are no quotas, and CPU time is the process's own.
    None,
}

/// What the processes of a group may take.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    /// Thousandths of a CPU.
    pub quota: Option<u32>,
    /// Bytes.
    pub memory: Option<u64>,
}

impl Hierarchy {
    pub fn find() -> Hierarchy {
        let root = Path::new("/sys/fs/cgroup");
        let hierarchy = Hierarchy::at(root, &own_cgroup(root));
        match hierarchy.create("seaworthy-bench-probe", Limits { quota: Some(1000), memory: None }) {
            Ok(_) => hierarchy,
            Err(_) => Hierarchy::None,
        }
    }

    fn at(root: &Path, own: &Path) -> Hierarchy {
        if root.join("cgroup.controllers").exists() {
            // Only the real root may hold processes and limited groups both. Any other group, which must have been
            // delegated to this user, has to move its processes to a leaf first.
            let ready = [root, own].into_iter().find(|group| delegate(group).is_ok());
            let parent = ready.unwrap_or_else(|| {
                let _ = move_into_leaf(own).and_then(|()| delegate(own));
                own
            });
            Hierarchy::V2 { parent: parent.into() }
        } else if root.join("cpu/cpu.cfs_quota_us").exists() {
            Hierarchy::V1 { cpu: root.join("cpu"), cpuacct: root.join("cpuacct"), memory: root.join("memory") }
        } else {
            Hierarchy::None
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Hierarchy::V1 { .. } => "cgroup v1",
            Hierarchy::V2 { .. } => "cgroup v2",
            Hierarchy::None => "none",
        }
    }

    pub fn can_limit(&self) -> bool {
        !matches!(self, Hierarchy::None)
    }

    /// A new group. One with a quota weighs a hundred times as much as others, so that whatever else
    /// the machine does leaves it its quota.
    pub fn create(&self, name: &str, limits: Limits) -> io::Result<Cgroup> {
        let Limits { quota, memory: most_memory } = limits;
        let quota_micros = quota.map(|millis| u64::from(millis) * PERIOD_MICROS / 1000);
        match self {
            Hierarchy::V1 { cpu, cpuacct, memory } => {
                let [cpu, cpuacct, memory] = [cpu, cpuacct, memory].map(|parent| parent.join(name));
                let group = Cgroup {
                    cpu: Some(cpuacct.join("cpuacct.usage")),
                    memory: Some((memory.join("memory.usage_in_bytes"), memory.join("memory.stat"))),
                    directories: vec![cpu.clone(), cpuacct, memory.clone()],
                };
                group.make()?;
                let limit = quota_micros.map_or("-1".to_string(), |micros| micros.to_string());
                fs::write(cpu.join("cpu.cfs_period_us"), PERIOD_MICROS.to_string())?;
                fs::write(cpu.join("cpu.cfs_quota_us"), limit)?;
                if quota.is_some() {
                    fs::write(cpu.join("cpu.shares"), "102400")?;
                }
                if let Some(bytes) = most_memory {
                    fs::write(memory.join("memory.limit_in_bytes"), bytes.to_string())?;
                }
                Ok(group)
            }
            Hierarchy::V2 { parent } => {
                let path = parent.join(name);
                let group = Cgroup {
                    cpu: Some(path.join("cpu.stat")),
                    memory: Some((path.join("memory.current"), path.join("memory.stat"))),
                    directories: vec![path.clone()],
                };
                group.make()?;
                let limit = quota_micros.map_or("max".to_string(), |micros| micros.to_string());
                fs::write(path.join("cpu.max"), format!("{limit} {PERIOD_MICROS}"))?;
                if quota.is_some() {
                    fs::write(path.join("cpu.weight"), "10000")?;
                }
                if let Some(bytes) = most_memory {
                    fs::write(path.join("memory.max"), bytes.to_string())?;
                }
                Ok(group)
            }
            Hierarchy::None => Ok(Cgroup { directories: Vec::new(), cpu: None, memory: None }),
        }
    }
}

/// One group; removed when dropped, by when its processes must have ended.
pub struct Cgroup {
    directories: Vec<PathBuf>,
    cpu: Option<PathBuf>,
    memory: Option<(PathBuf, PathBuf)>,
}

impl Cgroup {
    fn make(&self) -> io::Result<()> {
        for directory in &self.directories {
            match fs::create_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The files that a process writes its id to in order to join.
    pub fn joins(&self) -> impl Iterator<Item = PathBuf> {
        self.directories.iter().map(|directory| directory.join("cgroup.procs"))
    }

    /// The CPU time of all processes that were ever in it, where the kernel tells.
    pub fn cpu(&self) -> Option<Duration> {
        parse_usage(&fs::read_to_string(self.cpu.as_ref()?).ok()?)
    }

    /// The working set as Kubernetes counts it: all that is charged, less files that may go.
    pub fn memory(&self) -> Option<f64> {
        let (usage, stat) = self.memory.as_ref()?;
        let usage: f64 = fs::read_to_string(usage).ok()?.trim().parse().ok()?;
        Some(usage - parse_inactive(&fs::read_to_string(stat).ok()?)?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for directory in &self.directories {
            // A process that has just been reaped may still be on its way out.
            for _ in 0..20 {
                if fs::remove_dir(directory).is_ok() {
                    break;
                }
                sleep(Duration::from_millis(10));
            }
        }
    }
}

/// `cpuacct.usage` is a number of nanoseconds, `cpu.stat` has a line in microseconds.
fn parse_usage(text: &str) -> Option<Duration> {
    if let Ok(nanos) = text.trim().parse() {
        return Some(Duration::from_nanos(nanos));
    }
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(Duration::from_micros(micros.trim().parse().ok()?))
}

fn parse_inactive(stat: &str) -> Option<f64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?;
    line.trim().parse().ok()
}

fn own_cgroup(root: &Path) -> PathBuf {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let path = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("");
    root.join(path)
}

/// Lets groups below this one have quotas, and count their memory.
fn delegate(group: &Path) -> io::Result<()> {
    fs::write(group.join("cgroup.subtree_control"), "+cpu +memory")
}

fn move_into_leaf(group: &Path) -> io::Result<()> {
    let leaf = group.join("seaworthy-bench-runner");
    fs::create_dir_all(&leaf)?;
    for pid in fs::read_to_string(group.join("cgroup.procs"))?.lines() {
        fs::write(leaf.join("cgroup.procs"), pid)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_both_versions() {
        assert_eq!(parse_usage("1500\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(parse_usage("usage_usec 42\nuser_usec 40\nsystem_usec 2\n"), Some(Duration::from_micros(42)));
        assert_eq!(parse_usage("nonsense"), None);
    }

    #[test]
    fn quotas_of_both_versions() {
        let root = std::env::temp_dir().join(format!("bench-cgroup-{}", std::process::id()));
        for directory in ["v1/cpu", "v1/cpuacct", "v1/memory", "v2"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("v1/cpu/cpu.cfs_quota_us"), "-1").unwrap();
        fs::write(root.join("v2/cgroup.controllers"), "cpu memory").unwrap();

        let half = Limits { quota: Some(500), memory: Some(1 << 20) };
        let v1 = Hierarchy::at(&root.join("v1"), &root);
        let _group = v1.create("half", half).unwrap();
        let quota = fs::read_to_string(root.join("v1/cpu/half/cpu.cfs_quota_us")).unwrap();
        assert_eq!(quota, "50000");
        assert_eq!(fs::read_to_string(root.join("v1/memory/half/memory.limit_in_bytes")).unwrap(), "1048576");

        let v2 = Hierarchy::at(&root.join("v2"), &root);
        let _group = v2.create("half", half).unwrap();
        let quota = fs::read_to_string(root.join("v2/half/cpu.max")).unwrap();
        assert_eq!(quota, "50000 100000");
        assert_eq!(fs::read_to_string(root.join("v2/half/memory.max")).unwrap(), "1048576");
        let _group = v2.create("free", Limits::default()).unwrap();
        let quota = fs::read_to_string(root.join("v2/free/cpu.max")).unwrap();
        assert_eq!(quota, "max 100000");
        fs::remove_dir_all(&root).unwrap();
    }
}
