use proptest::prelude::*;

use super::*;
use crate::engine::http1::invariants::{self, LIMITS, assert_refused};

fn read(bytes: &[u8]) -> Result<(Progress, Head), Refusal> {
    let mut head = Head::default();
    read_head(bytes, 0, &LIMITS, &mut head).map(|progress| (progress, head))
}

/// Reads a head that must be whole and valid.
#[track_caller]
fn accept(row: &str, bytes: &[u8]) -> Head {
    invariants::head(bytes);
    match read(bytes) {
        Ok((Progress::Complete { .. }, head)) => head,
        other => panic!("{row}: {:?}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn a_head_that_breaks_the_grammar_is_refused() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, u16)] = &[
        ("9112 2.2: bare LF ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        ("9112 2.2: bare LF ends a field", "GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n", 400),
        ("9112 2.2: bare LF ends the last field", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("9112 2.2: bare LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
        ("9112 2.2: nothing but bare LFs", "GET / HTTP/1.1\nHost: a\n\n", 400),
        ("9112 2.2: bare LF before the request", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 2.2: bare CR ends the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
        ("9112 2.2: bare CR in a field", "GET / HTTP/1.1\r\nHost: a\rB: c\r\n\r\n", 400),
        ("9112 2.2: bare CR before a CRLF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
        ("9112 2.2: bare CR before the request", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 2.2: space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
        ("9112 2.2: tab before the first field", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400),
        ("9112 2.2: a line of spaces first", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400),
        ("9112 3: space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("9112 3: tab for space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3: HTTP/0.9", "GET /\r\n\r\n", 400),
        ("9112 3: no request line", "Host: a\r\n\r\n", 400),
        ("9110 9.1: method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9110 9.1: empty method", "/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9110 9.1: method beyond ASCII", "GÉT / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3.2: target beyond ASCII", "GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3.2: NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3.2: DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 3.2: no form that there is", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("9110 9.3.6: CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        ("9112 2.3: lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: no minor version", "GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: two digits before", "GET / HTTP/11.1\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: another protocol", "GET / HTTQ/1.1\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: a letter", "GET / HTTP/1.x\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: two digits in a later version", "GET / HTTP/1.20\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: space after a later version", "GET / HTTP/1.2 \r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: a later version twice", "GET / HTTP/1.2 HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        ("9112 2.3: lower case in a later version", "GET / http/1.2\r\nHost: a\r\n\r\n", 400),
        ("9112 3.2: no Host in a later version", "GET / HTTP/1.2\r\nA: b\r\n\r\n", 400),
        ("9112 2.2: bare LF in a later version", "GET / HTTP/1.2\nHost: a\r\n\r\n", 400),
        ("9110 15.6.6: an earlier major version", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
        ("9110 15.6.6: HTTP/2.0 in a request line", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("9110 15.6.6: HTTP/2.1 in a request line", "GET / HTTP/2.1\r\nHost: a\r\n\r\n", 505),
        ("9110 15.6.6: HTTP/3.0 in a request line", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        ("9113 3.4: HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("9112 5.1: space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("9112 5.1: tab before the colon", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400),
        ("9112 5: no colon", "GET / HTTP/1.1\r\nHost: a\r\nB\r\n\r\n", 400),
        ("9112 5: no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
        ("9110 5.1: name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nB(: c\r\n\r\n", 400),
        ("9110 5.1: name beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\né: c\r\n\r\n", 400),
        ("9110 5.1: NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nB\0: c\r\n\r\n", 400),
        ("9112 5.2: obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n d\r\n\r\n", 400),
        ("9112 5.2: obs-fold with a tab", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\td\r\n\r\n", 400),
        ("9112 5.2: obs-fold of an empty value", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", 400),
        ("9112 5.2: empty obs-fold", "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", 400),
        ("9110 5.5: NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nB: c\0d\r\n\r\n", 400),
        ("9110 5.5: vertical tab in a value", "GET / HTTP/1.1\r\nHost: a\r\nB: \x0bc\r\n\r\n", 400),
        ("9110 5.5: DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nB: c\x7f\r\n\r\n", 400),
    ];
    for (row, bytes, status) in rows {
        invariants::head(bytes.as_bytes());
        assert_refused(read(bytes.as_bytes()), *status, row);
    }
}

#[test]
fn every_control_byte_anywhere_in_a_head_is_refused() {
    let valid = b"GET /path HTTP/1.1\r\nHost: a\r\nName: value\r\n\r\n";
    for control in (0..0x20).chain([0x7f]).filter(|&byte| byte != b'\t') {
        for at in 0..valid.len() {
            let mut bytes = valid.to_vec();
            bytes.insert(at, control);
            // A CR or LF may yet make a valid line end with its neighbour.
            if control != b'\r' && control != b'\n' {
                assert_refused(read(&bytes), 400, format!("9110 5.5: {control:#x} at {at}"));
            }
            invariants::head(&bytes);
        }
    }
}

#[test]
fn a_valid_head_is_accepted() {
    #[rustfmt::skip]
    let rows: &[(&str, &[u8])] = &[
        ("9112 3: the least of HTTP/1.1", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("9112 3: the least of HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n"),
        ("9110 9.1: any token is a method", b"x-!#$%&'*+.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("9110 9.1: a long method", b"AVERYLONGMETHODOFOURS / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("9112 2.2: an empty line before it", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("9112 2.2: four of them", b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("9112 5.1: no whitespace", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"),
        ("9112 5.1: spaces and tabs", b"GET / HTTP/1.1\r\nHost:\t a \t\r\nB: \t c\r\n\r\n"),
        ("9110 5.5: empty value", b"GET / HTTP/1.1\r\nHost: a\r\nB:\r\nC: \r\n\r\n"),
        ("9110 5.5: tab in a value", b"GET / HTTP/1.1\r\nHost: a\r\nB: c\td\r\n\r\n"),
        ("9110 5.5: obs-text in a value", b"GET / HTTP/1.1\r\nHost: a\r\nB: \x80\xff\r\n\r\n"),
        ("9110 5.1: any case", b"GET / HTTP/1.1\r\nhOST: a\r\n\r\n"),
        ("9110 5.2: repeated field", b"GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nB: d\r\n\r\n"),
        ("9112 9.3.2: pipelined", b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n"),
        ("9112 6: garbage behind it is the body's", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\n\r"),
    ];
    for (row, bytes) in rows {
        accept(row, bytes);
    }
}

#[test]
fn the_parts_of_a_head_are_where_it_says() {
    let bytes =
        b"\r\nPUT http://b:1/p?q=/?r HTTP/1.1\r\nHost:  a \r\nX:\r\nY: \xe9\t1 \r\n\r\nrest";
    let head = accept("parts", bytes);
    assert_eq!(head.method, Method::PUT);
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.target.text(bytes), "http://b:1/p?q=/?r");
    assert_eq!(head.path.text(bytes), "/p");
    assert_eq!(head.query.unwrap().text(bytes), "q=/?r");
    assert_eq!(head.authority.unwrap().text(bytes), "b:1");
    let fields: Vec<_> = head
        .fields
        .iter()
        .map(|field| (field.name.text(bytes), field.value.of(bytes)))
        .collect();
    assert_eq!(fields, [("Host", &b"a"[..]), ("X", b""), ("Y", b"\xe9\t1")]);
    let len = bytes.len() - b"rest".len();
    assert_eq!(read(bytes).unwrap().0, Progress::Complete { len });
}

#[test]
fn a_later_minor_version_is_http_1_1() {
    let head = |minor: char| {
        let text = "\r\nPOST http://b/p?q HTTP/1.N\r\nHost: a\r\nX: HTTP/1.2\r\nTransfer-Encoding: chunked\r\n\
                    Expect: 100-continue\r\n\r\nrest";
        text.replace("HTTP/1.N", &format!("HTTP/1.{minor}"))
    };
    let as_11 = accept("9110 2.5: HTTP/1.1", head('1').as_bytes());
    assert_eq!(as_11.version, Version::Http11);
    assert!(as_11.keep_alive && as_11.expect_continue);
    for minor in '2'..='9' {
        let text = head(minor);
        let later = accept("9110 2.5: a later one", text.as_bytes());
        assert_eq!(later, as_11, "HTTP/1.{minor}");
        let value = later.fields[1].value.of(text.as_bytes());
        assert_eq!(value, b"HTTP/1.2", "a field is as it was sent");
        let read = |text: &str| read(text.as_bytes()).map(|(progress, _)| progress);
        assert_eq!(read(&text), read(&head('1')), "HTTP/1.{minor}");
    }
}

#[test]
fn a_head_that_is_used_again_keeps_nothing_of_the_last_request() {
    let first = b"POST http://b/?q HTTP/1.0\r\nA: b\r\nContent-Length: 5\r\n\r\n";
    let second = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut head = Head::default();
    read_head(first, 0, &LIMITS, &mut head).unwrap();
    read_head(second, 0, &LIMITS, &mut head).unwrap();
    assert_eq!(head, read(second).unwrap().1);
}

#[test]
fn a_head_over_the_limit_is_refused_at_the_limit() {
    let limit = LIMITS.max_head_bytes;
    let start = "GET / HTTP/1.1\r\nHost: a\r\nB: ";
    let with_field = |len: usize| format!("{start}{}\r\n\r\n", "c".repeat(len - start.len() - 4));
    accept("6585 5: just within", with_field(limit).as_bytes());
    assert_refused(
        read(with_field(limit + 1).as_bytes()),
        431,
        "6585 5: one byte over",
    );

    for (row, start, status) in [
        (
            "6585 5: a field without end",
            "GET / HTTP/1.1\r\nHost: ",
            431,
        ),
        ("9112 3: a target without end", "GET /", 414),
        ("9112 3: a method without end", "G", 414),
        (
            "9112 3: a target without end after an empty line",
            "\r\n\r\nGET /",
            414,
        ),
    ] {
        let bytes = [start.as_bytes(), &vec![b'a'; 2 * limit]].concat();
        invariants::head(&bytes);
        assert_refused(read(&bytes), status, row);
        assert_refused(read(&bytes[..limit]), status, row);
        let waits = Progress::Partial { scanned: limit - 1 };
        assert_eq!(read(&bytes[..limit - 1]).unwrap().0, waits, "{row}");
    }
}

#[test]
fn as_many_fields_as_are_allowed_are_taken_and_not_one_more() {
    for max_headers in [
        1,
        2,
        FIELDS_ON_STACK - 1,
        FIELDS_ON_STACK,
        FIELDS_ON_STACK + 1,
        1000,
    ] {
        let limits = Limits {
            max_head_bytes: 65536,
            max_headers,
            max_body_bytes: 0,
        };
        let with_fields = |count| format!("GET / HTTP/1.0\r\n{}\r\n", "A: b\r\n".repeat(count));
        let read = |text: String| {
            let mut head = Head::default();
            read_head(text.as_bytes(), 0, &limits, &mut head).map(|_| head.fields.len())
        };
        assert_eq!(read(with_fields(max_headers)), Ok(max_headers));
        assert_refused(
            read(with_fields(max_headers + 1)),
            431,
            format!("6585 5: {max_headers} and one"),
        );
        // What is wrong with the last field that is allowed is still seen.
        let bad = with_fields(max_headers - 1).replace("\r\n\r\n", "\r\n: b\r\n\r\n");
        assert_refused(
            read(bad),
            400,
            format!("9112 5: {max_headers}, the last bad"),
        );
    }
}

#[test]
fn what_is_certain_to_be_refused_is_refused_before_its_end() {
    for (row, bytes) in [
        ("8446 4: a TLS hello", &b"\x16\x03\x01\x02\x00"[..]),
        ("9112 2.2: bare LF", b"GET / HTTP/1.1\n"),
        ("9112 2.2: bare CR", b"GET / HTTP/1.1\rH"),
        ("9110 5.5: NUL", b"GET /\0"),
        ("9112 2.2: five empty lines", b"\r\n\r\n\r\n\r\n\r\n"),
    ] {
        invariants::head(bytes);
        assert_refused(read(bytes), 400, row);
    }
}

#[test]
fn what_may_yet_become_a_head_is_waited_for() {
    let head = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n";
    for len in 0..head.len() {
        assert_eq!(
            read(&head[..len]).unwrap().0,
            Progress::Partial { scanned: len }
        );
    }
}

#[test]
fn a_head_that_drips_costs_linear_time() {
    let limits = Limits {
        max_head_bytes: 1 << 16,
        ..LIMITS
    };
    let bytes = ["GET / HTTP/1.1\r\nHost: a\r\nB: ", &"c".repeat(1 << 16)].concat();
    let (mut scanned, mut head) = (0, Head::default());
    let start = std::time::Instant::now();
    for len in 0..limits.max_head_bytes {
        match read_head(&bytes.as_bytes()[..len], scanned, &limits, &mut head) {
            Ok(Progress::Partial { scanned: now }) => scanned = now,
            other => panic!("{other:?}"),
        }
    }
    // A tenth of a second where it is linear, and minutes where each byte costs a parse.
    assert!(start.elapsed().as_secs() < 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic_and_no_split_changes_the_outcome(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        invariants::head(&bytes);
    }

    #[test]
    fn no_split_of_what_resembles_a_head_changes_the_outcome(bytes in almost_a_head()) {
        invariants::head(&bytes);
    }
}

/// Heads made of the pieces that matter, in an order that seldom makes sense.
fn almost_a_head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "POST http://h:1/p?q HTTP/1.1",
        "GET / HTTP/1.0",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET /",
        "G@T / HTTP/1.1",
        "GET h HTTP/1.1",
        "",
    ]);
    let field = prop::sample::select(vec![
        "Host: a",
        "Host: a:b",
        "host:",
        "Content-Length: 5",
        "content-length: 05",
        "A: b",
        "Content-Length: 5000",
        "Content-Length: +5",
        "Transfer-Encoding: chunked",
        "A : b",
        "transfer-encoding:\tChunked ",
        "Transfer-Encoding: gzip, chunked",
        "Connection: close",
        "Connection: x, Keep-Alive",
        "Expect: 100-continue",
        "Expect: x",
        " folded",
        "A: \u{e9}",
        "A",
        "A: \0",
        "A: b\rc",
        "",
    ]);
    let line_end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let rest = prop::collection::vec((field, line_end.clone()), 0..8);
    let empty_lines = prop::collection::vec(line_end.clone(), 0..2);
    (empty_lines, line, line_end, rest).prop_map(|(empty_lines, line, line_end, fields)| {
        let mut head = empty_lines.concat() + line + line_end;
        fields
            .into_iter()
            .for_each(|(field, end)| head.extend([field, end]));
        (head + "\r\n").into_bytes()
    })
}
