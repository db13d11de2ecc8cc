use super::*;
use http::{HeaderValue, header};

fn refusal<T>(result: Result<T, Error>) -> (u16, String) {
    match result {
        Ok(_) => panic!("it was taken"),
        Err(error) => (error.status().as_u16(), error.message().to_owned()),
    }
}

#[test]
fn a_cookie_is_found_among_others_and_without_its_quotes() {
    let header = HeaderValue::from_static("theme=dark; session=\"a=b\";empty=");
    let request = Request::get("/")
        .with_header(header::COOKIE, header)
        .with_header(header::COOKIE, HeaderValue::from_static("late=1"));
    for (name, value) in [
        ("theme", Some("dark")),
        ("session", Some("a=b")),
        ("empty", Some("")),
        ("late", Some("1")),
        ("Theme", None),
        ("sess", None),
    ] {
        assert_eq!(request.cookie(name), value, "{name}");
    }
}

#[test]
fn a_body_that_is_no_text_is_a_400_that_says_so() {
    let (status, message) = refusal(Request::post("/", b"\xff".to_vec()).text());
    assert_eq!((status, message.as_str()), (400, "the body is not UTF-8"));
}

#[cfg(feature = "serde")]
mod with_serde {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Sort {
        Price,
        Name,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Page {
        limit: u32,
        after: Option<i64>,
        sort: Option<Sort>,
        #[serde(default)]
        tag: Vec<u8>,
        #[serde(default)]
        full: bool,
        name: Option<String>,
    }

    fn page(query: &str) -> Result<Page, Error> {
        Request::get(&format!("/?{query}")).query_as()
    }

    #[test]
    fn a_query_becomes_a_value_with_its_fields_lists_and_words() {
        let read = page("limit=20&after=-7&sort=price&tag=1&tag=2&full=true&name=a+b%26c&other=x");
        let wanted = Page {
            limit: 20,
            after: Some(-7),
            sort: Some(Sort::Price),
            tag: vec![1, 2],
            full: true,
            name: Some("a b&c".to_owned()),
        };
        assert_eq!(read.unwrap(), wanted);
        assert_eq!(page("limit=1").unwrap().tag, [0; 0]);
    }

    #[test]
    fn a_query_that_does_not_fit_is_a_400_that_names_the_field_and_what_would_be_right() {
        for (query, message) in [
            ("", "limit: missing"),
            (
                "limit=many",
                "limit: expected a whole number from 0 to 4294967295, got \"many\"",
            ),
            (
                "limit=-1",
                "limit: expected a whole number from 0 to 4294967295, got \"-1\"",
            ),
            ("limit=1&limit=2", "limit: given 2 times, expected once"),
            (
                "limit=1&sort=size",
                "sort: expected price or name, got \"size\"",
            ),
            (
                "limit=1&tag=1&tag=300",
                "tag: expected a whole number from 0 to 255, got \"300\"",
            ),
            (
                "limit=1&full=yes",
                "full: expected true or false, got \"yes\"",
            ),
        ] {
            assert_eq!(refusal(page(query)), (400, message.to_owned()), "{query}");
        }
    }

    fn sent(content_type: &'static str, body: &str) -> Request {
        let content_type = HeaderValue::from_static(content_type);
        Request::post("/", body).with_header(header::CONTENT_TYPE, content_type)
    }

    #[test]
    fn a_form_is_read_like_a_query_and_refused_as_axum_refuses_it() {
        let form = "application/x-www-form-urlencoded";
        let with_charset = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
        let good: Page = sent(with_charset, "limit=3&name=%C3%A9").form_as().unwrap();
        assert_eq!((good.limit, good.name.as_deref()), (3, Some("é")));
        let (status, message) = refusal(sent(form, "limit=x").form_as::<Page>());
        assert_eq!(status, 422);
        assert!(
            message.starts_with("limit: expected a whole number"),
            "{message}"
        );
        assert_eq!(
            refusal(sent("text/plain", "limit=3").form_as::<Page>()).0,
            415
        );
    }

    #[test]
    fn json_is_415_400_or_422_as_axum_has_it() {
        let json = "application/problem+json";
        assert!(sent(json, r#"{"limit":1}"#).json::<Page>().is_ok());
        assert_eq!(refusal(sent("text/plain", "{}").json::<Page>()).0, 415);
        assert_eq!(refusal(sent(json, "{").json::<Page>()).0, 400);
        let (status, message) = refusal(sent(json, r#"{"limit":"x"}"#).json::<Page>());
        assert_eq!(status, 422);
        assert!(message.contains("line 1 column"), "{message}");
    }
}
