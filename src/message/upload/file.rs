//! An upload that becomes a file once it is whole.

use super::{
    named::name_in,
    sink::{BodySink, Upload},
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
    part: Part,
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
    /// # Errors
    /// Where no file can be created beside it; the error names the directory.
    pub fn to_file(path: impl Into<PathBuf>) -> io::Result<FileSink> {
        let path = path.into();
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Ok(FileSink {
            part: Part::create(directory)?,
            path,
            length: 0,
            synced: false,
        })
    }

    /// As [`to_file`](Upload::to_file), for the file of this name in `directory`, where the name may be a client's.
    ///
    /// # Errors
    /// 400 where the name is no plain file name: empty, over 255 bytes, beginning with a dot, or with a slash, a backslash
    /// or a control character in it. 500 where no file can be created.
    pub fn to_file_in(directory: impl AsRef<Path>, name: &str) -> Result<FileSink, Error> {
        Ok(Upload::to_file(name_in(directory.as_ref(), name)?)?)
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
        self.part.file.write_all(piece)?;
        self.length += piece.len() as u64;
        Ok(())
    }

    fn place(self) -> io::Result<Stored> {
        if self.synced {
            self.part.file.sync_all()?;
        }
        self.part.place(&self.path)?;
        if self.synced
            && let Some(directory) = self.part.temporary.parent()
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
        Ok(self.sink.write(piece)?)
    }

    fn finish(self: Box<Self>, request: &Request) -> Result<Response, Error> {
        let Answered { sink, answer } = *self;
        let stored = sink.place()?;
        Ok(answer(request, stored).into_response())
    }
}

/// A file that has no place yet, and is removed where it never gets one.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    temporary: PathBuf,
    is_placed: AtomicBool,
}

impl Part {
    pub(super) fn create(directory: &Path) -> io::Result<Part> {
        let (file, temporary) = create_unique(directory)?;
        Ok(Part {
            file,
            temporary,
            is_placed: AtomicBool::new(false),
        })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Opens it anew, while it has no place.
    pub(super) fn open(&self) -> io::Result<File> {
        File::open(&self.temporary)
    }

    pub(super) fn place(&self, place: &Path) -> io::Result<()> {
        fs::rename(&self.temporary, place)?;
        self.is_placed.store(true, Relaxed);
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_placed.load(Relaxed)
            && let Err(error) = fs::remove_file(&self.temporary)
        {
            log::warn!(path:% = self.temporary.display(), reason:% = error; "what came of an upload cannot be removed");
        }
    }
}
