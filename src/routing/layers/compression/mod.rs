//! Answers made smaller on their way.

mod crc32;
mod gzip;

use super::headers::{cache_control, vary_on};
use crate::{
    config::settings::parse_size,
    message::{
        accept_encoding::quality, body::Body, entity_tag, request::Request, response::Response,
    },
    routing::layer::{Layer, Next, ReadyMade},
};
use gzip::Compressors;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{fmt, mem, sync::Arc};

/// Compresses answers with gzip where the client takes that and it pays: texts, JSON, scripts, XML, SVG, fonts and
/// WebAssembly from 1 KiB on. With the feature `compression`.
///
/// - A body in memory is compressed at once, and goes as it is where that makes it no smaller. A stream is compressed as
///   it flows; what it has is not held back while it waits for more.
/// - Never compressed: what is pushed ([`Response::channel`], [`Response::events`]), whose every message is to go out at
///   once, and would keep 300 KiB for as long as it lasts; what has a `Content-Encoding` already or is `Cache-Control: no-transform`, parts (206), and what
///   carries a digest of its bytes (`Content-Digest`, `Repr-Digest`).
/// - `Vary: Accept-Encoding` stands in every answer that would be compressed for another client. A compressed answer's
///   `ETag` is weak, for it is not the same bytes, and `Accept-Ranges` is left out. HEAD has the headers of GET.
/// - An answer that holds both a secret and what the request brought along tells, by its size, whether they are alike
///   ([BREACH](https://www.breachattack.com)): answer those with `no-transform`.
///
/// ```
/// use seaworthy::{Request, Service, http::header, layers};
///
/// let service = Service::new("shop")
///     .get("/", |_: &Request| "the same again and again, ".repeat(100))
///     .layer(layers::compression());
/// let request = Request::get("/").with_header(header::ACCEPT_ENCODING, "br, gzip".parse().unwrap());
/// let answer = service.call(request);
/// assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
/// assert!(answer.body().unwrap().len() < 100);
/// ```
#[must_use]
pub fn compression() -> Compression {
    Compression {
        compressors: Arc::new(Compressors::new(LEVEL, MOST_STREAMS)),
        least: 1024,
        pays: Box::new(pays),
    }
}

/// Of 1 MiB of JSON level 1 makes 225 KiB at 270 MB/s, level 4 168 KiB at 95 MB/s and level 6 163 KiB at 45 MB/s.
const LEVEL: u8 = 4;

const MOST_STREAMS: usize = 32;

/// See [`compression`](compression()).
pub struct Compression {
    compressors: Arc<Compressors>,
    least: u64,
    pays: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Compression {
    /// How hard to try, from 1 to 9: less time or fewer bytes. By default 4.
    ///
    /// # Panics
    /// With anything else.
    #[must_use]
    #[track_caller]
    pub fn level(mut self, level: u8) -> Compression {
        assert!((1..=9).contains(&level), "{level} is no level from 1 to 9");
        self.compressors = Arc::new(Compressors::new(level, self.compressors.most_streams));
        self
    }

    /// The least size at which it pays, such as `2KiB`; by default `1KiB`, which fits in one packet as it is. A stream
    /// of unknown size counts as larger.
    ///
    /// # Panics
    /// Where the text is no size.
    #[must_use]
    #[track_caller]
    pub fn min_size(mut self, size: &str) -> Compression {
        match parse_size(size) {
            Some(bytes) => self.least = bytes,
            None => panic!("{size:?} is no size: write 65536, 64KiB or 1MiB"),
        }
        self
    }

    /// For which content types it pays, in place of the list above. They come in lower case and without parameters, as
    /// in `text/html`.
    #[must_use]
    pub fn content_types(
        mut self,
        pays: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Compression {
        self.pays = Box::new(pays);
        self
    }

    /// How many streams are compressed at once; by default 32. Each takes about 300 KiB for as long as its client takes
    /// to read it. Those beyond go as they are.
    #[must_use]
    pub fn most_streams(mut self, most: usize) -> Compression {
        self.compressors = Arc::new(Compressors::new(self.compressors.level, most));
        self
    }

    /// Whether this answer is compressed for those who want it.
    fn is_for(&self, response: &Response) -> bool {
        let headers = &response.headers;
        let has = |name: &HeaderName| headers.contains_key(name);
        let essence = |kind: &str| {
            let essence = kind.split(';').next().unwrap_or_default();
            essence.trim().to_ascii_lowercase()
        };
        response.status != StatusCode::PARTIAL_CONTENT
            && !matches!(response.body, Body::Pushed(_) | Body::Deferred(_))
            && response
                .body
                .len()
                .is_none_or(|length| length >= self.least)
            && response
                .content_type()
                .is_some_and(|kind| (self.pays)(&essence(kind)))
            && !ABOUT_THESE_BYTES.iter().any(has)
            && !cache_control(headers, "no-transform")
    }

    /// Compresses the body. False where it stays as it is.
    fn compress(&self, response: &mut Response) -> bool {
        let (body, is_smaller) = match mem::take(&mut response.body) {
            stream @ Body::Stream(..) => {
                let length = stream.len();
                match self.compressors.stream(stream.into_reader()) {
                    Ok(compressed) => (Body::Stream(Box::new(compressed), None), true),
                    Err(reader) => (Body::Stream(reader, length), false),
                }
            }
            in_memory => {
                let bytes = in_memory.as_bytes().unwrap_or_default();
                let compressed = self.compressors.whole(bytes);
                match compressed.len() < bytes.len() {
                    true => (Body::Bytes(compressed), true),
                    false => (in_memory, false),
                }
            }
        };
        response.body = body;
        is_smaller
    }
}

/// Where one of these is, other bytes would make it untrue.
const ABOUT_THESE_BYTES: [HeaderName; 5] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("content-md5"),
];

/// Types that are not compressed in themselves.
fn pays(kind: &str) -> bool {
    const APPLICATIONS: [&str; 12] = [
        "graphql",
        "javascript",
        "json",
        "ndjson",
        "rtf",
        "toml",
        "wasm",
        "x-javascript",
        "x-ndjson",
        "x-yaml",
        "xml",
        "yaml",
    ];
    match kind.split_once('/') {
        Some((_, subtype)) if subtype.ends_with("+json") || subtype.ends_with("+xml") => true,
        Some(("text", subtype)) => subtype != "event-stream",
        Some(("application", subtype)) => APPLICATIONS.contains(&subtype),
        Some(("font", subtype)) => matches!(subtype, "ttf" | "otf" | "collection"),
        Some(("image", subtype)) => matches!(subtype, "bmp" | "x-icon" | "vnd.microsoft.icon"),
        _ => false,
    }
}

impl<S> Layer<S, ReadyMade> for Compression {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let is_wanted = wants_gzip(request);
        let mut response = next.run(request);
        // Of which 200 this is, nobody knows here. To say too much of it is never wrong: a weak tag updates what caches
        // hold under the strong one too (RFC 9111 section 4.3.4).
        let is_unmodified = response.status == StatusCode::NOT_MODIFIED;
        if !is_unmodified && !self.is_for(&response) {
            return response;
        }
        vary_on(&mut response.headers, "Accept-Encoding");
        if !is_wanted {
            return response;
        }
        if is_unmodified {
            weaken(&mut response.headers);
        } else if self.compress(&mut response) {
            let gzip = HeaderValue::from_static("gzip");
            response.headers.insert(header::CONTENT_ENCODING, gzip);
            response.headers.remove(header::ACCEPT_RANGES);
            weaken(&mut response.headers);
        }
        response
    }
}

/// Whether the client takes gzip, and would not rather have the bytes as they are.
fn wants_gzip(request: &Request) -> bool {
    let gzip = quality(request, "gzip").unwrap_or(0);
    gzip > 0 && gzip >= quality(request, "identity").unwrap_or(0)
}

fn weaken(headers: &mut HeaderMap) {
    if let Some(tag) = headers.get_mut(header::ETAG)
        && let Ok(strong) = tag.to_str()
        && let Ok(weak) = HeaderValue::try_from(entity_tag::weakened(strong))
    {
        *tag = weak;
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("level", &self.compressors.level)
            .field("min_size", &self.least)
            .field("most_streams", &self.compressors.most_streams)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
