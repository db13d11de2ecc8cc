//! One of the forms that a file is kept in, plain or compressed, and the answer with it.

use super::{
    conditions::{self, Part, Validators, Verdict},
    content_type::{self, ContentType},
    etag::ETags,
    failure::failure,
    root::{Entry, Opened, Root},
};
use crate::message::{
    accept_encoding::quality, error::Error, into_response::IntoResponse, request::Request,
    response::Response,
};
use http::{HeaderValue, Method, StatusCode, header};
use httpdate::fmt_http_date;
use std::{
    cmp::Reverse,
    fs::{File, Metadata},
    io::{self, Seek, SeekFrom},
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Up to this size, in bytes, what is sent of a file is read at once; what is larger is read while it is sent.
const IN_MEMORY: u64 = 64 * 1024;

/// Content codings and the extensions of their files, the one that usually is smallest first.
const CODINGS: [(&str, &str); 3] = [("br", "br"), ("zstd", "zst"), ("gzip", "gz")];

/// Builds that set all times alike set them to 1970, or to the first day of 1980, before which ZIP has no time.
const SET_BY_BUILDS: Duration = Duration::from_secs(3653 * 24 * 3600);

/// A form of a file, open.
pub(super) struct Representation<'a> {
    path: &'a Path,
    opened: Opened,
    content_type: ContentType,
    coding: Option<&'static str>,
    /// Whether another request might have been sent another form.
    varies: bool,
}

impl<'a> Representation<'a> {
    /// The form of a file that the client likes best, the smaller one where it likes two alike.
    pub(super) fn choose(
        request: &Request,
        root: &Root<'_>,
        path: &'a Path,
        plain: Opened,
        precompressed: bool,
    ) -> Representation<'a> {
        let content_type = content_type::of(path).unwrap_or(content_type::UNKNOWN);
        let varies = precompressed && content_type.compresses;
        let compressed = match varies {
            true => compressed(request, root, path),
            false => None,
        };
        let (opened, coding) = match compressed {
            Some((opened, coding)) => (opened, Some(coding)),
            None => (plain, None),
        };
        Representation {
            path,
            opened,
            content_type,
            coding,
            varies,
        }
    }

    /// The answer to a GET or HEAD.
    ///
    /// # Errors
    /// 412 or 416 where that is what the request demands, and where the file cannot be read.
    pub(super) fn answer(
        self,
        request: &Request,
        etags: &ETags,
        cache_control: &HeaderValue,
    ) -> Result<Response, Error> {
        let etag = etags.of(&self.opened);
        let validators = Validators {
            etag: etag.map_err(|error| failure(self.path, &error))?,
            modified: modified(&self.opened.metadata, SystemTime::now()),
        };
        let varies = self.varies;
        let response = match conditions::verdict(request, &validators) {
            Verdict::Failed => {
                let status = StatusCode::PRECONDITION_FAILED;
                return Err(Error::new(status, "precondition failed"));
            }
            Verdict::NotModified => Response::new(StatusCode::NOT_MODIFIED),
            Verdict::Proceed => self.content(request, &validators)?,
        };
        // What a 304 has of what a 200 would have had (RFC 9110 section 15.4.5).
        let mut response = response
            .with_header(header::ETAG, value(validators.etag))
            .with_header(header::CACHE_CONTROL, cache_control.clone());
        if let Some(modified) = validators.modified {
            let date = value(fmt_http_date(modified));
            response = response.with_header(header::LAST_MODIFIED, date);
        }
        if varies {
            let accept_encoding = HeaderValue::from_static("accept-encoding");
            response = response.with_header(header::VARY, accept_encoding);
        }
        Ok(response)
    }

    /// The whole of it or the part that is asked for.
    fn content(self, request: &Request, validators: &Validators) -> Result<Response, Error> {
        let len = self.opened.metadata.size();
        let part = conditions::part(request, validators, len);
        let range = match &part {
            Part::Whole => 0..len,
            Part::Only(range) => range.clone(),
            Part::Unsatisfiable => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return Err(Error::new(status, "no such range")
                    .with_header(header::CONTENT_RANGE, value(format!("bytes */{len}"))));
            }
        };
        let mut response = body(self.opened.file, &range, request.method())
            .map_err(|error| failure(self.path, &error))?
            .with_header(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"))
            .with_header(
                header::CONTENT_TYPE,
                HeaderValue::from_static(self.content_type.name),
            );
        if let Some(coding) = self.coding {
            response =
                response.with_header(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        if let Part::Only(Range { start, end }) = part {
            let content_range = value(format!("bytes {start}-{}/{len}", end - 1));
            response = response
                .with_status(StatusCode::PARTIAL_CONTENT)
                .with_header(header::CONTENT_RANGE, content_range);
        }
        Ok(response)
    }
}

/// The precompressed neighbour that the client likes best, unless it likes the plain file better, and its coding. One
/// that cannot be opened is as good as none.
fn compressed(request: &Request, root: &Root<'_>, path: &Path) -> Option<(Opened, &'static str)> {
    let plain = quality(request, "identity").unwrap_or(0);
    let wanted = |(coding, extension)| {
        let quality = quality(request, coding).filter(|quality| *quality > 0)?;
        (quality >= plain).then_some((quality, coding, extension))
    };
    let mut wanted: Vec<_> = CODINGS.into_iter().filter_map(wanted).collect();
    wanted.sort_by_key(|(quality, ..)| Reverse(*quality));
    wanted.into_iter().find_map(|(_, coding, extension)| {
        let mut neighbour = path.as_os_str().to_owned();
        neighbour.push(".");
        neighbour.push(extension);
        match root.entry(Path::new(&neighbour)) {
            Ok(Entry::File(opened)) => Some((opened, coding)),
            _ => None,
        }
    })
}

fn body(file: File, range: &Range<u64>, method: &Method) -> io::Result<Response> {
    let len = range.end - range.start;
    if len <= IN_MEMORY && *method != Method::HEAD {
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, range.start)?;
        return Ok(bytes.into_response());
    }
    (&file).seek(SeekFrom::Start(range.start))?;
    Ok(Response::stream_sized(file, len))
}

/// A file's time in whole seconds; none where it says nothing, or lies ahead (RFC 9110 section 8.8.2.1).
fn modified(metadata: &Metadata, now: SystemTime) -> Option<SystemTime> {
    let seconds = metadata.mtime().try_into().ok()?;
    let modified = UNIX_EPOCH + Duration::from_secs(seconds);
    (Duration::from_secs(seconds) > SET_BY_BUILDS && modified <= now).then_some(modified)
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits, dates and quotes")
}
