//! What layers add to answers and make of them, and answers of their own kind.

use std::io::Read;

use seaworthy::http::{HeaderName, StatusCode, header};
use seaworthy::{
    Body, Html, Next, NoContent, Redirect, Request, Response, Routes, Service, layers,
};

use super::ask;
use super::cors::SHOP;
use crate::service::{end, serve};
use crate::support::{Engine, Framing, get};

both_engines! {
    security_headers_are_there_unless_a_handler_has_its_own,
    an_answer_that_the_client_has_is_not_sent_again,
    a_layer_changes_bodies_and_sees_their_type,
    pages_redirects_and_nothing_have_their_status_and_headers,
}

fn security_headers_are_there_unless_a_handler_has_its_own(engine: Engine) {
    let own = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ];
    let chosen = layers::security_headers()
        .content_security_policy("default-src 'self'")
        .hsts("8760h")
        .with(HeaderName::from_static("permissions-policy"), "camera=()")
        .without(&header::REFERRER_POLICY);
    let other = Routes::new().get("/", |_: &Request| "").layer(chosen);
    let routes = Routes::new()
        .get("/", |_: &Request| "")
        .get("/own", move |_: &Request| (own.clone(), ""))
        .fallback(|_: &Request| StatusCode::NOT_FOUND)
        .layer(layers::security_headers());
    let running = serve(
        Service::new("test").merge(routes).nest("/chosen", other),
        engine,
    );
    for (path, status) in [("/", 200), ("/nowhere", 404)] {
        let answer = get(running.addr(), path).expect(status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert_eq!(
            answer.header("strict-transport-security"),
            None,
            "by choice only"
        );
    }
    let answer = get(running.addr(), "/own").expect(200);
    assert_eq!(
        answer.header("content-security-policy"),
        Some("default-src 'none'")
    );
    assert_eq!(answer.header("x-frame-options"), Some("SAMEORIGIN"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let answer = get(running.addr(), "/chosen").expect(200);
    assert_eq!(
        answer.header("content-security-policy"),
        Some("default-src 'self'")
    );
    let a_year = "max-age=31536000; includeSubDomains";
    assert_eq!(answer.header("strict-transport-security"), Some(a_year));
    assert_eq!(answer.header("permissions-policy"), Some("camera=()"));
    assert_eq!(answer.header("referrer-policy"), None);
    end(running);
}

fn an_answer_that_the_client_has_is_not_sent_again(engine: Engine) {
    let tagged = [
        (header::ETAG, "W/\"7\""),
        (header::CACHE_CONTROL, "max-age=60"),
        (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT"),
    ];
    let no_store = [(header::CACHE_CONTROL, "private, no-store")];
    let streamed = || Response::stream(&b"streamed"[..]);
    let service = Service::new("test")
        .get("/", |_: &Request| Html("<p>hello"))
        .post("/", |_: &Request| "hello")
        .get("/own", move |_: &Request| (tagged.clone(), streamed()))
        .get("/stream", move |_: &Request| streamed())
        .get("/secret", move |_: &Request| (no_store.clone(), "secret"))
        .get("/made", |_: &Request| (StatusCode::CREATED, "made"))
        .layer(layers::etag())
        .layer(layers::cors().allow_origin("https://shop.example"));
    let running = serve(service, engine);
    let ask = |line: &str, more: &[&str]| ask(running.addr(), &[&[line], more].concat());
    let first = ask("GET /", &[]).expect(200);
    let tag = first.header("etag").expect("it is in memory").to_owned();
    assert!(
        tag.starts_with('"'),
        "a strong tag, for it stands for these bytes: {tag}"
    );
    assert_eq!(
        ask("HEAD /", &[]).expect(200).header("etag"),
        Some(tag.as_str())
    );
    for (list, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"x\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
    ] {
        let asked = format!("If-None-Match: {list}");
        for method in ["GET", "HEAD"] {
            let answer = ask(&format!("{method} /"), &[&asked, SHOP]).expect(status);
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(answer.header("vary"), Some("Origin"));
            let allowed = Some("https://shop.example");
            assert_eq!(answer.header("access-control-allow-origin"), allowed);
            assert_eq!(answer.header("content-type").is_none(), status == 304);
            let is_bare = answer.framing == Framing::None && answer.body.is_empty();
            assert!(status == 200 || is_bare);
        }
    }
    let answer = ask("POST /", &["Content-Length: 0", "If-None-Match: *"]).expect(200);
    assert_eq!(answer.header("etag"), None);
    let answer = ask("GET /own", &["If-None-Match: \"7\""]).expect(304);
    assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    assert_eq!(answer.header("etag"), Some("W/\"7\""));
    assert_eq!(answer.header("last-modified"), None);
    for path in ["/stream", "/secret", "/made", "/nowhere"] {
        let answer = ask(&format!("GET {path}"), &["If-None-Match: *"]);
        assert_ne!(answer.status, 304, "{path}");
        assert_eq!(answer.header("etag"), None, "{path}");
    }
    end(running);
}

fn a_layer_changes_bodies_and_sees_their_type(engine: Engine) {
    fn change(request: &mut Request, next: Next<'_>) -> Response {
        let response = next.run(request);
        match response.content_type() {
            Some("text/plain; charset=utf-8") => response.map_body(|body| {
                let mut text = String::new();
                let read = body.into_reader().read_to_string(&mut text);
                read.map(|_| text.to_uppercase()).unwrap_or_default()
            }),
            Some("text/html; charset=utf-8") => response.map_body(|body| {
                let longer = body.into_reader().chain(&b"<!-- end -->"[..]);
                Body::Stream(Box::new(longer), None)
            }),
            _ => response,
        }
    }
    let service = Service::new("test")
        .get("/text", |_: &Request| "quiet")
        .get("/html", |_: &Request| Html("<p>".to_owned()))
        .get("/bytes", |_: &Request| vec![b'x'])
        .layer(change);
    let running = serve(service, engine);
    for (path, content_type, body) in [
        ("/text", "text/plain; charset=utf-8", "QUIET"),
        ("/html", "text/html; charset=utf-8", "<p><!-- end -->"),
        ("/bytes", "application/octet-stream", "x"),
    ] {
        let answer = get(running.addr(), path).expect(200);
        assert_eq!(
            (answer.header("content-type"), answer.text()),
            (Some(content_type), body)
        );
    }
    end(running);
}

fn pages_redirects_and_nothing_have_their_status_and_headers(engine: Engine) {
    let service = Service::new("test")
        .get("/page", |_: &Request| Html("<p>"))
        .post("/form", |_: &Request| {
            Redirect::to("/done?of=1\r\nX-Evil: 1")
        })
        .get("/moving", |_: &Request| {
            Redirect::temporary("https://example.com/caf\u{e9}")
        })
        .get("/moved", |_: &Request| Redirect::permanent("/new"))
        .delete("/it", |_: &Request| NoContent);
    let running = serve(service, engine);
    let page = get(running.addr(), "/page").expect(200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    for (line, status, location) in [
        ("POST /form", 303, Some("/done?of=1%0D%0AX-Evil:%201")),
        ("GET /moving", 307, Some("https://example.com/caf%C3%A9")),
        ("GET /moved", 308, Some("/new")),
        ("DELETE /it", 204, None),
    ] {
        let answer = ask(running.addr(), &[line, "Content-Length: 0"]).expect(status);
        assert_eq!(answer.header("location"), location);
        assert!(answer.body.is_empty() && answer.header("x-evil").is_none());
    }
    end(running);
}
