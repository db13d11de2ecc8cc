//! Files that are not whole yet.

use super::storing;
use crate::{config::limits, message::error::Error};
use nix::errno::Errno;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// How a file is called that is not whole yet: this, a random number, and the ending.
pub(super) const PREFIX: &str = ".upload-";
pub(super) const SUFFIX: &str = ".part";

/// Creates a file in `directory` that nobody else has (O_EXCL), to be read and written. The last descriptors that there
/// are it leaves to others: without them neither a probe nor a handler's own connections would get through.
///
/// # Errors
/// 503 or 507 where there are no more descriptors or bytes; the cause is the system's, with the directory's name.
pub(super) fn create_unique(directory: &Path) -> Result<(File, PathBuf), Error> {
    loop {
        let path = directory.join(format!("{PREFIX}{:016x}{SUFFIX}", fastrand::u64(..)));
        let mut options = OpenOptions::new();
        let created = options.read(true).write(true).create_new(true).open(&path);
        let error = match created {
            Ok(file) if limits::is_spare_descriptor(file.as_raw_fd()) => {
                // It holds nothing yet, and goes as what a killed process leaves does where this fails.
                let _ = fs::remove_file(&path);
                io::Error::from(Errno::EMFILE)
            }
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            Err(error) => error,
        };
        let directory = directory.display();
        let cause = format!("no file can be created in {directory}: {error}");
        return Err(storing::because(&error, cause));
    }
}
