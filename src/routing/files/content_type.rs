//! What a file's extension says of its contents.

use std::path::Path;

/// A content type, and whether files of it may have precompressed neighbours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentType {
    pub(super) name: &'static str,
    pub(super) compresses: bool,
}

/// What nothing is known of.
pub(super) const UNKNOWN: ContentType = ContentType {
    name: "application/octet-stream",
    compresses: false,
};

/// The type of a file by its name; none where the extension is not known, or there is none.
pub(super) fn of(path: &Path) -> Option<ContentType> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let rows = [(COMPRESSING, true), (COMPACT, false)];
    rows.into_iter().find_map(|(rows, compresses)| {
        let row = rows.iter().find(|(_, all)| all.contains(&&*extension))?;
        let name = row.0;
        Some(ContentType { name, compresses })
    })
}

type Row = (&'static str, &'static [&'static str]);

/// Text is UTF-8, as all that builds pages writes it. JSON and XML tell their encoding by themselves (RFC 8259 section
/// 8.1, RFC 7303 section 3).
const COMPRESSING: &[Row] = &[
    ("text/html; charset=utf-8", &["html", "htm"]),
    ("text/css; charset=utf-8", &["css"]),
    ("text/javascript; charset=utf-8", &["js", "mjs"]),
    ("application/json", &["json", "map"]),
    ("application/ld+json", &["jsonld"]),
    ("application/manifest+json", &["webmanifest"]),
    ("image/svg+xml", &["svg"]),
    ("application/wasm", &["wasm"]),
    ("text/plain; charset=utf-8", &["txt", "log"]),
    ("text/markdown; charset=utf-8", &["md"]),
    ("text/csv; charset=utf-8", &["csv"]),
    ("text/calendar; charset=utf-8", &["ics"]),
    ("text/vtt; charset=utf-8", &["vtt"]),
    ("application/xml", &["xml", "xsl"]),
    ("application/xhtml+xml", &["xhtml"]),
    ("application/atom+xml", &["atom"]),
    ("application/rss+xml", &["rss"]),
    ("application/yaml", &["yaml", "yml"]),
    ("application/toml", &["toml"]),
    ("font/ttf", &["ttf"]),
    ("font/otf", &["otf"]),
    ("image/vnd.microsoft.icon", &["ico"]),
    ("image/bmp", &["bmp"]),
];

/// Compressed already.
const COMPACT: &[Row] = &[
    ("image/png", &["png", "apng"]),
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/gif", &["gif"]),
    ("image/webp", &["webp"]),
    ("image/avif", &["avif"]),
    ("font/woff2", &["woff2"]),
    ("font/woff", &["woff"]),
    ("application/pdf", &["pdf"]),
    ("video/mp4", &["mp4", "m4v"]),
    ("video/webm", &["webm"]),
    ("video/ogg", &["ogv"]),
    ("video/quicktime", &["mov"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/mp4", &["m4a"]),
    ("audio/aac", &["aac"]),
    ("audio/ogg", &["ogg", "oga", "opus"]),
    ("audio/flac", &["flac"]),
    ("audio/wav", &["wav"]),
    ("application/zip", &["zip"]),
    ("application/gzip", &["gz", "tgz"]),
    ("application/zstd", &["zst"]),
    ("application/x-bzip2", &["bz2"]),
    ("application/x-xz", &["xz"]),
    ("application/x-tar", &["tar"]),
    ("application/epub+zip", &["epub"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_decides_in_either_case() {
        for (path, name) in [
            ("index.html", Some("text/html; charset=utf-8")),
            ("a/b.c/App.JS", Some("text/javascript; charset=utf-8")),
            ("app.min.js.map", Some("application/json")),
            ("app.js.gz", Some("application/gzip")),
            ("logo.svg", Some("image/svg+xml")),
            ("photo.JPEG", Some("image/jpeg")),
            ("Makefile", None),
            ("john.doe", None),
            ("html", None),
        ] {
            let found = of(Path::new(path)).map(|known| known.name);
            assert_eq!(found, name, "{path}");
        }
    }

    #[test]
    fn no_extension_stands_in_two_rows() {
        let rows = COMPRESSING.iter().chain(COMPACT);
        let mut all: Vec<_> = rows.flat_map(|(_, extensions)| *extensions).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
