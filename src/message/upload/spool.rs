//! An upload that a handler reads once it is whole, from a file without a name.

use super::{BodySink, Upload};
use crate::message::{
    error::Error, into_response::IntoResponse, request::Request, response::Response,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Seek, Write},
    path::{Path, PathBuf},
};

/// How a file is called that is not whole yet: this, a random number, and the ending.
pub(super) const PREFIX: &str = ".upload-";
pub(super) const SUFFIX: &str = ".part";

impl Upload {
    /// Has the body written to a temporary file in `directory`, which `answer` then reads from its beginning: for what
    /// has to see all of it, such as an archive or a large form. The file has no name as soon as it is created, so that
    /// nothing is left of it however the process ends. Both run on a worker.
    ///
    /// `directory` is best one that the program has checked at its start, by
    /// [`Settings::directory`](crate::Settings::directory): an image built from scratch has no `/tmp`.
    ///
    /// ```
    /// use seaworthy::{Error, Request, Upload};
    /// use std::io::{BufRead, BufReader};
    ///
    /// fn import(_: &Request) -> Result<Upload, Error> {
    ///     Ok(Upload::spool("/spool", |_, file| -> Result<String, Error> {
    ///         Ok(format!("{} rows", BufReader::new(file).lines().count()))
    ///     })?)
    /// }
    /// ```
    ///
    /// # Errors
    /// Where no file can be created there; the error names the directory.
    pub fn spool<R: IntoResponse>(
        directory: impl AsRef<Path>,
        answer: impl FnOnce(&Request, File) -> R + Send + 'static,
    ) -> io::Result<Upload> {
        let (file, path) = create_unique(directory.as_ref())?;
        fs::remove_file(&path)?;
        Ok(Upload::new(Spool { file, answer }))
    }
}

struct Spool<F> {
    file: File,
    answer: F,
}

impl<F, R> BodySink for Spool<F>
where
    F: FnOnce(&Request, File) -> R + Send + 'static,
    R: IntoResponse,
{
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        Ok(self.file.write_all(piece)?)
    }

    fn finish(mut self: Box<Self>, request: &Request) -> Result<Response, Error> {
        self.file.rewind()?;
        Ok((self.answer)(request, self.file).into_response())
    }
}

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
