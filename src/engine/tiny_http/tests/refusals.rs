//! Requests that two readers might understand differently, or that are not served: all end their connection.

use super::harness::Site;

const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a head with a body and a request behind, and expects one refusal and the end.
fn expect_refusal(site: &Site, status: u16, head: &str, body: &str) {
    let mut client = site.client();
    client.send(format!("{head}\r\n\r\n{body}{BEHIND}"));
    let answer = client.answer();
    assert_eq!(answer.status, status, "{head:?}");
    assert!(
        answer.says_close() && answer.head.contains("\r\nDate: "),
        "{answer:?}"
    );
    client.expect_end();
}

#[test]
fn what_might_smuggle_a_request_is_refused_and_nothing_behind_it_is_served() {
    let site = Site::echoing_targets();
    let chunks = "0\r\n\r\n";
    for (fields, body) in [
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", chunks),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", chunks),
        ("Transfer-Encoding: gzip", ""),
        ("Transfer-Encoding: identity", ""),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            chunks,
        ),
        ("Transfer-Encoding: chunked, gzip", chunks),
        ("Transfer-Encoding: xchunked", chunks),
        ("Transfer-Encoding:", chunks),
        ("Content-Length: +5", "hello"),
        ("Content-Length: -5", "hello"),
        ("Content-Length: 5 5", "hello"),
        ("Content-Length: 0x5", "hello"),
        ("Content-Length:", ""),
        ("Content-Length: 5, 5", "hello"),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("Content-Length: 5\r\nContent-Length: 6", "hello"),
        ("Host: y", ""),
        ("X: a\rb", ""),
        ("X: a\nb", ""),
        ("X: a\0b", ""),
        ("X: a\x7fb", ""),
        ("X(: a", ""),
        (": a", ""),
    ] {
        expect_refusal(
            &site,
            400,
            &format!("POST / HTTP/1.1\r\nHost: x\r\n{fields}"),
            body,
        );
    }
    assert!(site.handled().is_empty(), "{:?}", site.handled());
}

#[test]
fn a_request_must_name_its_host_once_and_well() {
    let site = Site::echoing_targets();
    expect_refusal(&site, 400, "GET / HTTP/1.1\r\nX: y", "");
    expect_refusal(&site, 400, "GET / HTTP/1.1\r\nHost: a b", "");
    expect_refusal(&site, 400, "GET / HTTP/1.1\r\nHost: user@x", "");
    assert!(site.handled().is_empty());
}

#[test]
fn targets_methods_and_versions_that_are_not_served_are_told_apart() {
    let site = Site::echoing_targets();
    expect_refusal(&site, 400, "GET example HTTP/1.1\r\nHost: x", "");
    expect_refusal(&site, 400, "GET /a\x01b HTTP/1.1\r\nHost: x", "");
    expect_refusal(&site, 400, "GET /a\nb HTTP/1.1\r\nHost: x", "");
    expect_refusal(&site, 400, "GET * HTTP/1.1\r\nHost: x", "");
    expect_refusal(&site, 400, "G(T / HTTP/1.1\r\nHost: x", "");
    expect_refusal(&site, 501, "CONNECT x:80 HTTP/1.1\r\nHost: x", "");
    expect_refusal(&site, 505, "GET / HTTP/0.9\r\nHost: x", "");
    expect_refusal(
        &site,
        501,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked",
        "0\r\n\r\n",
    );
    assert!(site.handled().is_empty());
}

#[test]
fn heads_over_the_limits_are_refused_as_by_the_other_engine() {
    let site = Site::with(&[("MAX_HEAD_BYTES", "1KiB")], |_| {
        unreachable!("nothing is served here")
    });
    let long = "x".repeat(1100);
    expect_refusal(&site, 414, &format!("GET /{long} HTTP/1.1\r\nHost: x"), "");
    expect_refusal(
        &site,
        431,
        &format!("GET / HTTP/1.1\r\nHost: x\r\nX: {long}"),
        "",
    );
    let site = Site::echoing_targets();
    expect_refusal(
        &site,
        431,
        &format!("GET / HTTP/1.1\r\nHost: x{}", "\r\nX: y".repeat(100)),
        "",
    );
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let site = Site::echoing_targets();
    let mut client = site.client();
    client.send("HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!(client.head().0, 400);
    client.expect_end();
}

#[test]
fn what_tiny_http_refuses_by_itself_ends_the_connection_too() {
    let site = Site::echoing_targets();
    for (status, head) in [
        (400, "GET /\r\nHost: x"),
        (400, "GET / HTTP/1.2\r\nHost: x"),
        (400, "GET / HTTP/1.1\r\nNo colon"),
        (400, "GET / HTTP/1.1\r\nHost : x"),
        (417, "GET / HTTP/1.1\r\nHost: x\r\nExpect: other"),
    ] {
        let mut client = site.client();
        client.send(format!("{head}\r\n\r\n"));
        assert_eq!(client.answer().status, status, "{head:?}");
        client.expect_end();
    }
    assert!(site.handled().is_empty());
}
