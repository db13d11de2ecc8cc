//! `/flagz` as Kubernetes' components have it (KEP-4828): text for people; JSON, with a version, for programs.

use crate::{
    lifecycle::flags::Flags,
    message::{
        problem::push_json,
        request::Request,
        response::{Response, TEXT},
    },
};
use http::{HeaderValue, StatusCode, header};

/// As they write it, so that whoever knows theirs knows this.
const WARNING: &str = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility \
guarantees and is for debugging purposes only.";

/// The versions of the JSON, whose fields are the same; the newer first.
const VERSIONS: [&str; 2] = ["v1beta1", "v1alpha1"];

/// What to ask for to get the JSON, of a version.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    Text,
    Json(&'static str),
}

/// Every setting that runs, in the form that the request accepts; 406 for any other.
pub(super) fn answer(request: &Request, name: &str, flags: &Flags) -> Response {
    let mut accepted = request.header_values("accept").peekable();
    let form = match accepted.peek() {
        None => Some(Form::Text),
        Some(_) => accepted
            .flat_map(|line| line.split(','))
            .find_map(Form::named),
    };
    let flags = flags.list();
    let response = match form {
        Some(Form::Text) => Response::of(text(name, &flags), TEXT),
        Some(Form::Json(version)) => Response::of(json(name, version, &flags), JSON),
        None => Response::of(not_acceptable(), TEXT).with_status(StatusCode::NOT_ACCEPTABLE),
    };
    let no_store = HeaderValue::from_static("no-store");
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .with_header(header::CACHE_CONTROL, no_store)
        .with_header(header::X_CONTENT_TYPE_OPTIONS, nosniff)
}

const JSON: &str = "application/json";

impl Form {
    /// What a range of media types asks for, where that is something there is.
    fn named(range: &str) -> Option<Form> {
        let mut parts = range.split(';').map(str::trim);
        match parts.next()?.to_ascii_lowercase().as_str() {
            "text/plain" | "text/*" | "*/*" => Some(Form::Text),
            "application/json" => {
                let parameters: Vec<(&str, &str)> =
                    parts.filter_map(|part| part.split_once('=')).collect();
                let of = |name: &str| {
                    let mut named = parameters.iter().filter(|(known, _)| *known == name);
                    named.next().map(|(_, value)| *value)
                };
                let fits = of("g") == Some("config.k8s.io") && of("as") == Some("Flagz");
                let version = VERSIONS
                    .into_iter()
                    .find(|version| of("v") == Some(version));
                version.filter(|_| fits).map(Form::Json)
            }
            _ => None,
        }
    }
}

/// The media type that gives the JSON, for [`Form::named`] and for whoever asks.
pub(crate) fn media_type() -> String {
    format!(
        "application/json;v={};g=config.k8s.io;as=Flagz",
        VERSIONS[0]
    )
}

fn not_acceptable() -> String {
    format!("not acceptable: expected text/plain or {}\n", media_type())
}

fn text(name: &str, flags: &[(&str, String)]) -> String {
    let mut text = format!("\n{name} flagz\n{WARNING}\n\n");
    for (name, value) in flags {
        let printed = match value.contains(char::is_control) {
            true => format!("{value:?}"),
            false => value.clone(),
        };
        text.push_str(&format!("{name}={printed}\n"));
    }
    text
}

fn json(name: &str, version: &str, flags: &[(&str, String)]) -> String {
    let mut json =
        format!(r#"{{"kind":"Flagz","apiVersion":"config.k8s.io/{version}","metadata":{{"name":"#);
    push_json(&mut json, name);
    json.push_str(r#"},"flags":{"#);
    for (position, (name, value)) in flags.iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        push_json(&mut json, name);
        json.push(':');
        push_json(&mut json, value);
    }
    json.push_str("}}\n");
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(accept: &'static str) -> Response {
        let flags = Flags::holding(&[("PORT", "8080"), ("GREETING", "a \"b\"\nc")]);
        let value = HeaderValue::from_static(accept);
        let request = Request::get("/flagz").with_header(header::ACCEPT, value);
        answer(&request, "shop", &flags)
    }

    #[test]
    fn what_kubernetes_components_answer_to_an_accept_is_answered_to_it() {
        for (accept, status) in [
            ("text/plain", 200),
            ("*/*", 200),
            ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
            ("application/json;v=v1alpha1;g=config.k8s.io;as=Flagz", 200),
            (
                "application/json; as=Flagz; v=v1beta1; g=config.k8s.io",
                200,
            ),
            ("application/json;v=foo;g=config.k8s.io;as=Flagz,*/*", 200),
            ("application/json", 406),
            ("application/json;v=v1alpha1;g=config.k8s.io", 406),
            (
                "application/json;v=v1alpha1;g=config.k8s.io;as=Statusz",
                406,
            ),
            ("application/json;v=foo;g=config.k8s.io;as=Flagz", 406),
            ("application/xml", 406),
        ] {
            assert_eq!(asked(accept).status().as_u16(), status, "{accept}");
        }
    }

    #[test]
    fn the_json_is_theirs_and_any_value_survives_it() {
        let answer = asked("application/json;v=v1alpha1;g=config.k8s.io;as=Flagz");
        let json: serde_json::Value = serde_json::from_slice(answer.body().unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "kind": "Flagz",
                "apiVersion": "config.k8s.io/v1alpha1",
                "metadata": {"name": "shop"},
                "flags": {"PORT": "8080", "GREETING": "a \"b\"\nc"},
            })
        );
    }

    #[test]
    fn the_text_has_a_line_for_each_setting_and_no_more() {
        let answer = asked("text/plain");
        let text = String::from_utf8_lossy(answer.body().unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["", "shop flagz"]);
        assert_eq!(lines[3..], ["", r#"GREETING="a \"b\"\nc""#, "PORT=8080"]);
    }
}
