use super::*;
use crate::{message::into_response::IntoResponse, service::Service};
use http::Method;
use std::io::{self, Cursor};

const LONG: &str = "the same again and again, and once more for good measure; ";

fn long() -> String {
    LONG.repeat(50)
}

fn ask(
    method: Method,
    accepts: &str,
    answer: impl Fn() -> Response + Send + Sync + 'static,
) -> Response {
    let service = Service::new("test")
        .get("/", move |_: &Request| answer())
        .layer(compression());
    let request = Request::new(method, "/");
    service.call(request.with_header(header::ACCEPT_ENCODING, accepts.parse().unwrap()))
}

fn with(name: &'static str, value: &'static str) -> impl Fn() -> Response + Clone {
    move || ([(name, value)], long()).into_response()
}

fn of_type(kind: &'static str) -> impl Fn() -> Response + Clone {
    with("content-type", kind)
}

fn coding(response: &Response) -> Option<&str> {
    let coding = response.headers().get(header::CONTENT_ENCODING)?;
    coding.to_str().ok()
}

fn varies(response: &Response) -> bool {
    let vary = response.headers().get(header::VARY);
    vary.is_some_and(|vary| vary == "Accept-Encoding")
}

#[test]
fn what_pays_is_compressed_for_who_wants_it_and_varies_for_everybody() {
    for kind in [
        "text/html; charset=utf-8",
        "TEXT/CSS",
        "application/json",
        "application/problem+json",
        "application/javascript",
        "image/svg+xml",
        "application/wasm",
    ] {
        let wanted = ask(Method::GET, "gzip", of_type(kind));
        assert_eq!(
            (coding(&wanted), varies(&wanted)),
            (Some("gzip"), true),
            "{kind}"
        );
        assert!(wanted.body().unwrap().len() < 200);
        let unwanted = ask(Method::GET, "br", of_type(kind));
        assert_eq!(
            (coding(&unwanted), varies(&unwanted)),
            (None, true),
            "{kind}"
        );
        assert_eq!(unwanted.body(), Some(long().as_bytes()));
    }
}

#[test]
fn what_does_not_pay_or_must_not_be_changed_goes_as_it_is_and_does_not_vary() {
    let short = || LONG.into_response();
    let stream = || {
        let stream = Response::stream_sized(Cursor::new(LONG), LONG.len() as u64);
        stream.with_header(header::CONTENT_TYPE, "text/plain".parse().unwrap())
    };
    let part = || (StatusCode::PARTIAL_CONTENT, long()).into_response();
    type Answer = Box<dyn Fn() -> Response + Send + Sync>;
    let answers: [(&str, Answer); 12] = [
        ("short", Box::new(short)),
        ("short stream", Box::new(stream)),
        ("png", Box::new(of_type("image/png"))),
        ("zip", Box::new(of_type("application/zip"))),
        ("bytes", Box::new(of_type("application/octet-stream"))),
        ("events", Box::new(of_type("text/event-stream"))),
        ("part", Box::new(part)),
        ("range", Box::new(with("content-range", "bytes 0-9/10"))),
        ("coded", Box::new(with("content-encoding", "br"))),
        (
            "no-transform",
            Box::new(with("cache-control", "public, no-transform")),
        ),
        ("digest", Box::new(with("content-digest", "sha-256=:AAAA:"))),
        ("empty", Box::new(|| StatusCode::OK.into_response())),
    ];
    for (name, answer) in answers {
        let answer = Arc::new(answer);
        let same = Arc::clone(&answer);
        let plain = Service::new("test").get("/", move |_: &Request| same());
        let before = plain.call(Request::get("/"));
        let after = ask(Method::GET, "gzip", move || answer());
        assert_eq!(after.headers(), before.headers(), "{name}");
    }
}

#[test]
fn a_body_that_would_grow_goes_as_it_is() {
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
        .take(5000)
        .collect();
    let sent = noise.clone();
    let text = HeaderValue::from_static("text/plain");
    let answer = ask(Method::GET, "gzip", move || {
        noise
            .clone()
            .into_response()
            .with_header(header::CONTENT_TYPE, text.clone())
    });
    assert_eq!((coding(&answer), varies(&answer)), (None, true));
    assert_eq!(answer.body(), Some(&sent[..]));
}

#[test]
fn a_compressed_answer_has_a_weak_tag_and_takes_no_ranges() {
    let tagged = || {
        let headers = [("etag", "\"a\""), ("accept-ranges", "bytes")];
        (headers, long()).into_response()
    };
    let compressed = ask(Method::GET, "gzip", tagged);
    assert_eq!(compressed.headers()[header::ETAG], "W/\"a\"");
    assert!(!compressed.headers().contains_key(header::ACCEPT_RANGES));
    let plain = ask(Method::GET, "identity", tagged);
    assert_eq!(plain.headers()[header::ETAG], "\"a\"");
    assert_eq!(plain.headers()[header::ACCEPT_RANGES], "bytes");
    let weak = ask(Method::GET, "gzip", with("etag", "W/\"a\""));
    assert_eq!(weak.headers()[header::ETAG], "W/\"a\"");
}

#[test]
fn head_has_the_headers_and_the_length_of_get() {
    let stream = || {
        let stream = Response::stream(Cursor::new(long()));
        stream.with_header(header::CONTENT_TYPE, "text/plain".parse().unwrap())
    };
    let answers: [Box<dyn Fn(Method) -> Response>; 2] = [
        Box::new(|method| ask(method, "gzip", with("etag", "\"a\""))),
        Box::new(move |method| ask(method, "gzip", stream)),
    ];
    for answer in answers {
        let (get, head) = (answer(Method::GET), answer(Method::HEAD));
        assert_eq!(coding(&get), Some("gzip"));
        assert_eq!(get.headers(), head.headers());
        assert_eq!(head.body(), Some(&b""[..]));
    }
}

#[test]
fn what_the_client_has_already_is_confirmed_by_the_tag_that_it_was_given() {
    let service = Service::new("test")
        .get("/", |_: &Request| long())
        .layer(crate::layers::etag())
        .layer(compression());
    let ask = |accepts: &'static str, tag: Option<&HeaderValue>| {
        let request = Request::get("/")
            .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static(accepts));
        service.call(match tag {
            Some(tag) => request.with_header(header::IF_NONE_MATCH, tag.clone()),
            None => request,
        })
    };
    for accepts in ["gzip", "identity"] {
        let first = ask(accepts, None);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = &first.headers()[header::ETAG];
        let second = ask(accepts, Some(tag));
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(second.body(), Some(&b""[..]));
        assert_eq!(&second.headers()[header::ETAG], tag);
        assert!(varies(&second));
        assert_eq!(coding(&second), None);
    }
}

#[test]
fn the_builder_decides_what_pays_and_how_many_streams() {
    let service = Service::new("test")
        .get("/short", |_: &Request| {
            [("content-type", "image/x-test")]
                .into_response()
                .map_body(|_| LONG.repeat(4))
        })
        .get("/text", |_: &Request| long())
        .get("/stream", |_: &Request| {
            let kind = [("content-type", "image/x-test")];
            (kind, Body::Stream(Box::new(Cursor::new(long())), None))
        })
        .layer(
            compression()
                .level(9)
                .min_size("10")
                .content_types(|kind| kind == "image/x-test")
                .most_streams(1),
        );
    let ask = |path: &str| {
        let gzip = HeaderValue::from_static("gzip");
        service.call(Request::get(path).with_header(header::ACCEPT_ENCODING, gzip))
    };
    assert_eq!(coding(&ask("/short")), Some("gzip"));
    assert_eq!(coding(&ask("/text")), None);
    let first = ask("/stream");
    assert_eq!(coding(&first), Some("gzip"));
    let second = ask("/stream");
    assert_eq!((coding(&second), varies(&second)), (None, true));
    drop(first);
    assert_eq!(coding(&ask("/stream")), Some("gzip"));
}

#[test]
fn who_would_rather_have_the_bytes_as_they_are_gets_them() {
    for (list, expected) in [
        ("gzip, deflate, br, zstd", true),
        ("br", false),
        ("*", true),
        ("*;q=0, gzip", true),
        ("gzip;q=0, *", false),
        ("identity", false),
        ("identity, gzip", true),
        ("identity;q=0.5, gzip;q=0.4", false),
        ("identity;q=0, gzip;q=0.001", true),
    ] {
        let list_value = HeaderValue::from_static(list);
        let request = Request::get("/").with_header(header::ACCEPT_ENCODING, list_value);
        assert_eq!(wants_gzip(&request), expected, "{list}");
    }
}

#[test]
fn a_stream_that_ends_before_its_promised_length_is_no_whole_when_compressed() {
    let service = Service::new("test")
        .get("/", |_: &Request| {
            let short = Response::stream_sized(&b"too short"[..], 5000);
            ([(header::CONTENT_TYPE, "text/plain")], short)
        })
        .layer(compression());
    let gzip = HeaderValue::from_static("gzip");
    let answer = service.call(Request::get("/").with_header(header::ACCEPT_ENCODING, gzip));
    assert_eq!(coding(&answer), Some("gzip"));
    let read = io::copy(&mut answer.into_body().into_reader(), &mut io::sink());
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}
