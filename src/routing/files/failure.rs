//! What a client is told where a file may be there and cannot be sent.

use crate::message::error::Error;
use nix::errno::Errno;
use std::{io, path::Path};

/// The log is told which file, and why: as an error, but for what permissions forbid, which may well be meant.
pub(super) fn failure(path: &Path, error: &io::Error) -> Error {
    let cause = format!("{}: {error}", path.display());
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => Error::forbidden().because(cause),
        Some(Errno::EMFILE | Errno::ENFILE) => {
            Error::unavailable("too many open files").because(cause)
        }
        _ => Error::internal(cause),
    }
}
