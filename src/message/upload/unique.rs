//! Files that are not whole yet.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// How a file is called that is not whole yet: this, a random number, and the ending.
pub(super) const PREFIX: &str = ".upload-";
pub(super) const SUFFIX: &str = ".part";

/// Creates a file in `directory` that nobody else has (O_EXCL), to be read and written.
///
/// # Errors
/// The system's, with the directory's name.
pub(super) fn create_unique(directory: &Path) -> io::Result<(File, PathBuf)> {
    loop {
        let path = directory.join(format!("{PREFIX}{:016x}{SUFFIX}", fastrand::u64(..)));
        let mut options = OpenOptions::new();
        match options.read(true).write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                let directory = directory.display();
                let reason = format!("no file can be created in {directory}: {error}");
                return Err(io::Error::new(error.kind(), reason));
            }
        }
    }
}
