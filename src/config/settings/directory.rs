//! `CONFIG_DIR`: a directory with one file for each setting, as the kubelet mounts a ConfigMap or a Secret.
//!
//! There `NAME` is a link to `..data/NAME` and `..data` one to a directory with a time in its name. A change makes a new
//! directory and renames a new link over `..data`, so that everything changes at once for whoever reads through one and
//! the same target; inotify tells it in several ways, and asking for the link takes microseconds.

use super::source::read_file;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// What the kubelet swaps.
const DATA: &str = "..data";

/// How often a swap may come between the first file and the last, before a reading is given up.
const ATTEMPTS: usize = 3;

/// What a directory held at one moment: every file from the same side of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Where `..data` led; none in a directory that has no such link, whose changes nobody is told of.
    version: Option<PathBuf>,
    files: BTreeMap<String, Result<String, String>>,
}

impl Directory {
    /// Reads all of it.
    ///
    /// # Errors
    /// Where it is not to be read, or was changed each time before it was read to the end.
    pub(crate) fn read(path: &Path) -> io::Result<Directory> {
        for _ in 0..ATTEMPTS {
            let version = version(path);
            let read = read_files(&version.as_ref().map_or(path.to_owned(), |to| path.join(to)));
            if self::version(path) == version {
                return Ok(Directory {
                    path: path.to_owned(),
                    version,
                    files: read?,
                });
            }
        }
        Err(io::Error::other("it changed while it was read"))
    }

    /// Reads all of it, where it is still a mounted volume.
    ///
    /// # Errors
    /// As [`read`](Directory::read), and where there is no link now: what swaps it in two steps may be between them.
    pub(crate) fn read_mounted(path: &Path) -> io::Result<Directory> {
        let directory = Directory::read(path)?;
        match directory.is_watched() {
            true => Ok(directory),
            false => Err(io::Error::other("its ..data link is gone")),
        }
    }

    /// Whether its changes are noticed: whether it has the link that the kubelet swaps.
    pub(crate) fn is_watched(&self) -> bool {
        self.version.is_some()
    }

    /// Whether there is something else by now. One system call.
    pub(crate) fn has_changed(&self) -> bool {
        self.is_watched() && version(&self.path) != self.version
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of this setting, where it is not empty, and its text or why that cannot be had.
    pub(super) fn find(&self, name: &str) -> Option<(PathBuf, Result<String, String>)> {
        let text = self.files.get(name)?;
        let is_given = text.as_ref().map_or(true, |text| !text.is_empty());
        is_given.then(|| (self.path.join(name), text.clone()))
    }

    /// The name of every file that may be a setting's.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The names whose text is another in `other`, or is in one of the two only; in order.
    pub(crate) fn differing(&self, other: &Directory) -> Vec<String> {
        let mut differing = Vec::new();
        for name in self.files.keys().chain(other.files.keys()) {
            if self.files.get(name) != other.files.get(name)
                && let Err(place) = differing.binary_search(name)
            {
                differing.insert(place, name.clone());
            }
        }
        differing
    }
}

fn version(path: &Path) -> Option<PathBuf> {
    fs::read_link(path.join(DATA)).ok()
}

/// Every file that may be a setting's. The kubelet's own names begin with two dots.
fn read_files(directory: &Path) -> io::Result<BTreeMap<String, Result<String, String>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if is_setting(&name) {
            let text = read_file(&entry.path()).map_err(|problem| problem.to_string());
            files.insert(name, text);
        }
    }
    Ok(files)
}

/// Whether a variable could have this name: what else lies there, such as a certificate, is not read.
fn is_setting(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_part) && !name.starts_with(|first: char| first.is_ascii_digit())
}
