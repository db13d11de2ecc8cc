//! What a client is told whose body cannot be stored.

use crate::message::error::Error;
use http::StatusCode;
use nix::errno::Errno;
use std::io::{self, ErrorKind};

/// 507 where the disk has no room for it (RFC 4918 section 11.5), 503 where there is no descriptor to be had, else 500. The
/// log is told why.
pub(super) fn failed(error: io::Error) -> Error {
    because(&error, &error)
}

/// The same, with more for the log than the system's words.
pub(super) fn because(error: &io::Error, cause: impl std::fmt::Display) -> Error {
    let told = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::new(StatusCode::INSUFFICIENT_STORAGE, "there is no room for it")
        }
        _ => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE | Errno::ENFILE) => {
                Error::unavailable("too many files are open at once")
            }
            _ => return Error::internal(cause),
        },
    };
    told.because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_come_again_or_has_sent_too_much_for_the_disk_is_told_so() {
        for (errno, status) in [
            (Errno::ENOSPC, 507),
            (Errno::EDQUOT, 507),
            (Errno::EFBIG, 507),
            (Errno::EMFILE, 503),
            (Errno::ENFILE, 503),
            (Errno::EACCES, 500),
        ] {
            let error = failed(io::Error::from(errno));
            assert_eq!(error.status().as_u16(), status, "{errno}");
            assert!(error.cause().is_some());
            assert_eq!(error.headers().contains_key("retry-after"), status == 503);
        }
    }
}
