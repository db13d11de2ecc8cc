//! Opening what lies below a directory, and nothing that does not.
//!
//! Links are followed here and not by the kernel: every step is taken from a directory that is held open, `..` goes back
//! to the one before, and the root has none before it. So whatever is renamed, replaced or linked meanwhile, what is
//! opened was below the root when it was looked at. Nothing but regular files is opened for reading: opening a FIFO or
//! a device alone may do something to it.

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, readlinkat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

/// As many links as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// How often a path is followed at most, where links or the root are swapped meanwhile.
const MOST_ATTEMPTS: usize = 64;

/// A directory only to go on from: this needs no right to list it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SEARCHED: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SEARCHED: OFlag = OFlag::O_DIRECTORY.union(OFlag::O_CLOEXEC);

/// A regular file; without waiting, should it have become a FIFO.
const READ: OFlag = OFlag::O_NONBLOCK
    .union(OFlag::O_NOCTTY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// The directory, held open.
pub(super) struct Root<'a> {
    path: &'a Path,
    fd: OwnedFd,
}

/// What a path leads to.
pub(super) enum Entry {
    File(Opened),
    Directory,
    Nothing,
}

/// A regular file and what it was when it was opened.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) metadata: Metadata,
}

/// Opens what `below` leads to, from the directory at `path`, and that directory with it.
///
/// A mounted ConfigMap is a directory of links to files of a directory that a link names, and is updated by replacing
/// that link and removing what it named; a checkout is swapped in the same way at its root. What is not found is
/// therefore looked for again, until the same links in the same root have led to nothing twice: a file that each version
/// has is found.
///
/// # Errors
/// Where the root cannot be opened, and as [`Root::entry`].
pub(super) fn find<'a>(path: &'a Path, below: &Path) -> io::Result<(Root<'a>, Entry)> {
    let (mut seen, mut attempts) = (None, 0);
    loop {
        attempts += 1;
        let is_last = attempts == MOST_ATTEMPTS;
        let root = match Root::open(path) {
            Err(error) if is_absence(&error) && !is_last => continue,
            opened => opened?,
        };
        let mut links = Vec::new();
        let entry = root.follow(below, &mut links)?;
        let is_there = !matches!(entry, Entry::Nothing);
        if is_there || is_last {
            return Ok((root, entry));
        }
        let way = (root.version()?, links);
        if seen.as_ref() == Some(&way) {
            return Ok((root, entry));
        }
        seen = Some(way);
    }
}

impl<'a> Root<'a> {
    fn open(path: &'a Path) -> io::Result<Root<'a>> {
        let fd = nix::fcntl::open(path, SEARCHED, Mode::empty())?;
        Ok(Root { path, fd })
    }

    /// What differs where the path has led to another directory, even one that has got the number of the last, or where
    /// something in it was removed meanwhile.
    fn version(&self) -> io::Result<(u64, i64, i64)> {
        let stat = fstat(&self.fd)?;
        Ok((stat.st_ino, stat.st_ctime, stat.st_ctime_nsec))
    }

    /// What `below` leads to at this moment.
    ///
    /// # Errors
    /// Where it may be there and cannot be opened: permissions, descriptors, a failing disk.
    pub(super) fn entry(&self, below: &Path) -> io::Result<Entry> {
        self.follow(below, &mut Vec::new())
    }

    fn follow(&self, below: &Path, links: &mut Vec<OsString>) -> io::Result<Entry> {
        match self.walk(below, links) {
            Err(error) if is_absence(&error) => Ok(Entry::Nothing),
            result => result,
        }
    }

    /// Follows a path and the links on it, and leaves their targets in `links`.
    fn walk(&self, below: &Path, links: &mut Vec<OsString>) -> io::Result<Entry> {
        let mut inside: Vec<OwnedFd> = Vec::new();
        let mut ahead = Vec::new();
        push_steps(&mut ahead, below);
        while let Some(step) = ahead.pop() {
            let here = inside.last().unwrap_or(&self.fd).as_fd();
            if step == ".." {
                match inside.pop() {
                    Some(_) => continue,
                    None => return Ok(Entry::Nothing),
                }
            }
            let stat = fstatat(here, &*step, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            match kind(&stat) {
                SFlag::S_IFDIR => {
                    let flags = SEARCHED.union(OFlag::O_NOFOLLOW);
                    inside.push(openat(here, &*step, flags, Mode::empty())?);
                }
                SFlag::S_IFLNK if links.len() < MOST_LINKS => {
                    let target = readlinkat(here, &*step)?;
                    if Path::new(&target).is_absolute() {
                        let Some(target) = self.strip(Path::new(&target)) else {
                            return Ok(Entry::Nothing);
                        };
                        inside.clear();
                        push_steps(&mut ahead, &target);
                    } else {
                        push_steps(&mut ahead, Path::new(&target));
                    }
                    links.push(target);
                }
                SFlag::S_IFREG if ahead.is_empty() => return read(here, &step),
                _ => return Ok(Entry::Nothing),
            }
        }
        Ok(Entry::Directory)
    }

    /// An absolute path as seen from the root, where it leads inside, by the root's name as given or as resolved.
    fn strip(&self, target: &Path) -> Option<PathBuf> {
        let below = target.strip_prefix(self.path).ok().map(Path::to_owned);
        below.or_else(|| {
            let resolved = fs::canonicalize(self.path).ok()?;
            target.strip_prefix(resolved).ok().map(Path::to_owned)
        })
    }
}

/// Puts the steps of a path ahead of those that are still to be taken.
fn push_steps(ahead: &mut Vec<OsString>, path: &Path) {
    let steps = path.components().rev().filter_map(|step| match step {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    });
    ahead.extend(steps);
}

/// Opens a file; looked at again, for it may have been replaced since.
fn read(directory: impl AsFd, name: &OsStr) -> io::Result<Entry> {
    let file = File::from(openat(directory, name, READ, Mode::empty())?);
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok(Entry::File(Opened { file, metadata })),
        false => Ok(Entry::Nothing),
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Whether an error means that there is nothing by this name; some only arise where things change under way.
fn is_absence(error: &io::Error) -> bool {
    const ABSENT: [Errno; 6] = [
        Errno::ENOENT,
        Errno::ENOTDIR,
        Errno::ENAMETOOLONG,
        Errno::ELOOP,
        Errno::EINVAL,
        Errno::ESTALE,
    ];
    let code = error.raw_os_error().map(Errno::from_raw);
    code.is_some_and(|code| ABSENT.contains(&code)) || error.kind() == ErrorKind::NotFound
}

#[cfg(test)]
mod tests;
