//! Directories that a program writes to, checked before it begins.

use super::{Settings, form::Form};
use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

impl Settings {
    /// A directory that the program writes to, `default` where it is unset: for uploads, or temporary files. It is
    /// checked here, by creating a file in it and removing that; where it is not there, no directory, or not writable, it
    /// is reported like any bad setting. An image built from scratch has none, not even `/tmp`: in Kubernetes an
    /// `emptyDir` is one.
    ///
    /// ```
    /// # use seaworthy::Settings;
    /// let mut settings = Settings::from_pairs([("SPOOL_DIR", "/nowhere")]);
    /// settings.writable_directory("SPOOL_DIR", "/spool");
    /// assert_eq!(
    ///     settings.errors(),
    ///     ["SPOOL_DIR=\"/nowhere\": expected a directory that can be written to, such as a mounted emptyDir: it is not there"]
    /// );
    /// ```
    pub fn writable_directory(&mut self, name: &'static str, default: &str) -> PathBuf {
        let read = |given: &str| Some(given.to_owned());
        let path = self.read(name, default.to_owned(), String::clone, read, Form::Any);
        let path = PathBuf::from(path);
        if let Err(error) = check(&path)
            && !self.is_bad(name)
        {
            let why = match error.kind() {
                ErrorKind::NotFound => "it is not there".to_owned(),
                ErrorKind::NotADirectory => "it is no directory".to_owned(),
                _ => error.to_string(),
            };
            let expected =
                "expected a directory that can be written to, such as a mounted emptyDir";
            self.reject(name, &format!("{expected}: {why}"));
        }
        path
    }
}

/// Whether files can be created there.
fn check(directory: &Path) -> io::Result<()> {
    if !fs::metadata(directory)?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    loop {
        let path = directory.join(format!(".writable-{:016x}", fastrand::u64(..)));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => return fs::remove_file(&path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}
