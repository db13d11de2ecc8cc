use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const DATE: &[u8; 37] = b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT";

fn head(headers: &HeaderMap, framing: Framing, close: bool, version: Version) -> String {
    let mut out = b"before".to_vec();
    let status = StatusCode::OK;
    write_head(
        &mut out,
        status,
        headers,
        Some("text/plain"),
        &framing,
        close,
        version,
        DATE,
    );
    let text = String::from_utf8(out).expect("text");
    text.strip_prefix("before").expect("appended").to_string()
}

#[test]
fn a_response_is_framed_as_its_request_and_status_allow() {
    use Framing::{Chunked, Empty, Length, UntilClose};
    use Version::{Http10, Http11};
    #[rustfmt::skip]
    let rows = [
        ("9110 8.6: known", "GET", Http11, 200, Some(5), (Length(5), true)),
        ("9110 8.6: known to be empty", "GET", Http11, 200, Some(0), (Length(0), true)),
        ("9110 8.6: an error's too", "GET", Http11, 500, Some(5), (Length(5), true)),
        ("9112 7.1: streamed", "GET", Http11, 200, None, (Chunked, true)),
        ("9112 6.1: no codings for 1.0", "GET", Http10, 200, None, (UntilClose, true)),
        ("9110 8.6: known, to 1.0", "GET", Http10, 200, Some(5), (Length(5), true)),
        ("9110 9.3.2: HEAD", "HEAD", Http11, 200, Some(5), (Length(5), false)),
        ("9110 9.3.2: HEAD, streamed", "HEAD", Http11, 200, None, (Empty, false)),
        ("9110 9.3.2: HEAD, streamed to 1.0", "HEAD", Http10, 200, None, (Empty, false)),
        ("9110 15.3.5: 204", "GET", Http11, 204, Some(5), (Empty, false)),
        ("9110 15.3.5: 204, streamed", "DELETE", Http11, 204, None, (Empty, false)),
        ("9110 15.2: 1xx", "GET", Http11, 103, Some(5), (Empty, false)),
        ("9110 15.3.6: 205", "POST", Http11, 205, Some(5), (Length(0), false)),
        ("9110 15.4.5: 304", "GET", Http11, 304, Some(5), (Empty, false)),
        ("9110 15.4.5: 304, streamed", "GET", Http10, 304, None, (Empty, false)),
        ("9110 15.4.5: 304 to HEAD", "HEAD", Http11, 304, Some(5), (Empty, false)),
    ];
    for (row, method, version, status, body_len, expected) in rows {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(
            framing(method == "HEAD", version, status, body_len),
            expected,
            "{row}"
        );
    }
}

#[test]
fn a_plain_response_looks_like_this() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    assert_eq!(
        head(
            &headers,
            Framing::Length(1234567890),
            false,
            Version::Http11
        ),
        "HTTP/1.1 200 OK\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Content-Length: 1234567890\r\n\
         Cache-Control: no-store\r\n\
         Content-Type: text/plain\r\n\
         \r\n"
    );
}

#[test]
fn the_end_of_a_response_and_of_its_connection_is_said_once() {
    use Framing::{Chunked, Empty, Length, UntilClose};
    use Version::{Http10, Http11};
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let (close, keep_alive) = ("Connection: close\r\n", "Connection: keep-alive\r\n");
    #[rustfmt::skip]
    let rows = [
        ("9112 9.3: 1.1 goes on unsaid", Length(5), false, Http11, [length, ""]),
        ("9112 9.6: 1.1 closes", Length(5), true, Http11, [length, close]),
        ("9112 C.2.2: 1.0 is told", Length(5), false, Http10, [length, keep_alive]),
        ("9112 9.6: 1.0 closes", Length(5), true, Http10, [length, close]),
        ("9112 7.1: chunked", Chunked, false, Http11, [chunked, ""]),
        ("9112 7.1: chunked, and closes", Chunked, true, Http11, [chunked, close]),
        ("9112 6.3: its end is the connection's", UntilClose, false, Http10, ["", close]),
        ("9112 6.3: its end is the connection's", UntilClose, true, Http10, ["", close]),
        ("9110 8.6: nothing", Empty, false, Http11, ["", ""]),
        ("9110 8.6: nothing, and closes", Empty, true, Http11, ["", close]),
    ];
    // A handler cannot contradict what is said.
    let mut headers = HeaderMap::new();
    for name in [
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "date",
    ] {
        headers.append(name, HeaderValue::from_static("1"));
        headers.append(name, HeaderValue::from_static("2"));
    }
    for (row, framing, closes, version, lines) in rows {
        let expected = format!(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n{}\
             Content-Type: text/plain\r\n\r\n",
            lines.concat()
        );
        assert_eq!(head(&headers, framing, closes, version), expected, "{row}");
    }
}

#[test]
fn a_handlers_content_type_takes_the_place_of_the_default() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    let head = head(&headers, Framing::Length(5), false, Version::Http11);
    assert!(head.contains("\r\nContent-Type: image/png\r\n"));
    assert_eq!(head.matches("Content-Type").count(), 1);
}

#[test]
fn every_value_of_a_repeated_field_is_sent() {
    let mut headers = HeaderMap::new();
    headers.append(header::SET_COOKIE, HeaderValue::from_static("a=b"));
    headers.append(header::SET_COOKIE, HeaderValue::from_static("c=d"));
    let head = head(&headers, Framing::Empty, false, Version::Http11);
    assert!(
        head.contains("\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"),
        "9110 5.3: {head}"
    );
}

#[test]
fn a_status_without_a_name_keeps_the_space_before_it() {
    let mut out = Vec::new();
    write_status_line(&mut out, StatusCode::from_u16(599).unwrap());
    assert_eq!(out, b"HTTP/1.1 599 ", "9112 4");
}

#[test]
fn chunks_are_sized_in_hexadecimal() {
    let mut out = Vec::new();
    write_chunk(&mut out, b"");
    assert_eq!(out, b"", "9112 7.1: an empty chunk would be the last");
    write_chunk(&mut out, &[b'a'; 26]);
    assert_eq!(out, b"1a\r\naaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", "9112 7.1");
}

#[test]
fn numbers_are_written_whole() {
    for number in [0, 9, 10, 15, 16, 255, 1_000_000, u64::MAX - 1, u64::MAX] {
        let (mut decimal, mut hexadecimal) = (Vec::new(), Vec::new());
        write_number::<10>(&mut decimal, number);
        write_number::<16>(&mut hexadecimal, number);
        assert_eq!(decimal, format!("{number}").into_bytes());
        assert_eq!(hexadecimal, format!("{number:x}").into_bytes());
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_with_no_surprise(
        status in 100u16..1000,
        handler_fields in prop::collection::vec((field_name(), field_value()), 0..20),
        framing in prop::sample::select(vec![
            Framing::Length(0),
            Framing::Length(u64::MAX),
            Framing::Chunked,
            Framing::UntilClose,
            Framing::Empty,
        ]),
        close: bool,
        version in prop::sample::select(vec![Version::Http10, Version::Http11]),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &handler_fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut out = Vec::new();
        let status = StatusCode::from_u16(status).unwrap();
        write_head(&mut out, status, &headers, None, &framing, close, version, DATE);
        let head_len = out.len();
        out.extend_from_slice(b"\r\nbody");

        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut slots);
        prop_assert_eq!(response.parse(&out), Ok(httparse::Status::Complete(head_len)));
        prop_assert_eq!(response.code, Some(status.as_u16()));
        prop_assert_eq!(response.version, Some(1));
        let read = |name: HeaderName| {
            let of_name = response.headers.iter().filter(|field| name == field.name);
            of_name.map(|field| field.value).collect::<Vec<_>>()
        };
        for name in headers.keys().filter(|name| !is_ours(name)) {
            let trimmed = |value: &HeaderValue| value.as_bytes().trim_ascii().to_vec();
            let written: Vec<_> = headers.get_all(name).iter().map(trimmed).collect();
            prop_assert_eq!(read(name.clone()), written);
        }
        let lengths = read(header::CONTENT_LENGTH);
        let codings = read(header::TRANSFER_ENCODING);
        match framing {
            Framing::Length(len) => prop_assert_eq!(lengths.concat(), len.to_string().into_bytes()),
            _ => prop_assert!(lengths.is_empty()),
        }
        match framing {
            Framing::Chunked => prop_assert_eq!(codings, [b"chunked"]),
            _ => prop_assert!(codings.is_empty()),
        }
        prop_assert_eq!(read(header::DATE), [&DATE[b"\r\nDate: ".len()..]]);
        prop_assert!(read(header::CONNECTION).len() <= 1);
    }
}

/// Any name that a handler can give a field.
fn field_name() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}"
}

/// Any value that a handler can give it.
fn field_value() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no control", |&byte| {
        crate::engine::http1::bytes::is_value_byte(byte)
    });
    prop::collection::vec(byte, 0..40)
}
