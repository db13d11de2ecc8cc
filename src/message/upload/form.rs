//! Forms with files in them.

use super::{
    form_file::FormFile,
    multipart::{
        boundary,
        parser::{Parser, Parts, too_large},
        part_head::PartHead,
    },
    sink::{BodySink, Upload},
    storing,
};
use crate::{
    config::settings::parse_size,
    message::{error::Error, into_response::IntoResponse, request::Request, response::Response},
};
use http::StatusCode;
use std::{fs::File, path::PathBuf};

/// How many parts a form may have.
const MOST_PARTS: usize = 100;

/// How many bytes its fields may have that are no files, with the names of all.
const MOST_FIELD_BYTES: u64 = 64 * 1024;

/// A `multipart/form-data` body that is taken apart as it comes, from [`Upload::form`]: its files go to a directory, its
/// fields to memory.
#[must_use = "it becomes an upload by `then`"]
pub struct FormSink {
    boundary: String,
    directory: PathBuf,
    most_parts: usize,
    most_field_bytes: u64,
}

/// A form that has come whole.
///
/// Its files are removed when it is dropped, unless they are [kept](FormFile::keep_in).
#[derive(Debug, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    files: Vec<FormFile>,
}

impl Upload {
    /// Has the body taken apart as a `multipart/form-data` form (RFC 7578), of which parts with a file name go to temporary
    /// files in `directory`, and others, 64 KiB of them and of all names in all, to memory. It may have 100 parts.
    ///
    /// Strictly: a preamble, an epilogue, what only begins like a delimiter, a name that stands twice in a part's head or
    /// `filename*` are 400s.
    ///
    /// ```
    /// use seaworthy::{Error, Request, Upload};
    ///
    /// fn submit(request: &Request) -> Result<Upload, Error> {
    ///     let form = Upload::form(request, "/data")?;
    ///     Ok(form.then(|_, form| -> Result<String, Error> {
    ///         let title = form.field("title").ok_or_else(|| Error::bad_request("title: required"))?.to_owned();
    ///         let photo = form.file("photo").ok_or_else(|| Error::bad_request("photo: required"))?;
    ///         let stored = photo.keep_in("/data", photo.filename())?;
    ///         Ok(format!("{title}: {} bytes", stored.length))
    ///     }))
    /// }
    /// ```
    ///
    /// # Errors
    /// 415 where the request's `Content-Type` is no `multipart/form-data` with a boundary.
    pub fn form(request: &Request, directory: impl Into<PathBuf>) -> Result<FormSink, Error> {
        let content_type = request.header("content-type");
        let boundary = content_type.and_then(boundary::of).ok_or_else(|| {
            let expected = "Content-Type: expected multipart/form-data with a boundary";
            Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected)
        })?;
        Ok(FormSink {
            boundary,
            directory: directory.into(),
            most_parts: MOST_PARTS,
            most_field_bytes: MOST_FIELD_BYTES,
        })
    }
}

impl FormSink {
    /// How many parts it may have; past it 413.
    pub fn most_parts(self, most_parts: usize) -> FormSink {
        FormSink { most_parts, ..self }
    }

    /// How many bytes all fields may have together that are no files, with the names of all parts, such as `1MiB`; past it
    /// 413.
    ///
    /// # Panics
    /// Where the text is no size.
    #[track_caller]
    pub fn field_limit(self, size: &str) -> FormSink {
        match parse_size(size) {
            Some(most_field_bytes) => FormSink {
                most_field_bytes,
                ..self
            },
            None => panic!("{size:?} is no size: write 65536, 64KiB or 1MiB"),
        }
    }

    /// Answers with what `answer` makes of the form, once it has come. Runs on a worker.
    pub fn then<R: IntoResponse>(
        self,
        answer: impl FnOnce(&Request, Form) -> R + Send + 'static,
    ) -> Upload {
        let gathering = Gathering {
            form: Form::default(),
            directory: self.directory,
            field_bytes_left: self.most_field_bytes,
            part: None,
        };
        Upload::new(Parsed {
            parser: Parser::new(&self.boundary, self.most_parts),
            gathering,
            answer,
        })
    }
}

impl Form {
    /// The first field of this name that is no file.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields();
        fields
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Names and values of all that are no files, in their order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first file of this name.
    pub fn file(&self, name: &str) -> Option<&FormFile> {
        self.files.iter().find(|file| file.name() == name)
    }

    /// All files, in their order. A field for a file that its user has left empty is one with no name of a file and no
    /// bytes.
    #[must_use]
    pub fn files(&self) -> &[FormFile] {
        &self.files
    }
}

struct Parsed<F> {
    parser: Parser,
    gathering: Gathering,
    answer: F,
}

impl<F, R> BodySink for Parsed<F>
where
    F: FnOnce(&Request, Form) -> R + Send + 'static,
    R: IntoResponse,
{
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.parser.take(piece, &mut self.gathering)
    }

    fn finish(self: Box<Self>, request: &Request) -> Result<Response, Error> {
        self.parser.finish()?;
        Ok((self.answer)(request, self.gathering.form).into_response())
    }
}

/// The parts that have come so far.
struct Gathering {
    form: Form,
    directory: PathBuf,
    field_bytes_left: u64,
    part: Option<Part>,
}

enum Part {
    Field(String, Vec<u8>),
    File(File, FormFile),
}

impl Gathering {
    /// So much more is in memory, for as long as the form is.
    fn charge_for(&mut self, bytes: usize) -> Result<(), Error> {
        let left = self.field_bytes_left.checked_sub(bytes as u64);
        self.field_bytes_left = left.ok_or_else(|| too_large("the form's fields are too long"))?;
        Ok(())
    }
}

impl Parts for Gathering {
    fn begin(&mut self, head: PartHead) -> Result<(), Error> {
        self.charge_for(head.length())?;
        self.part = Some(match head.filename {
            None => Part::Field(head.name, Vec::new()),
            Some(_) => {
                let (file, form_file) = FormFile::create(head, &self.directory)?;
                Part::File(file, form_file)
            }
        });
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if let Some(Part::Field(..)) = self.part {
            self.charge_for(bytes.len())?;
        }
        match &mut self.part {
            Some(Part::Field(_, value)) => {
                value.extend_from_slice(bytes);
                Ok(())
            }
            Some(Part::File(file, form_file)) => {
                form_file.write(file, bytes).map_err(storing::failed)
            }
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        match self.part.take() {
            Some(Part::Field(name, value)) => {
                let value = String::from_utf8(value)
                    .map_err(|_| Error::bad_request(format!("{name}: the field is not UTF-8")))?;
                self.form.fields.push((name, value));
            }
            Some(Part::File(_, form_file)) => self.form.files.push(form_file),
            None => {}
        }
        Ok(())
    }
}
