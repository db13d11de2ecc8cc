//! An upload that a handler reads once it is whole, from a file without a name.

use super::{
    sink::{BodySink, Upload},
    storing,
    unique::create_unique,
};
use crate::message::{
    error::Error, into_response::IntoResponse, request::Request, response::Response,
};
use std::{
    fs::{self, File},
    io::{Seek, Write},
    path::Path,
};

impl Upload {
    /// Has the body written to a temporary file in `directory`, which `answer` then reads from its beginning: for what
    /// has to see all of it, such as an archive or a large form. The file has no name as soon as it is created, so that
    /// nothing is left of it however the process ends. Both run on a worker.
    ///
    /// `directory` is best one that the program has checked at its start, by
    /// [`Settings::writable_directory`](crate::Settings::writable_directory): an image built from scratch has no `/tmp`.
    ///
    /// ```
    /// use seaworthy::{Error, Request, Upload};
    /// use std::io::{BufRead, BufReader};
    ///
    /// fn import(_: &Request) -> Result<Upload, Error> {
    ///     Upload::spool("/spool", |_, file| -> Result<String, Error> {
    ///         Ok(format!("{} rows", BufReader::new(file).lines().count()))
    ///     })
    /// }
    /// ```
    ///
    /// # Errors
    /// Where no file can be created there: those of [`to_file`](Upload::to_file).
    pub fn spool<R: IntoResponse>(
        directory: impl AsRef<Path>,
        answer: impl FnOnce(&Request, File) -> R + Send + 'static,
    ) -> Result<Upload, Error> {
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
        self.file.write_all(piece).map_err(storing::failed)
    }

    fn finish(mut self: Box<Self>, request: &Request) -> Result<Response, Error> {
        self.file.rewind()?;
        Ok((self.answer)(request, self.file).into_response())
    }
}
