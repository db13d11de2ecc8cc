//! An upload that becomes a file once it is whole.

use super::{
    named::name_in,
    sink::{BodySink, Upload},
    storing,
    unique::create_unique,
};
use crate::message::{
    error::Error, into_response::IntoResponse, request::Request, response::Response,
};
use http::StatusCode;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// A file that a body is written to, from [`Upload::to_file`].
///
/// The body goes to a file of another name in the same directory, `.upload-` with a random number and `.part`, which
/// takes its place by rename(2) once all has come and is removed where it has not. So whoever opens the path sees the whole
/// of an upload or nothing of it. Where the process was killed meanwhile, that file stays:
/// [`Upload::remove_leftovers`].
#[must_use = "it becomes an upload when the handler returns it"]
pub struct FileSink {
    file: File,
    temporary: Temporary,
    path: PathBuf,
    length: u64,
    synced: bool,
}

/// A file that was uploaded.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stored {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub length: u64,
}

impl Upload {
    /// Has the body written to a new file that takes this path once it is whole, in place of what is there. The answer is
    /// 201 unless [`FileSink::then`] makes another. The path is the program's to choose: see
    /// [`to_file_in`](Upload::to_file_in) for a name that comes from a client.
    ///
    /// A disk that is full is a 507 there and later on.
    ///
    /// # Errors
    /// Where no file can be created beside it, with the directory in the cause: 507 where the disk is full, 503 where too
    /// many files are open, else 500.
    pub fn to_file(path: impl Into<PathBuf>) -> Result<FileSink, Error> {
        let path = path.into();
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let (file, temporary) = Temporary::create(directory)?;
        Ok(FileSink {
            file,
            temporary,
            path,
            length: 0,
            synced: false,
        })
    }

    /// As [`to_file`](Upload::to_file), for the file of this name in `directory`, where the name may be a client's.
    ///
    /// # Errors
    /// 400 where the name is no plain file name: empty, over 255 bytes, beginning with a dot, or with a slash, a backslash
    /// or a control character in it. Where no file can be created, those of [`to_file`](Upload::to_file).
    pub fn to_file_in(directory: impl AsRef<Path>, name: &str) -> Result<FileSink, Error> {
        Upload::to_file(name_in(directory.as_ref(), name)?)
    }
}

impl FileSink {
    /// Has file and directory written through to the disk, by fsync(2), before it takes its place and before it is
    /// answered: what was answered survives a power failure then. It takes as long as the disk takes.
    pub fn synced(mut self) -> FileSink {
        self.synced = true;
        self
    }

    /// Answers with what `answer` makes of the file, once that is in its place. Runs on a worker.
    pub fn then<R: IntoResponse>(
        self,
        answer: impl FnOnce(&Request, Stored) -> R + Send + 'static,
    ) -> Upload {
        Upload::new(Answered { sink: self, answer })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_all(piece)?;
        self.length += piece.len() as u64;
        Ok(())
    }

    fn place(self) -> io::Result<Stored> {
        if self.synced {
            self.file.sync_all()?;
        }
        self.temporary.place(&self.path)?;
        if self.synced
            && let Some(directory) = self.temporary.path.parent()
        {
            File::open(directory)?.sync_all()?;
        }
        Ok(Stored {
            path: self.path,
            length: self.length,
        })
    }
}

impl From<FileSink> for Upload {
    fn from(file: FileSink) -> Upload {
        file.then(|_, _| StatusCode::CREATED)
    }
}

struct Answered<F> {
    sink: FileSink,
    answer: F,
}

impl<F, R> BodySink for Answered<F>
where
    F: FnOnce(&Request, Stored) -> R + Send + 'static,
    R: IntoResponse,
{
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.sink.write(piece).map_err(storing::failed)
    }

    fn finish(self: Box<Self>, request: &Request) -> Result<Response, Error> {
        let Answered { sink, answer } = *self;
        let stored = sink.place().map_err(storing::failed)?;
        Ok(answer(request, stored).into_response())
    }
}

/// A file that has no place yet, and is removed where it never gets one.
#[derive(Debug)]
pub(super) struct Temporary {
    path: PathBuf,
    is_placed: AtomicBool,
}

impl Temporary {
    pub(super) fn create(directory: &Path) -> Result<(File, Temporary), Error> {
        let (file, path) = create_unique(directory)?;
        let is_placed = AtomicBool::new(false);
        Ok((file, Temporary { path, is_placed }))
    }

    /// Opens it anew, while it has no place.
    pub(super) fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    pub(super) fn place(&self, place: &Path) -> io::Result<()> {
        fs::rename(&self.path, place)?;
        self.is_placed.store(true, Relaxed);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_placed.load(Relaxed)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!(path:% = self.path.display(), reason:% = error; "what came of an upload cannot be removed");
        }
    }
}
