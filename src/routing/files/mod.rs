//! Files of a directory as routes.

mod conditions;
mod content_type;
mod etag;
mod failure;
mod path;
mod representation;
mod root;

use super::routes::Routes;
use crate::message::{error::Error, request::Request, response::Response};
use content_type::ContentType;
use etag::ETags;
use failure::failure;
use http::HeaderValue;
use representation::Representation;
use root::{Entry, Opened, Root};
use std::{
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

/// The file that stands for its directory.
const INDEX: &str = "index.html";

/// The files of a directory, as a group of routes: for [`Service::nest`](crate::Service::nest) below a prefix, or
/// [`Service::merge`](crate::Service::merge) for all that no other route answers.
///
/// ```no_run
/// use seaworthy::{Request, ServeDir, Service};
///
/// # fn main() -> std::process::ExitCode {
/// Service::new("shop")
///     .get("/api/orders", |_: &Request| "[]")
///     // Names with a hash in them never change what they hold.
///     .nest("/assets", ServeDir::new("dist/assets").cache_control("public, max-age=31536000, immutable"))
///     // A single-page application: the other files of `dist`, and its page for every path that is no file.
///     .merge(ServeDir::new("dist").fallback("index.html"))
///     .run()
/// # }
/// ```
///
/// GET and HEAD are answered, other methods with 405. A directory is its `index.html`, and named without its slash a
/// redirect; no listing is made. Each answer has:
///
/// - a content type by the file's extension, else `application/octet-stream`;
/// - a strong `ETag` of what the file holds, so that replicas agree and image builds that set all times alike do no
///   harm. It costs reading the file once for each version of it;
/// - `Last-Modified`, except where the time says nothing: of 1980 and before, as reproducible builds set it, or to come;
/// - `Cache-Control: no-cache`, that is ask each time and be told 304; see [`cache_control`](ServeDir::cache_control);
/// - the range that was asked for, of one range (RFC 9110 section 14): 206, or 416. Several are answered with the whole;
/// - what preconditions demand (RFC 9110 section 13): 304, 412;
/// - for types that compress, a precompressed neighbour (`app.js.br`, `app.js.zst`, `app.js.gz`) where there is one and
///   the client takes it; see [`precompressed`](ServeDir::precompressed).
///
/// A path leads to a file below the directory or to a 404: `..`, however it is encoded, encoded slashes, backslashes,
/// NUL, empty segments, and names that begin with a dot lead nowhere (`.well-known`, RFC 8615, at the top excepted).
/// Links are followed as long as they lead to somewhere inside, and so ConfigMaps can be mounted and directories be
/// swapped at any time: a request gets one version or the other, whole. Overwriting a file in place gives no such
/// guarantee; write another and rename it. What is no regular file is never opened.
///
/// That the directory is there is checked after the start-up tasks: without it the service does not become ready, and
/// ends with exit code 1.
pub struct ServeDir {
    path: PathBuf,
    fallback: Option<PathBuf>,
    cache_control: HeaderValue,
    precompressed: bool,
    etags: ETags,
}

impl ServeDir {
    /// The files below `path`, which is taken from the working directory of now where it is relative.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> ServeDir {
        let path = path.as_ref();
        ServeDir {
            path: absolute(path).unwrap_or_else(|_| path.to_owned()),
            fallback: None,
            cache_control: HeaderValue::from_static("no-cache"),
            precompressed: true,
            etags: ETags::default(),
        }
    }

    /// A file of the directory that answers, with 200, in place of a 404: the page of a single-page application, whose
    /// script knows what to make of the path. A path whose extension says another type than the file's (`app.js` where
    /// it is `index.html`) stays a 404, unless the request's `Accept` names the file's type, as that of a browser does
    /// that is to show a page, and not that of one in need of a script.
    #[must_use]
    pub fn fallback(mut self, file: impl AsRef<Path>) -> ServeDir {
        self.fallback = Some(file.as_ref().to_owned());
        self
    }

    /// What `Cache-Control` says of the files, instead of `no-cache`.
    ///
    /// # Panics
    /// Where `value` is no header's value.
    #[must_use]
    #[track_caller]
    pub fn cache_control(mut self, value: &'static str) -> ServeDir {
        self.cache_control = HeaderValue::from_static(value);
        self
    }

    /// Whether `app.js.gz` may stand for `app.js`: true, unless this says otherwise. Where others may put files into the
    /// directory, say so, or one can replace what another has put there.
    #[must_use]
    pub fn precompressed(mut self, precompressed: bool) -> ServeDir {
        self.precompressed = precompressed;
        self
    }

    /// Whether there is what is to be served.
    fn check(&self) -> Result<(), String> {
        let below = self.fallback.as_deref().unwrap_or(Path::new(""));
        let reason = match root::find(&self.path, below) {
            Ok((_, Entry::File(_))) => return Ok(()),
            Ok((_, Entry::Directory)) if self.fallback.is_none() => return Ok(()),
            Ok(_) => "no such file".to_owned(),
            Err(error) => error.to_string(),
        };
        let path = self.path.join(below);
        Err(format!("cannot serve {}: {reason}", path.display()))
    }

    fn answer(&self, request: &Request) -> Result<Response, Error> {
        let path = path::below(request).ok_or_else(Error::not_found)?;
        let is_slashed = path::ends_with_slash(request);
        let path = match is_slashed {
            true => path.join(INDEX),
            false => path,
        };
        match self.find(&path)? {
            (root, Entry::File(plain)) => return self.send(request, &root, &path, plain),
            (_, Entry::Directory) if !is_slashed && self.has_index(&path)? => {
                return path::redirect_to_slash(request);
            }
            _ => {}
        }
        let fallback = self.fallback.as_deref();
        let fallback = fallback.filter(|fallback| stands_for(fallback, &path, request));
        let fallback = fallback.ok_or_else(Error::not_found)?;
        match self.find(fallback)? {
            (root, Entry::File(plain)) => self.send(request, &root, fallback, plain),
            _ => Err(Error::not_found()),
        }
    }

    fn find(&self, path: &Path) -> Result<(Root<'_>, Entry), Error> {
        root::find(&self.path, path).map_err(|error| failure(path, &error))
    }

    fn has_index(&self, directory: &Path) -> Result<bool, Error> {
        let (_, entry) = self.find(&directory.join(INDEX))?;
        Ok(matches!(entry, Entry::File(_)))
    }

    fn send(
        &self,
        request: &Request,
        root: &Root<'_>,
        path: &Path,
        plain: Opened,
    ) -> Result<Response, Error> {
        Representation::choose(request, root, path, plain, self.precompressed).answer(
            request,
            &self.etags,
            &self.cache_control,
        )
    }
}

impl<S: 'static> From<ServeDir> for Routes<S> {
    /// A group with nothing but a fallback.
    fn from(files: ServeDir) -> Routes<S> {
        let files = Arc::new(files);
        let checked = Arc::clone(&files);
        Routes::new()
            .get_fallback(move |request: &Request| files.answer(request))
            .require(move || checked.check())
    }
}

/// Whether the fallback may stand for a path: whoever asks for `app.js` has no use for a page, except for a browser that
/// is to show what it gets. It says so, as it does not for a script.
fn stands_for(fallback: &Path, path: &Path, request: &Request) -> bool {
    let (own, asked) = (content_type::of(fallback), content_type::of(path));
    let is_wanted = |own: ContentType| {
        let (name, _) = own.name.split_once(';').unwrap_or((own.name, ""));
        let mut accepted = request.header_values("accept");
        accepted.any(|line| line.to_ascii_lowercase().contains(name))
    };
    asked.is_none() || asked == own || own.is_some_and(is_wanted)
}

#[cfg(test)]
mod tests;
