//! What a process that was killed has left of its uploads.

use super::{
    sink::Upload,
    unique::{PREFIX, SUFFIX},
};
use std::{
    ffi::OsStr,
    fs::{self, DirEntry},
    io::{self, ErrorKind},
    path::Path,
    time::{Duration, SystemTime},
};

impl Upload {
    /// Removes from `directory` the parts of [files](Upload::to_file) whose process was killed before they were whole:
    /// those that nobody has written to for `age`. Returns how many there were. For a start-up task, or a recurring one
    /// where several pods share the directory; an upload under way is written to every few seconds.
    ///
    /// ```
    /// use seaworthy::{Service, Stop, Upload};
    /// use std::time::Duration;
    ///
    /// let tidy = |_: &Stop| Upload::remove_leftovers("/data", Duration::from_secs(3600)).map(drop);
    /// let service = Service::new("files").on_start("tidy", tidy);
    /// ```
    ///
    /// # Errors
    /// Where the directory cannot be read or a file not removed; one that is gone meanwhile is none.
    pub fn remove_leftovers(directory: impl AsRef<Path>, age: Duration) -> io::Result<usize> {
        let now = SystemTime::now();
        let mut removed = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if is_part(&entry.file_name()) && is_old(&entry, age, now) {
                match fs::remove_file(entry.path()) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }
}

fn is_part(name: &OsStr) -> bool {
    let number = |name: &str| {
        let number = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        Some(number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.to_str().and_then(number).unwrap_or(false)
}

/// Whether nobody has written to it for so long; one whose time is not known is taken for new.
fn is_old(entry: &DirEntry, age: Duration, now: SystemTime) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified());
    let rests = written.map(|written| now.duration_since(written).unwrap_or_default());
    rests.is_ok_and(|rests| rests >= age)
}
