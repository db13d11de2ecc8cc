use super::*;
use crate::engine::http1::invariants::assert_refused;

type Parts<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

#[test]
fn a_valid_target_is_taken_apart() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, Parts<'_>)] = &[
        ("9112 3.2.1: origin-form", "/", ("/", None, None)),
        ("9112 3.2.1: with a query", "/a/b?c=d", ("/a/b", Some("c=d"), None)),
        ("9112 3.2.1: with an empty query", "/?", ("/", Some(""), None)),
        ("9112 3.2.1: the first ? counts", "/a?b?c/d", ("/a", Some("b?c/d"), None)),
        ("9112 3.2.1: no authority", "//a/b", ("//a/b", None, None)),
        ("9112 3.2.1: an address in the path", "/http://a/", ("/http://a/", None, None)),
        ("3986 3.3: dots are the router's", "/a/../b%2f", ("/a/../b%2f", None, None)),
        ("9112 3.2: visible ASCII is let be", "/\"<>\\^`{|}", ("/\"<>\\^`{|}", None, None)),
        ("9112 3.2.2: absolute-form", "http://a/b", ("/b", None, Some("a"))),
        ("9112 3.2.2: with a query", "http://a/b?c", ("/b", Some("c"), Some("a"))),
        ("9110 4.2.3: empty path", "http://a", ("/", None, Some("a"))),
        ("9110 4.2.3: empty path with a query", "http://a?b", ("/", Some("b"), Some("a"))),
        ("9110 4.2.2: https", "https://a:443/", ("/", None, Some("a:443"))),
        ("9110 4.2.3: scheme in any case", "HTTP://A/", ("/", None, Some("A"))),
        ("3986 3.2.3: empty port", "http://a:/", ("/", None, Some("a:"))),
        ("3986 3.2.2: IPv6", "http://[::1]:80/", ("/", None, Some("[::1]:80"))),
        ("3986 3.2.2: percent-encoded", "http://%61/", ("/", None, Some("%61"))),
    ];
    for (row, target, parts) in rows {
        let read = read_target(&Method::GET, target.as_bytes())
            .unwrap_or_else(|refusal| panic!("{row}: {refusal:?}"));
        let text = |span: Span| span.text(target.as_bytes());
        let read = (
            text(read.path),
            read.query.map(text),
            read.authority.map(text),
        );
        assert_eq!(read, *parts, "{row}");
    }
}

#[test]
fn a_bad_target_is_refused() {
    let rows = [
        ("9112 3.2: none", ""),
        ("9112 3.2: relative", "a/b"),
        ("9112 3.2: only a query", "?a"),
        ("9112 3.2.3: authority-form is CONNECT's", "a:80"),
        ("9112 3.2.4: asterisk-form is OPTIONS'", "*"),
        ("9112 3.2.4: more than an asterisk", "*/a"),
        ("9110 7.1: fragment", "/a#b"),
        ("9110 7.1: fragment in the query", "/a?b#c"),
        ("9110 7.1: fragment of an absolute target", "http://a#b"),
        ("9110 7.1: fragment after the path", "http://a/#b"),
        ("9112 3.2: space", "/a b"),
        ("9112 3.2: tab", "/a\tb"),
        ("9112 3.2: beyond ASCII", "/\u{e9}"),
        ("9112 3.2: beyond ASCII in the query", "/?\u{e9}"),
        ("9112 3.2: DEL", "/\x7f"),
        ("9110 4.2: another scheme", "ftp://a/"),
        ("9110 4.2: no slashes", "http:a"),
        ("9110 4.2: one slash", "http:/a"),
        ("9110 4.2.1: empty host", "http:///a"),
        ("9110 4.2.1: nothing but a scheme", "http://"),
        ("9110 4.2.1: empty host with a port", "http://:80/"),
        ("9110 4.2.4: user information", "http://user@a/"),
        ("9110 4.2.4: user and password", "http://user:pw@a/"),
        ("3986 3.2.2: no name", "http://a\\b/"),
        ("3986 3.2.2: no IPv6 address", "http://[::g]/"),
        ("3986 3.2.2: bracket left open", "http://[::1/"),
        ("3986 3.2.3: no port", "http://a:b/"),
    ];
    for (row, target) in rows {
        assert_refused(read_target(&Method::GET, target.as_bytes()), 400, row);
    }
}

#[test]
fn options_may_ask_about_the_whole_server() {
    let target = read_target(&Method::OPTIONS, b"*").unwrap();
    assert_eq!(target.path.text(b"*"), "*", "9112 3.2.4");
    assert_refused(
        read_target(&Method::OPTIONS, b"*?a"),
        400,
        "9112 3.2.4: with a query",
    );
}

#[test]
fn connect_is_not_implemented() {
    for target in ["a:443", "/", "*", "http://a/", "a"] {
        assert_refused(
            read_target(&Method::CONNECT, target.as_bytes()),
            501,
            "9110 9.3.6",
        );
    }
}
