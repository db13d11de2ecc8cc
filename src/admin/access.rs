//! Who may change something: whoever has the token, and no page of another site.

use crate::{
    config::settings::Secret,
    message::{request::Request, response::Response},
    routing::layers::bearer::{credentials, is_same},
};
use http::{HeaderValue, StatusCode, header};

/// Why the request may change nothing; `None` where it may.
///
/// Where a request comes from proves nothing: beside a mesh's sidecar everybody's come from loopback.
pub(super) fn refusal(request: &Request, token: Option<&Secret>) -> Option<Response> {
    let forbidden = |why| Some(Response::text(StatusCode::FORBIDDEN, why));
    if is_cross_site(request) {
        return forbidden("a page of another site changes nothing here\n");
    }
    let Some(token) = token else {
        return forbidden("nothing can be changed here: ADMIN_TOKEN is not set\n");
    };
    let given = request.header("authorization").and_then(credentials);
    match given {
        Some(given) if is_same(token.expose().as_bytes(), given.as_bytes()) => None,
        _ => {
            let challenge = match given {
                Some(_) => "Bearer error=\"invalid_token\"",
                None => "Bearer",
            };
            let refused = Response::text(
                StatusCode::UNAUTHORIZED,
                "expected Authorization: Bearer with the ADMIN_TOKEN\n",
            );
            let challenge = HeaderValue::from_static(challenge);
            Some(refused.with_header(header::WWW_AUTHENTICATE, challenge))
        }
    }
}

/// As browsers tell, by fetch metadata or, older ones, by the origin (<https://www.w3.org/TR/fetch-metadata/>). What is no
/// browser tells neither.
fn is_cross_site(request: &Request) -> bool {
    if let Some(site) = request.header("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = request.header("origin") else {
        return false;
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let host = request.header("host");
    !authority
        .is_some_and(|authority| host.is_some_and(|host| host.eq_ignore_ascii_case(authority)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn status(token: Option<&str>, headers: &[(&'static str, &'static str)]) -> u16 {
        let request = headers.iter().fold(
            Request::post("/loglevel", "debug"),
            |request, (name, value)| {
                request.with_header(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            },
        );
        let token = token.map(Secret::from);
        refusal(&request, token.as_ref()).map_or(200, |refused| refused.status().as_u16())
    }

    #[test]
    fn only_the_token_lets_change_something_and_from_no_other_site() {
        let right = ("authorization", "Bearer s3cret");
        let host = ("host", "127.0.0.1:9090");
        assert_eq!(status(Some("s3cret"), &[right]), 200);
        assert_eq!(status(Some("s3cret"), &[]), 401);
        assert_eq!(
            status(Some("s3cret"), &[("authorization", "Bearer s3cre")]),
            401
        );
        assert_eq!(
            status(Some("s3cret"), &[("authorization", "Basic s3cret")]),
            401
        );
        assert_eq!(status(None, &[right]), 403, "no token is set");
        assert_eq!(status(Some(""), &[("authorization", "Bearer ")]), 401);
        for (site, expected) in [
            ("same-origin", 200),
            ("none", 200),
            ("same-site", 403),
            ("cross-site", 403),
        ] {
            let asked = status(Some("s3cret"), &[right, ("sec-fetch-site", site)]);
            assert_eq!(asked, expected, "{site}");
        }
        for (origin, expected) in [
            ("http://127.0.0.1:9090", 200),
            ("http://127.0.0.1:8080", 403),
            ("https://evil.example", 403),
            ("null", 403),
        ] {
            let asked = status(Some("s3cret"), &[right, host, ("origin", origin)]);
            assert_eq!(asked, expected, "{origin}");
        }
    }
}
