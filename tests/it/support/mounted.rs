//! A ConfigMap as the kubelet mounts it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory whose files all change at once; removed when dropped.
pub(crate) struct Mounted {
    path: PathBuf,
    versions: AtomicUsize,
}

impl Mounted {
    pub(crate) fn new(files: &[(&str, &str)]) -> Mounted {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seaworthy-mounted-{}-{number}", std::process::id());
        let mounted = Mounted {
            path: std::env::temp_dir().join(name),
            versions: AtomicUsize::new(0),
        };
        fs::create_dir_all(&mounted.path).expect("a directory can be made");
        mounted.swap(files);
        mounted
    }

    pub(crate) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// What some other programs do between two versions, and the kubelet never: there is no link for a while.
    pub(crate) fn unlink(&self) {
        fs::remove_file(self.path.join("..data")).expect("there is a link");
    }

    /// What the kubelet's AtomicWriter does (pkg/volume/util/atomic_writer.go): the new files in a new directory, a link to
    /// it as `..data_tmp`, which is renamed over `..data`; then the old directory goes.
    pub(crate) fn swap(&self, files: &[(&str, &str)]) {
        let number = self.versions.fetch_add(1, Ordering::Relaxed);
        let version = format!("..2026_01_01_00_00_00.{number}");
        let directory = self.path.join(&version);
        fs::create_dir(&directory).expect("a directory can be made");
        for (name, value) in files {
            fs::write(directory.join(name), value).expect("a file can be written");
        }
        let data = self.path.join("..data");
        let old = fs::read_link(&data);
        let new = self.path.join("..data_tmp");
        symlink(&version, &new).expect("a link can be made");
        fs::rename(&new, &data).expect("a link can be renamed");
        for (name, _) in files {
            let _ = symlink(Path::new("..data").join(name), self.path.join(name));
        }
        if let Ok(old) = old {
            fs::remove_dir_all(self.path.join(old)).expect("the old directory can be removed");
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
