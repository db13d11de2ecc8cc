//! Checks of what the pod may run out of: disk and memory.

use crate::{
    config::{limits::memory_use::MemoryUse, settings::show_size},
    health::check::Check,
};
use std::path::{Path, PathBuf};

impl<S: 'static> Check<S> {
    /// A check that passes where at least so many bytes are free, for a process without privileges, in the file system
    /// that `path` is in: for volumes, and for what is written to a node's disk.
    ///
    /// While it fails the service is [`degraded`](Check::degraded), unless the check is made
    /// [`unready`](Check::unready). A path that is not there fails.
    ///
    /// ```
    /// # use seaworthy::{Check, Service};
    /// let service = Service::new("store").check(Check::disk_space("uploads", "/data", 256 << 20));
    /// # let _ = service;
    /// ```
    #[cfg(unix)]
    #[must_use]
    pub fn disk_space(
        name: &'static str,
        path: impl Into<PathBuf>,
        at_least_bytes: u64,
    ) -> Check<S> {
        let path = path.into();
        Check::blocking(name, move |_, _| {
            let free = free_bytes(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            match free >= at_least_bytes {
                true => Ok(()),
                false => Err(format!(
                    "less than {} is free at {}",
                    show_size(at_least_bytes),
                    path.display()
                )),
            }
        })
    }

    /// A check that fails while more than so many percent of the memory limit are in use, as the cgroup counts them and
    /// the kubelet does: without the file pages that the kernel can drop. Where several groups limit the process, the
    /// one that is nearest to its limit counts. It passes where there is no limit.
    ///
    /// While it fails the service is [`degraded`](Check::degraded), unless the check is made
    /// [`unready`](Check::unready), which gives a pod the chance to finish what it holds.
    ///
    /// # Panics
    /// Where `percent` is not from 1 to 100.
    #[must_use]
    #[track_caller]
    pub fn memory(name: &'static str, percent: u8) -> Check<S> {
        assert!(
            (1..=100).contains(&percent),
            "a share of the memory limit is from 1 to 100 percent, not {percent}"
        );
        Check::blocking(name, move |_, _| {
            judge(MemoryUse::read(Path::new("/")), percent)
        })
    }
}

fn judge(found: Option<MemoryUse>, percent: u8) -> Result<(), String> {
    match found {
        Some(memory) if memory.is_above(percent) => Err(format!(
            "more than {percent} % of the memory limit of {} are in use",
            show_size(memory.limit)
        )),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> nix::Result<u64> {
    let found = nix::sys::statvfs::statvfs(path)?;
    // Their types differ between systems.
    Ok((found.blocks_available() as u64).saturating_mul(found.fragment_size() as u64))
}
