use super::*;
use crate::engine::http1::invariants::{LIMITS, assert_refused};
use crate::{
    engine::http1::{Progress, read_head},
    message::head::Head,
};

/// Settles the terms of a request twice, by the shared rules and as part of a whole head, which
/// must agree.
#[track_caller]
fn settle(version: Version, lines: &[&str]) -> Result<Terms, Refusal> {
    let fields = lines
        .iter()
        .map(|line| line.split_once(':').expect("a field line"));
    let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let terms = validate(version, fields, LIMITS.max_body_bytes);

    let minor = if version == Version::Http11 { 1 } else { 0 };
    let text = format!("POST / HTTP/1.{minor}\r\n{}\r\n\r\n", lines.join("\r\n"));
    let mut head = Head::default();
    let of_head = match read_head(text.as_bytes(), 0, &LIMITS, &mut head) {
        Ok(Progress::Complete { len }) => {
            assert_eq!(len, text.len());
            let Head {
                body,
                keep_alive,
                expect_continue,
                ..
            } = head;
            Ok(Terms {
                body,
                keep_alive,
                expect_continue,
            })
        }
        Ok(partial) => panic!("{text:?}: {partial:?}"),
        Err(refusal) => Err(refusal),
    };
    let status = |refusal: Refusal| refusal.status;
    assert_eq!(of_head.map_err(status), terms.map_err(status), "{text:?}");
    terms
}

#[track_caller]
fn settle_11(lines: &[&str]) -> Result<Terms, Refusal> {
    settle(Version::Http11, &[&["Host: a"], lines].concat())
}

#[test]
fn a_request_whose_length_two_readers_may_see_differently_is_refused() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str], u16)] = &[
        ("9112 6.3: TE with CL", &["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
        ("9112 6.3: CL with TE", &["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
        ("9112 6.3: CL of 0 with TE", &["Content-Length: 0", "Transfer-Encoding: chunked"], 400),
        ("9112 6.3: two lengths", &["Content-Length: 5", "Content-Length: 6"], 400),
        ("9112 6.3: one length, twice", &["Content-Length: 5", "content-length: 5"], 400),
        ("9112 6.3: a list of lengths", &["Content-Length: 5, 5"], 400),
        ("9110 8.6: empty", &["Content-Length:"], 400),
        ("9110 8.6: blank", &["Content-Length:  "], 400),
        ("9110 8.6: plus", &["Content-Length: +5"], 400),
        ("9110 8.6: minus", &["Content-Length: -5"], 400),
        ("9110 8.6: minus nothing", &["Content-Length: -0"], 400),
        ("9110 8.6: hexadecimal", &["Content-Length: 0x5"], 400),
        ("9110 8.6: exponent", &["Content-Length: 1e17"], 400),
        ("9110 8.6: fraction", &["Content-Length: 5.0"], 400),
        ("9110 8.6: space within", &["Content-Length: 5 5"], 400),
        ("9110 8.6: trailing comma", &["Content-Length: 5,"], 400),
        ("9110 8.6: quotes", &["Content-Length: \"5\""], 400),
        ("9110 8.6: digits beyond ASCII", &["Content-Length: \u{665}"], 400),
        ("9112 7: chunked twice", &["Transfer-Encoding: chunked, chunked"], 400),
        ("9112 7: chunked twice, in two fields", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
        ("9112 6.3: chunked not last", &["Transfer-Encoding: chunked, gzip"], 400),
        ("9112 6.3: no chunked", &["Transfer-Encoding: gzip"], 400),
        ("9112 6.3: identity, which is gone", &["Transfer-Encoding: identity"], 400),
        ("9112 6.3: identity last", &["Transfer-Encoding: chunked, identity"], 400),
        ("9112 6.1: unknown before chunked", &["Transfer-Encoding: gzip, chunked"], 501),
        ("9112 6.1: two unknown", &["Transfer-Encoding: gzip, br, chunked"], 501),
        (
            "9112 6.1: unknown before chunked, in two fields",
            &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
            501,
        ),
        ("9112 6.1: identity before chunked", &["Transfer-Encoding: identity, chunked"], 501),
        (
            "9112 7: unknown, then chunked twice",
            &[
                "Transfer-Encoding: gzip, chunked",
                "Transfer-Encoding: chunked",
            ],
            400,
        ),
        ("9112 7: empty", &["Transfer-Encoding:"], 400),
        ("9112 7: empty element first", &["Transfer-Encoding: , chunked"], 400),
        ("9112 7: empty element last", &["Transfer-Encoding: chunked,"], 400),
        ("9112 7.1: parameters", &["Transfer-Encoding: chunked;a=b"], 400),
        ("9112 7: two words", &["Transfer-Encoding: x chunked"], 400),
        ("9112 7: quotes", &["Transfer-Encoding: \"chunked\""], 400),
        ("9112 7: nearly chunked", &["Transfer-Encoding: xchunked"], 400),
        ("9110 5.5: vertical tab", &["Transfer-Encoding: \x0bchunked"], 400),
        ("9110 5.5: NUL", &["Transfer-Encoding: chunked\0"], 400),
    ];
    for (row, lines, status) in rows {
        assert_refused(settle_11(lines), *status, row);
    }
}

#[test]
fn http_1_0_has_no_transfer_codings() {
    for coding in ["chunked", "gzip", "gzip, chunked"] {
        let line = format!("Transfer-Encoding: {coding}");
        assert_refused(settle(Version::Http10, &[&line]), 400, "9112 6.1");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length() {
    let limit = LIMITS.max_body_bytes;
    for length in [
        (limit + 1).to_string(),
        "100000000000000000".to_string(),
        "18446744073709551615".to_string(),
        "18446744073709551616".to_string(),
        "18446744073709551620".to_string(),
        "9".repeat(60),
    ] {
        let line = format!("Content-Length: {length}");
        assert_refused(settle_11(&[&line]), 413, format!("9110 15.5.14: {length}"));
        // Refused at once, rather than after the body that the client was told to send.
        let outcome = settle_11(&[&line, "Expect: 100-continue"]);
        assert_refused(outcome, 413, format!("9110 10.1.1: {length}"));
    }
}

#[test]
fn the_body_is_as_long_as_the_fields_say() {
    #[rustfmt::skip]
    let rows: &[(&str, &[&str], BodyLength)] = &[
        ("9112 6.3: nothing said", &[], BodyLength::Known(0)),
        ("9110 8.6: none", &["Content-Length: 0"], BodyLength::Known(0)),
        ("9110 8.6: some", &["Content-Length: 42"], BodyLength::Known(42)),
        ("9110 8.6: as much as there may be", &["Content-Length: 4096"], BodyLength::Known(4096)),
        ("9110 8.6: leading zeros", &["Content-Length: 0042"], BodyLength::Known(42)),
        ("9110 5.5: whitespace around", &["Content-Length: \t 42 \t"], BodyLength::Known(42)),
        ("9110 5.1: name in any case", &["CONTENT-LENGTH: 42"], BodyLength::Known(42)),
        ("9112 7.1: chunked", &["Transfer-Encoding: chunked"], BodyLength::Chunked),
        ("9112 7: in any case", &["transfer-encoding: CHUNKED"], BodyLength::Chunked),
        ("9110 5.5: whitespace around it", &["Transfer-Encoding:\tchunked\t"], BodyLength::Chunked),
        ("9110 10.1.4: TE is no coding", &["TE: gzip"], BodyLength::Known(0)),
    ];
    for (row, lines, body) in rows {
        assert_eq!(
            settle_11(lines)
                .unwrap_or_else(|r| panic!("{row}: {r:?}"))
                .body,
            *body,
            "{row}"
        );
    }
}

#[test]
fn a_request_without_one_good_host_is_refused() {
    let rows: &[(&str, &[&str])] = &[
        ("9112 3.2: none", &["A: b"]),
        ("9112 3.2: two", &["Host: a", "Host: b"]),
        ("9112 3.2: one, twice", &["Host: a", "host: a"]),
        ("9110 7.2: a list", &["Host: a, b"]),
        ("9110 7.2: space", &["Host: a b"]),
        ("9110 7.2: path", &["Host: a/b"]),
        ("9110 7.2: scheme", &["Host: http://a"]),
        ("9110 7.2: user information", &["Host: user@a"]),
        ("9110 7.2: fragment", &["Host: a#b"]),
        ("9110 7.2: query", &["Host: a?b"]),
        ("9110 7.2: backslash", &["Host: a\\b"]),
        ("9110 7.2: quotes", &["Host: \"a\""]),
        ("9110 7.2: beyond ASCII", &["Host: \u{e9}"]),
        ("3986 2.1: half an escape", &["Host: a%4"]),
        ("3986 2.1: no escape", &["Host: a%zz"]),
        ("3986 3.2.3: port in letters", &["Host: a:b"]),
        ("3986 3.2.3: two ports", &["Host: a:80:80"]),
        ("3986 3.2.3: signed port", &["Host: a:+80"]),
        ("3986 3.2.2: IPv6 without brackets", &["Host: ::1"]),
        ("3986 3.2.2: IPv6 left open", &["Host: [::1"]),
        ("3986 3.2.2: IPv6 with more behind it", &["Host: [::1]a"]),
        ("3986 3.2.2: no IPv6", &["Host: [a]"]),
        ("3986 3.2.2: empty brackets", &["Host: []"]),
        ("6874 1: a zone is local", &["Host: [fe80::1%25eth0]"]),
        ("3986 3.2.2: an address of the future", &["Host: [v1.a]"]),
    ];
    for (row, lines) in rows {
        assert_refused(settle(Version::Http11, lines), 400, row);
    }
    // HTTP/1.0 may lack it, but where it is there it must be good.
    assert!(settle(Version::Http10, &["A: b"]).is_ok(), "9112 3.2");
    assert_refused(
        settle(Version::Http10, &["Host: a", "Host: a"]),
        400,
        "9112 3.2",
    );
    assert_refused(settle(Version::Http10, &["Host: a b"]), 400, "9112 3.2");
}

#[test]
fn a_good_host_is_accepted() {
    #[rustfmt::skip]
    let rows = [
        ("9110 7.2: name", "localhost"),
        ("9110 7.2: name and port", "localhost:8080"),
        ("9110 7.2: empty, where the target has no authority", ""),
        ("3986 3.2.2: dots and hyphens", "a-b.example.com."),
        ("3986 3.2.2: underscore, as in a Compose network", "my_service:80"),
        ("3986 3.2.2: sub-delims", "a!$&'()*+,;=~b"),
        ("3986 2.1: percent-encoded", "a%C3%a9"),
        ("3986 3.2.2: IPv4", "127.0.0.1:80"),
        ("3986 3.2.2: IPv6", "[::1]"),
        ("3986 3.2.2: IPv6 and port", "[2001:DB8::1]:443"),
        ("3986 3.2.2: IPv4 in IPv6", "[::ffff:127.0.0.1]:80"),
        ("3986 3.2.3: empty port", "a:"),
    ];
    for (row, host) in rows {
        let outcome = settle(Version::Http11, &[&format!("Host: {host}")]);
        assert!(outcome.is_ok(), "{row}: {outcome:?}");
    }
}

#[test]
fn the_connection_goes_on_as_the_client_asks() {
    #[rustfmt::skip]
    let rows: &[(&str, Version, &[&str], bool)] = &[
        ("9112 9.3: 1.1 goes on", Version::Http11, &[], true),
        ("9112 9.3: 1.0 does not", Version::Http10, &[], false),
        ("9112 9.3: 1.1 closes", Version::Http11, &["Connection: close"], false),
        ("9112 9.3: 1.0 asks", Version::Http10, &["Connection: keep-alive"], true),
        ("9110 7.6.1: any case", Version::Http11, &["connection: Close"], false),
        ("9110 7.6.1: any case", Version::Http10, &["Connection: Keep-Alive"], true),
        ("9110 7.6.1: in a list", Version::Http11, &["Connection: te, close ,,"], false),
        ("9110 7.6.1: in a list", Version::Http10, &["Connection: ,x\t,keep-alive"], true),
        ("9110 5.2: two fields", Version::Http11, &["Connection: te", "Connection: close"], false),
        ("9112 9.3: close wins", Version::Http10, &["Connection: keep-alive, close"], false),
        ("9112 9.3: close wins", Version::Http11, &["Connection: close, keep-alive"], false),
        ("9110 7.6.1: other options", Version::Http11, &["Connection: closed, x"], true),
        ("9110 7.6.1: empty", Version::Http11, &["Connection:"], true),
        ("9110 7.6.1: not an option's value", Version::Http11, &["Connection: a=close"], true),
    ];
    for (row, version, lines, keep_alive) in rows {
        let terms = settle(*version, &[&["Host: a"], *lines].concat()).expect(row);
        assert_eq!(terms.keep_alive, *keep_alive, "{row}: {lines:?}");
    }
}

#[test]
fn a_client_that_waits_is_told_to_continue_only_where_there_is_a_body() {
    let length = "Content-Length: 5";
    #[rustfmt::skip]
    let rows: &[(&str, Version, &[&str], bool)] = &[
        ("9110 10.1.1", Version::Http11, &["Expect: 100-continue", length], true),
        ("9110 10.1.1: any case", Version::Http11, &["expect: 100-Continue", length], true),
        ("9110 10.1.1: chunked", Version::Http11, &["Expect: 100-continue", "Transfer-Encoding: chunked"], true),
        ("9110 10.1.1: no body", Version::Http11, &["Expect: 100-continue"], false),
        ("9110 10.1.1: HTTP/1.0", Version::Http10, &["Expect: 100-continue", length], false),
        ("9110 5.6.1: empty list", Version::Http11, &["Expect:", length], false),
    ];
    for (row, version, lines, expected) in rows {
        let terms = settle(*version, &[&["Host: a"], *lines].concat()).expect(row);
        assert_eq!(terms.expect_continue, *expected, "{row}");
    }
    for other in [
        "x",
        "100-continue, x",
        "100-continue;a=b",
        "200-ok",
        "\"100-continue\"",
    ] {
        let line = format!("Expect: {other}");
        assert_refused(settle_11(&[&line]), 417, format!("9110 15.5.18: {other}"));
    }
}

#[test]
fn fields_from_another_parser_are_looked_at_more_closely() {
    let rows: &[(&str, &[u8], &[u8])] = &[
        ("9112 5: empty name", b"", b"a"),
        ("9112 5.1: space in a name", b"Host ", b"a"),
        ("9110 5.1: CR in a name", b"A\rB", b"a"),
        ("9112 2.2: CR in a value", b"A", b"b\rc"),
        ("9112 2.2: LF in a value", b"A", b"b\nc"),
        ("9112 5.2: a fold", b"A", b"b\r\n c"),
        ("9110 5.5: NUL in a value", b"A", b"b\0"),
        ("9110 5.5: DEL in a value", b"A", b"\x7f"),
    ];
    for (row, name, value) in rows {
        let fields = [(&b"Host"[..], &b"a"[..]), (*name, *value)];
        assert_refused(validate(Version::Http11, fields.into_iter(), 0), 400, row);
    }
    let fields = [(&b"Host"[..], &b"a"[..]), (b"A", b"b\t\xff")];
    assert!(validate(Version::Http11, fields.into_iter(), 0).is_ok());
}
