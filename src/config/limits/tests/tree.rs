//! Written files in the place of the kernel's.

use crate::config::limits::Limits;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// A file system in a directory of this test alone, removed when the test ends.
pub(crate) struct Tree(PathBuf);

impl Tree {
    pub(crate) fn new(mountinfo: &str, cgroup: &str) -> Tree {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seaworthy-cgroup-{}-{number}", std::process::id());
        let tree = Tree(std::env::temp_dir().join(name));
        tree.write("proc/self/mountinfo", mountinfo);
        tree.write("proc/self/cgroup", cgroup);
        tree
    }

    pub(crate) fn cpus(&self, allowed: &str, online: &str) {
        let status = format!(
            "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\nMems_allowed:\t1\n"
        );
        self.write("proc/self/status", &status);
        self.write("sys/devices/system/cpu/online", &format!("{online}\n"));
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A process in the only group of version 2, with this quota and this memory limit.
    pub(crate) fn of_version_2(cpu_max: &str, memory_max: &str) -> Tree {
        let mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let tree = Tree::new(mount, "0::/\n");
        tree.cpus("0-63", "0-63");
        tree.resize(cpu_max, memory_max);
        tree
    }

    /// What a resize in place writes.
    pub(crate) fn resize(&self, cpu_max: &str, memory_max: &str) {
        for (file, text) in [("cpu.max", cpu_max), ("memory.max", memory_max)] {
            // Never seen half written, as the kernel's are not.
            self.write("written", text);
            let file = self.0.join("sys/fs/cgroup").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::rename(self.0.join("written"), file).unwrap();
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::read_from(&self.0)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
