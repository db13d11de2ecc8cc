//! Control groups of version 1, where the test may make them.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::note;

/// A group of one controller, removed when dropped; drop the server first.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// A group with these limits; `None`, with a note, where that takes rights or a kernel that are not there.
    pub(crate) fn new(controller: &str, limits: &[(&str, &str)]) -> Option<Cgroup> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let made = mount_point(controller).and_then(|mount| {
            let group =
                Cgroup(mount.join(format!("seaworthy-test-{}-{count}", std::process::id())));
            fs::create_dir(&group.0).ok()?;
            limits
                .iter()
                .all(|(file, value)| group.write(file, value))
                .then_some(group)
        });
        if made.is_none() {
            note(&format!(
                "skipped: no {controller} cgroup of version 1 can be made here"
            ));
        }
        made
    }

    pub(crate) fn write(&self, file: &str, value: &str) -> bool {
        fs::write(self.0.join(file), value).is_ok()
    }

    /// For [`Setup::before`](super::Setup::before): the shell enters the group and then becomes the server.
    pub(crate) fn enter(&self) -> String {
        format!("echo $$ > '{}'", self.0.join("cgroup.procs").display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel may still be taking the last process out.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Where a controller's hierarchy is mounted, by `mountinfo` (proc_pid_mountinfo(5)).
fn mount_point(controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let is_v1 = file_system.next()? == "cgroup";
        let options = file_system.nth(1)?;
        let found = is_v1 && options.split(',').any(|option| option == controller);
        found.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}
