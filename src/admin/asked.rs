//! In which form a page is asked for.

use crate::message::{request::Request, weight::thousandths};

/// The versions of the JSON, whose fields are the same; the newer first.
const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];

/// A form in which a page may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people with curl.
    Text,
    /// For people with a browser.
    Html,
    /// For programs, of a version.
    Json(&'static str),
}

impl Form {
    /// What the request prefers, the first where it prefers several alike (RFC 9110 section 12.5.1); text where it says
    /// nothing, and `None` where it accepts none of them. JSON there is of a `kind` alone, and only for who names it with its
    /// group and a version, as Kubernetes' components have it.
    pub(super) fn of(request: &Request, kind: Option<&str>) -> Option<Form> {
        let mut accepted = request.header_values("accept").peekable();
        if accepted.peek().is_none() {
            return Some(Form::Text);
        }
        let mut best = None;
        let ranges = accepted.flat_map(|line| line.split(','));
        for (form, weight) in ranges.filter_map(|range| Form::named(range, kind)) {
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((form, weight));
            }
        }
        best.map(|(form, _)| form)
    }

    /// What a range of media types asks for, where that is something there is, and its weight.
    fn named(range: &str, kind: Option<&str>) -> Option<(Form, u16)> {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let of = |name: &str| {
            let parts = parameters.split(';').map(str::trim);
            let mut pairs = parts.filter_map(|part| part.split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        let weight = of("q").map_or(Some(1000), thousandths)?;
        let is = |known: &str| name.trim().eq_ignore_ascii_case(known);
        if is("text/html") {
            return Some((Form::Html, weight));
        }
        if is("text/plain") || is("text/*") || is("*/*") {
            return Some((Form::Text, weight));
        }
        let is_theirs = is("application/json") && of("g") == Some("config.k8s.io");
        if !is_theirs || of("as") != Some(kind?) {
            return None;
        }
        let mut versions = VERSIONS.into_iter();
        let version = versions.find(|version| of("v") == Some(version));
        version.map(|version| (Form::Json(version), weight))
    }
}

/// The media type that gives the JSON of a kind.
pub(super) fn media_type(kind: &str) -> String {
    format!(
        "application/json;v={};g=config.k8s.io;as={kind}",
        VERSIONS[0]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    fn asked(accept: &'static str, kind: Option<&str>) -> Option<Form> {
        let value = HeaderValue::from_static(accept);
        let request = Request::get("/flagz").with_header(header::ACCEPT, value);
        Form::of(&request, kind)
    }

    #[test]
    fn what_kubernetes_components_answer_to_an_accept_is_answered_to_it() {
        for (accept, form) in [
            ("text/plain", Some(Form::Text)),
            ("*/*", Some(Form::Text)),
            (
                "application/json;v=v1alpha1;g=config.k8s.io;as=Flagz",
                Some(Form::Json("v1alpha1")),
            ),
            (
                "application/json; as=Flagz; v=v1beta1; g=config.k8s.io",
                Some(Form::Json("v1beta1")),
            ),
            (
                "application/json;v=foo;g=config.k8s.io;as=Flagz,*/*",
                Some(Form::Text),
            ),
            ("application/json", None),
            ("application/json;v=v1alpha1;g=config.k8s.io", None),
            (
                "application/json;v=v1alpha1;g=config.k8s.io;as=Statusz",
                None,
            ),
            ("application/json;v=foo;g=config.k8s.io;as=Flagz", None),
            ("application/xml", None),
            ("text/plain;q=0, application/xml", None),
            ("text/html;q=0.1, text/plain", Some(Form::Text)),
            ("text/plain;q=0.5, text/html;q=0.9", Some(Form::Html)),
            ("text/plain;q=0.5, text/html;q=0.500", Some(Form::Text)),
        ] {
            assert_eq!(asked(accept, Some("Flagz")), form, "{accept}");
        }
        let json = "application/json;v=v1alpha1;g=config.k8s.io;as=Threadz";
        assert_eq!(asked(json, None), None, "a page that is no kind of theirs");
    }

    #[test]
    fn a_browser_gets_a_page_and_everybody_else_text() {
        let browsers = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        assert_eq!(asked(browsers, Some("Statusz")), Some(Form::Html));
        let none = Request::get("/statusz");
        assert_eq!(Form::of(&none, Some("Statusz")), Some(Form::Text));
    }
}
