//! From a request's path to a file's, and back for a redirect.

use crate::message::{error::Error, request::Request, response::Response};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

/// The path below the group's prefix, decoded once. None where it leads nowhere, whatever the directory holds.
///
/// The prefix is the route's template, and takes as many segments of the path, whatever they are: an encoded slash is
/// part of a segment for the router too.
pub(super) fn below(request: &Request) -> Option<PathBuf> {
    let is_segment = |segment: &&str| !segment.is_empty();
    let of_prefix = request.route().split('/').filter(is_segment).count();
    let path = request.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments = path.split('/').skip(1 + of_prefix).enumerate();
    segments
        .map(|(at, segment)| name(segment, at == 0))
        .collect()
}

/// A name that a request may ask for.
fn name(segment: &str, is_top: bool) -> Option<OsString> {
    let name: Vec<u8> = percent_decode_str(segment).collect();
    let is_hidden = name.starts_with(b".") && !(is_top && name == b".well-known");
    let leads_nowhere = |byte: &u8| matches!(byte, 0 | b'/' | b'\\');
    let is_name = !name.is_empty() && !is_hidden && !name.iter().any(leads_nowhere);
    is_name.then(|| OsString::from_vec(name))
}

/// Whether a directory is asked for.
pub(super) fn ends_with_slash(request: &Request) -> bool {
    request.path().ends_with('/')
}

/// To the same path with a slash behind it, relative to where the client sees it: a proxy may have taken a prefix away.
/// `./` keeps a name with a colon from being a scheme (RFC 3986 section 4.2).
pub(super) fn redirect_to_slash(request: &Request) -> Result<Response, Error> {
    let (_, name) = request.path().rsplit_once('/').unwrap_or_default();
    let query = request.query().map(|query| format!("?{query}"));
    let location = format!("./{name}/{}", query.unwrap_or_default());
    let location = HeaderValue::try_from(location).map_err(|_| Error::not_found())?;
    Ok(Response::new(StatusCode::TEMPORARY_REDIRECT).with_header(header::LOCATION, location))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{request::Matched, route::Route};
    use std::{path::Path, sync::Arc};

    fn request(route: &str, target: &str) -> Request {
        let mut request = Request::get(target);
        let route = Arc::new(Route::new(0, route));
        request.note_route(route, Matched::Endpoint, Vec::new());
        request
    }

    #[test]
    fn the_groups_prefix_is_taken_away_and_the_rest_decoded_once() {
        for (route, target, path) in [
            ("/", "/", ""),
            ("/", "/app.js?v=1", "app.js"),
            ("/", "/docs/", "docs"),
            ("/static", "/static", ""),
            ("/static", "/static/", ""),
            ("/static", "/static/a%20b/caf%C3%A9.txt", "a b/café.txt"),
            ("/static", "/%73tatic/app.js", "app.js"),
            ("/{tenant}/files", "/a%2Fb/files/x", "x"),
            ("/", "/100%2525", "100%25"),
            ("/", "/100%", "100%"),
            ("/", "/.well-known/security.txt", ".well-known/security.txt"),
        ] {
            let found = below(&request(route, target));
            assert_eq!(found.as_deref(), Some(Path::new(path)), "{target}");
        }
    }

    #[test]
    fn what_could_lead_outside_or_is_hidden_leads_nowhere() {
        for target in [
            "/static/..",
            "/static/../x",
            "/static/a/../../x",
            "/static/%2e%2e/x",
            "/static/.%2E/x",
            "/static/..%2fx",
            "/static/%2fetc/passwd",
            "/static//etc/passwd",
            "/static//",
            "/static/a//b",
            "/static/..%5cx",
            "/static/a%5c..%5cx",
            "/static/a%00.txt",
            "/static/.",
            "/static/./x",
            "/static/.env",
            "/static/a/.git/config",
            "/static/..data/key",
            "/static/a/.well-known/x",
        ] {
            assert_eq!(below(&request("/static", target)), None, "{target}");
        }
    }

    #[test]
    fn a_redirect_is_relative_and_never_to_another_host() {
        for (target, location) in [
            ("/docs", "./docs/"),
            ("/a/docs?x=1&y", "./docs/?x=1&y"),
            ("/a/b:c", "./b:c/"),
            ("/caf%C3%A9", "./caf%C3%A9/"),
        ] {
            let response = redirect_to_slash(&Request::get(target)).unwrap();
            assert_eq!(response.headers()[header::LOCATION], location);
        }
    }
}
