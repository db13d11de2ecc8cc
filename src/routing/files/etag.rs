//! Entity tags from what files hold, so that replicas of one image agree on them and versions with equal times do not.

use super::root::Opened;
use std::{
    collections::HashMap,
    fs::{File, Metadata},
    hash::{DefaultHasher, Hasher},
    io, mem,
    os::unix::fs::{FileExt, MetadataExt},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How many versions of files are remembered at least; at most twice as many, about 100 bytes each.
const REMEMBERED: usize = 2048;

/// A file that changed less than this ago may change once more without its times telling, which some filesystems keep
/// in steps of a second or two.
const SETTLED: Duration = Duration::from_secs(2);

/// What is read at a time.
const PIECE: usize = 64 * 1024;

/// The tags of files, each computed once for a version of a file; whoever else wants it meanwhile waits.
#[derive(Default)]
pub(super) struct ETags {
    generations: Mutex<Generations>,
}

/// What was asked for lately, and what was before; the latter goes when the former is full.
#[derive(Default)]
struct Generations {
    young: HashMap<Version, Computed>,
    old: HashMap<Version, Computed>,
}

/// None where the file could not be read.
type Computed = Arc<OnceLock<Option<u64>>>;

/// What changes when a file does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl ETags {
    /// The tag of an open file, in quotes: a strong one (RFC 9110 section 8.8.1). Reads the file where its version is
    /// not known, all of it.
    ///
    /// # Errors
    /// Where the file cannot be read, or has become shorter.
    pub(super) fn of(&self, opened: &Opened) -> io::Result<String> {
        let Opened { file, metadata } = opened;
        let version = Version::of(metadata);
        let known = match version.is_settled(SystemTime::now()) {
            true => *self
                .computed(version)
                .get_or_init(|| hash(file, version.size).ok()),
            false => None,
        };
        let hash = match known {
            Some(hash) => hash,
            None => hash(file, version.size)?,
        };
        Ok(format!("\"{hash:016x}\""))
    }

    fn computed(&self, version: Version) -> Computed {
        let mut generations = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Generations { young, old } = &mut *generations;
        if let Some(computed) = young.get(&version) {
            return Arc::clone(computed);
        }
        if young.len() >= REMEMBERED {
            *old = mem::take(young);
        }
        let computed = old.remove(&version).unwrap_or_default();
        young.insert(version, Arc::clone(&computed));
        computed
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Version {
        Version {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::from_secs(self.changed.0.try_into().unwrap_or(0));
        since_epoch.abs_diff(changed) > SETTLED
    }
}

/// The first `size` bytes in one number, which is the same in every process of a build: std's hasher has fixed keys.
fn hash(file: &File, size: u64) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    let mut piece = vec![0; PIECE.min(size.try_into().unwrap_or(PIECE))];
    let mut at = 0;
    while at < size {
        let wanted = piece.len().min((size - at).try_into().unwrap_or(PIECE));
        file.read_exact_at(&mut piece[..wanted], at)?;
        hasher.write(&piece[..wanted]);
        at += wanted as u64;
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests;
