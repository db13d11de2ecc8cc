use super::*;
use std::{net::TcpListener, time::Duration};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[test]
fn whoever_is_not_there_is_named_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert!(connect("127.0.0.1", address.port(), soon()).is_ok());
    drop(listener);
    let problem = connect("127.0.0.1", address.port(), soon()).unwrap_err();
    assert!(problem.starts_with(&format!("{address}: ")), "{problem}");
    let problem = connect("no.such.host.invalid", 80, soon()).unwrap_err();
    assert!(problem.contains("no.such.host.invalid"), "{problem}");
}

#[test]
fn host_port_and_path_are_read_from_any_url_that_is_one() {
    for (url, host, port, authority, path) in [
        ("http://orders", "orders", 80, "orders", "/"),
        ("http://orders/", "orders", 80, "orders", "/"),
        ("http://orders:/a", "orders", 80, "orders", "/a"),
        (
            "HTTP://orders:8080?a=b",
            "orders",
            8080,
            "orders:8080",
            "/?a=b",
        ),
        (
            "http://[::1]:8080/livez",
            "::1",
            8080,
            "[::1]:8080",
            "/livez",
        ),
        ("http://[::1]/", "::1", 80, "[::1]", "/"),
        ("http://orders/a#b?c", "orders", 80, "orders", "/a"),
    ] {
        let target = Target::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
        assert_eq!(
            (
                &*target.host,
                target.port,
                &*target.authority,
                &*target.path
            ),
            (host, port, authority, path),
            "{url}"
        );
    }
}

#[test]
fn a_url_that_cannot_be_asked_is_refused_with_what_is_wrong() {
    for (url, problem) in [
        ("", ""),
        ("orders:8080", ""),
        ("/livez", ""),
        ("ftp://orders", ""),
        ("https://orders/livez", "TLS is not spoken here"),
        ("http://me:secret@orders/", "without a user"),
        ("http://orders:0/", "a port is from 1 to 65535"),
        ("http://orders:65536/", "a port is from 1 to 65535"),
        ("http://orders:+80/", "a port is from 1 to 65535"),
        ("http://::1/", ""),
        ("http:///livez", ""),
        ("http://:80/livez", ""),
        ("http://orders/a b", ""),
        ("http://orders/\r\n", ""),
    ] {
        let refused = Target::parse(url).err();
        assert!(
            refused.is_some_and(|told| told.is_empty() == problem.is_empty() && told.contains(problem)),
            "{url}: {refused:?}"
        );
    }
}
