//! A volume as the kubelet mounts it, for tests.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// A directory whose files all change at once; removed when dropped.
pub(crate) struct Mounted {
    path: PathBuf,
    versions: AtomicU64,
}

impl Mounted {
    pub(crate) fn new(files: &[(&str, &str)]) -> Mounted {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Relaxed);
        let name = format!("seaworthy-unit-{}-{number}", process::id());
        let mounted = Mounted {
            path: env::temp_dir().join(name),
            versions: AtomicU64::new(0),
        };
        fs::create_dir_all(&mounted.path).unwrap();
        mounted.swap(files);
        mounted
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// As the kubelet's AtomicWriter does it: a new directory, a new link, which is renamed over the old one.
    pub(crate) fn swap(&self, files: &[(&str, &str)]) {
        let version = format!("..version_{}", self.versions.fetch_add(1, Relaxed));
        let (target, link) = (self.path.join(&version), self.path.join("..data_tmp"));
        fs::create_dir(&target).unwrap();
        for (name, text) in files {
            fs::write(target.join(name), text).unwrap();
            let _ = symlink(Path::new("..data").join(name), self.path.join(name));
        }
        let old = fs::read_link(self.path.join("..data"));
        symlink(&version, &link).unwrap();
        fs::rename(&link, self.path.join("..data")).unwrap();
        if let Ok(old) = old {
            fs::remove_dir_all(self.path.join(old)).unwrap();
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
