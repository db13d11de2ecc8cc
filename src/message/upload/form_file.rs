//! A file of a form.

use super::{
    file::{Stored, Temporary},
    multipart::part_head::PartHead,
    named::name_in,
    storing,
};
use crate::message::error::Error;
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file of a [`Form`](crate::Form), under a temporary name until it is kept.
#[derive(Debug)]
pub struct FormFile {
    head: PartHead,
    temporary: Temporary,
    length: u64,
}

impl FormFile {
    /// The file is open only while it is written: a form may have many.
    pub(super) fn create(head: PartHead, directory: &Path) -> Result<(File, FormFile), Error> {
        let (file, temporary) = Temporary::create(directory)?;
        let form_file = FormFile {
            head,
            temporary,
            length: 0,
        };
        Ok((file, form_file))
    }

    pub(super) fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The name of its field.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// What its client calls it, for whom a path or anything else may be a name; empty where no file was chosen.
    #[must_use]
    pub fn filename(&self) -> &str {
        self.head.filename.as_deref().unwrap_or_default()
    }

    /// What its client says that it is; nobody has looked.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Opens it, to be read from its beginning.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self) -> io::Result<File> {
        self.temporary.open()
    }

    /// Gives it this path, in place of what is there, by rename(2): on the same file system as the form's directory.
    ///
    /// # Errors
    /// The system's.
    pub fn keep(&self, path: impl Into<PathBuf>) -> io::Result<Stored> {
        let path = path.into();
        self.temporary.place(&path)?;
        Ok(Stored {
            path,
            length: self.length,
        })
    }

    /// As [`keep`](FormFile::keep), under this name in `directory`, where the name may be a client's.
    ///
    /// # Errors
    /// 400 where the name is no plain file name, as with [`Upload::to_file_in`](crate::Upload::to_file_in); 507 where there
    /// is no room, 503 where no descriptor is left, 500 for the system's other errors.
    pub fn keep_in(&self, directory: impl AsRef<Path>, name: &str) -> Result<Stored, Error> {
        let path = name_in(directory.as_ref(), name)?;
        self.keep(path).map_err(storing::failed)
    }
}
