//! The kernel's files, and whether they could be read.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The files below `root` for one reading: what is not there is no limit, and what cannot be read is remembered.
pub(super) struct Files {
    root: PathBuf,
    failure: RefCell<Option<io::Error>>,
}

impl Files {
    pub(super) fn below_root(root: &Path) -> Files {
        Files {
            root: root.to_owned(),
            failure: RefCell::default(),
        }
    }

    pub(super) fn below(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file's text; `None` where it is not there or cannot be read.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        read_text(&self.root.join(path))
            .inspect_err(|error| self.note(error))
            .ok()
    }

    fn note(&self, error: &io::Error) {
        let is_never_there = matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory
        );
        if !is_never_there {
            let kept = io::Error::new(error.kind(), error.to_string());
            self.failure.borrow_mut().get_or_insert(kept);
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// The first failure of one of these files, such as the want of a descriptor: what was read then tells of fewer
    /// limits than there are.
    pub(super) fn finish(self) -> io::Result<()> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }
}

/// Reads one of the kernel's files. They say that they are empty, so to ask them for their size is in vain, and all this
/// is on the way to the first answer.
fn read_text(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    String::from_utf8(text).map_err(|_| ErrorKind::InvalidData.into())
}
