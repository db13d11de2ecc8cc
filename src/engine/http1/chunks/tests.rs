use proptest::prelude::*;

use super::*;
use crate::engine::http1::invariants::{self, LIMITS, assert_refused};

/// Decodes all at once: the bytes used, whether the body is whole, and the body.
fn decode(input: &[u8]) -> Result<(usize, bool, Vec<u8>), Refusal> {
    invariants::chunks(input);
    let mut body = Vec::new();
    let (used, done) = Chunks::new(LIMITS.max_body_bytes).decode(input, &mut body)?;
    Ok((used, done, body))
}

#[test]
fn a_valid_body_is_decoded() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str)] = &[
        ("9112 7.1: empty", "0\r\n\r\n", ""),
        ("9112 7.1: one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1: two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        ("9112 7.1: data that looks like a chunk", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"),
        ("9112 7.1: lower case", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("9112 7.1: upper case", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("9112 7.1: leading zeros", "0000000000000005\r\nhello\r\n000\r\n\r\n", "hello"),
        ("9112 7.1.1: extension", "5;a\r\nhello\r\n0;b\r\n\r\n", "hello"),
        ("9112 7.1.1: with a value", "5;a=b;c=d\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1.1: quoted", "5;a=\"b;\\\" \t\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1.1: bad whitespace", "5 \t; a = b\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1.1: whitespace before an extension", "5;a=b ;c\t;d\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1.1: whitespace behind a quote", "5;a=\"b\" \t; c\r\nhello\r\n0 ;d\r\n\r\n", "hello"),
        ("9112 7.1.1: any token", "5;!#$%&'*+-.^_`|~9=~9\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1.1: the same name twice", "5;a=b;a=c\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9110 5.6.4: empty quotes", "5;a=\"\"\r\nhello\r\n0;b=\"\";c\r\n\r\n", "hello"),
        ("9110 5.6.4: quoted backslash", "5;a=\"\\\\\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9110 5.6.4: quoted tab and letter", "5;a=\"\\\t\\b\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9110 5.6.4: obs-text in quotes", "5;a=\"\u{e9}\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("9112 7.1.2: trailers", "5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n", "hello"),
        ("9110 6.5.1: framing in a trailer", "0\r\nContent-Length: 5\r\n\r\n", ""),
    ];
    for (row, input, body) in rows {
        let expected = Ok((input.len(), true, body.as_bytes().to_vec()));
        assert_eq!(decode(input.as_bytes()), expected, "{row}");
        // What follows is the next request's.
        let pipelined = format!("{input}GET / HTTP/1.1\r\n");
        assert_eq!(decode(pipelined.as_bytes()), expected, "{row}, pipelined");
        for len in 0..input.len() {
            let (used, done, _) = decode(&input.as_bytes()[..len]).expect(row);
            assert_eq!((used, done), (len, false), "{row}, cut at {len}");
        }
    }
}

#[test]
fn a_body_that_breaks_the_grammar_is_refused() {
    #[rustfmt::skip]
    let rows: &[(&str, &str)] = &[
        ("9112 7.1: no size", "\r\n"),
        ("9112 7.1: no digit", "x\r\n"),
        ("9112 7.1: minus", "-5\r\nhello"),
        ("9112 7.1: plus", "+5\r\nhello"),
        ("9112 7.1: 0x", "0x5\r\nhello"),
        ("9112 7.1: underscore", "1_0\r\n"),
        ("9112 7.1: seventeen digits", "00000000000000005\r\nhello"),
        ("9112 7.1: space before the size", " 5\r\nhello"),
        ("9112 7.1: space after the size", "5 \r\nhello"),
        ("9112 7.1: space within the size", "5 5\r\nhello"),
        ("9112 7.1: extension without a size", ";a\r\n"),
        ("9112 2.2: bare LF after the size", "5\nhello"),
        ("9112 2.2: bare CR after the size", "5\rhello"),
        ("9112 2.2: two CRs after the size", "5\r\r\nhello"),
        ("9112 7.1.1: bare LF in an extension", "5;a\nb\r\nhello"),
        ("9112 7.1.1: bare LF ends an extension", "5;\nhello"),
        ("9112 7.1.1: bare CR in an extension", "5;a\rb\r\nhello"),
        ("9112 7.1.1: bare LF in quotes", "5;a=\"\n\"\r\nhello"),
        ("9112 7.1.1: NUL in an extension", "5;a\0\r\nhello"),
        ("9112 7.1.1: no name", "5;\r\nhello"),
        ("9112 7.1.1: no name in the last chunk", "0;\r\n\r\n"),
        ("9112 7.1.1: no name behind whitespace", "5 ; \t\r\nhello"),
        ("9112 7.1.1: no name before another", "5; ;a\r\nhello"),
        ("9112 7.1.1: no name behind another", "5;a;\r\nhello"),
        ("9112 7.1.1: no name before a value", "5;=\r\nhello"),
        ("9112 7.1.1: nothing but a value", "5;=b\r\nhello"),
        ("9112 7.1.1: no value", "5;a=\r\nhello"),
        ("9112 7.1.1: no value behind whitespace", "5;a= \r\nhello"),
        ("9112 7.1.1: no value before another", "5;a=;b\r\nhello"),
        ("9112 7.1.1: two equals signs", "5;a==b\r\nhello"),
        ("9112 7.1.1: a second value", "5;a=b=c\r\nhello"),
        ("9112 7.1.1: two names", "5;a b\r\nhello"),
        ("9112 7.1.1: two values", "5;a=b c\r\nhello"),
        ("9112 7.1.1: whitespace behind a name", "5;a \r\nhello"),
        ("9112 7.1.1: whitespace behind a value", "5;a=b\t\r\nhello"),
        ("9112 7.1.1: whitespace behind a quote", "5;a=\"b\" \r\nhello"),
        ("9112 7.1.1: quotes for a name", "5;\"a\"\r\nhello"),
        ("9112 7.1.1: name that is no token", "5;a(b\r\nhello"),
        ("9112 7.1.1: name beyond ASCII", "5;\u{e9}\r\nhello"),
        ("9112 7.1.1: value that is no token", "5;a=b@c\r\nhello"),
        ("9112 7.1.1: value beyond ASCII", "5;a=\u{e9}\r\nhello"),
        ("9112 7.1.1: comma for a semicolon", "5,a\r\nhello"),
        ("9110 5.6.4: quotes that do not close", "5;a=\"b\r\nhello"),
        ("9110 5.6.4: the quote that closes is quoted", "5;a=\"b\\\"\r\nhello"),
        ("9110 5.6.4: nothing behind the backslash", "5;a=\"b\\\r\nhello"),
        ("9110 5.6.4: token behind quotes", "5;a=\"b\"c\r\nhello"),
        ("9110 5.6.4: quotes within a token", "5;a=b\"c\"\r\nhello"),
        ("9110 5.6.4: two quoted strings", "5;a=\"b\"\"c\"\r\nhello"),
        ("9110 5.6.4: quoted NUL", "5;a=\"\\\0\"\r\nhello"),
        ("9110 5.6.4: quoted LF", "5;a=\"\\\n\"\r\nhello"),
        ("9112 7.1: data longer than the size", "5\r\nhello!\r\n"),
        ("9112 7.1: data shorter than the size", "5\r\nhell\r\n0\r\n\r\n"),
        ("9112 7.1: bare LF after the data", "5\r\nhello\n"),
        ("9112 7.1: bare CR after the data", "5\r\nhello\r0"),
        ("9112 7.1: nothing after the data", "5\r\nhello0\r\n\r\n"),
        ("9112 7.1: bare LF at the end", "0\r\n\n"),
        ("9112 7.1: bare CR at the end", "0\r\n\rG"),
        ("9112 7.1.2: trailer without a colon", "0\r\nA\r\n\r\n"),
        ("9112 7.1.2: trailer without a name", "0\r\n: a\r\n\r\n"),
        ("9112 5.1: space before the colon", "0\r\nA : b\r\n\r\n"),
        ("9112 5.2: folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
        ("9112 2.2: space before the first trailer", "0\r\n A: b\r\n\r\n"),
        ("9112 2.2: bare LF ends a trailer", "0\r\nA: b\n\r\n"),
        ("9112 2.2: bare CR in a trailer", "0\r\nA: b\rc\r\n\r\n"),
        ("9110 5.5: NUL in a trailer", "0\r\nA: \0\r\n\r\n"),
        ("9110 5.1: trailer name beyond ASCII", "0\r\n\u{e9}: b\r\n\r\n"),
        ("9112 7.1: the next request for a trailer", "0\r\nGET / HTTP/1.1\r\n\r\n"),
    ];
    for (row, input) in rows {
        assert_refused(decode(input.as_bytes()), 400, row);
    }
}

#[test]
fn a_body_over_the_limit_is_refused_by_the_size_of_its_chunk() {
    #[rustfmt::skip]
    let rows = [
        ("9110 15.5.14: one chunk", "1001\r\n".to_string()),
        ("9110 15.5.14: the most that there is", "ffffffffffffffff\r\n".to_string()),
        ("9110 15.5.14: two chunks", format!("800\r\n{}\r\n801\r\n", "a".repeat(0x800))),
        ("9110 15.5.14: an overflowing sum", "1\r\na\r\nffffffffffffffff\r\n".to_string()),
    ];
    for (row, input) in rows {
        assert_refused(decode(input.as_bytes()), 413, row);
    }
    let whole = format!("800\r\n{0}\r\n800\r\n{0}\r\n0\r\n\r\n", "a".repeat(0x800));
    assert_eq!(
        decode(whole.as_bytes()).unwrap().2.len(),
        0x1000,
        "exactly the limit"
    );
}

#[test]
fn the_memory_of_a_body_is_that_of_the_bytes_that_came() {
    let mut body = Vec::new();
    let mut chunks = Chunks::new(u64::MAX);
    chunks
        .decode(b"ffffffffffffffff\r\nabc", &mut body)
        .unwrap();
    assert_eq!(body, b"abc");
    assert!(body.capacity() < 64);
}

#[test]
fn extensions_and_trailers_are_bounded_over_the_whole_body() {
    let extensions = |count: usize, len: usize| {
        format!("1;{}\r\na\r\n", "x".repeat(len - 1)).repeat(count) + "0\r\n\r\n"
    };
    let most = usize::from(MAX_EXTENSION_BYTES);
    assert!(decode(extensions(1, most).as_bytes()).is_ok());
    assert!(decode(extensions(2, most / 2).as_bytes()).is_ok());
    assert_refused(
        decode(extensions(1, most + 1).as_bytes()),
        400,
        "9112 7.1.1: one too long",
    );
    assert_refused(
        decode(extensions(3, most / 2).as_bytes()),
        400,
        "9112 7.1.1: too many",
    );

    let trailers = |count: usize, len: usize| {
        format!(
            "0\r\n{}\r\n",
            format!("A:{}\r\n", "b".repeat(len - 4)).repeat(count)
        )
    };
    let most = usize::from(MAX_TRAILER_BYTES);
    assert!(decode(trailers(1, most).as_bytes()).is_ok());
    assert!(decode(trailers(2, most / 2).as_bytes()).is_ok());
    assert_refused(
        decode(trailers(1, most + 1).as_bytes()),
        431,
        "6585 5: one too long",
    );
    assert_refused(
        decode(trailers(3, most / 2).as_bytes()),
        431,
        "6585 5: too many",
    );
}

#[test]
fn a_whole_body_takes_no_more_input() {
    let mut body = Vec::new();
    let mut chunks = Chunks::new(10);
    assert_eq!(chunks.decode(b"0\r\n\r\n", &mut body), Ok((5, true)));
    assert_eq!(chunks.decode(b"1\r\na", &mut body), Ok((0, true)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_panic_and_no_split_changes_the_outcome(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        invariants::chunks(&bytes);
    }

    #[test]
    fn no_split_of_what_resembles_chunks_changes_the_outcome(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "5\r\nhello\r\n", "1\r\na\r\n", "0\r\n", "\r\n", "A: b\r\n", "5;a=b\r\n", "hello\r\n",
            "fff\r\n", "ffff\r\n", "\n", "\r", " ", "5", ";", "=", "\"", "\\", "a", "\0", "0",
        ]), 0..12),
    ) {
        invariants::chunks(pieces.concat().as_bytes());
    }

    #[test]
    fn every_extension_of_the_grammar_is_taken(
        extensions in prop::collection::vec(extension(), 0..6),
    ) {
        let line = format!("5{}", extensions.concat());
        let input = format!("{line}\r\nhello\r\n0\r\n\r\n");
        prop_assert_eq!(
            decode(input.as_bytes()),
            Ok((input.len(), true, b"hello".to_vec()))
        );
    }
}

/// One extension, spelled as RFC 9112, section 7.1.1 has it.
fn extension() -> impl Strategy<Value = String> {
    let bws = || "[ \t]{0,2}";
    let token = || "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,4}";
    let quoted = r#""([\t !\x23-\x5b\x5d-\x7e\x{80}-\x{ff}]|\\[\t -\x7e\x{80}-\x{ff}]){0,4}""#;
    let value = prop_oneof![
        token().prop_map(String::from),
        quoted.prop_map(String::from)
    ];
    let value =
        (bws(), bws(), value).prop_map(|(before, after, value)| format!("{before}={after}{value}"));
    (bws(), bws(), token(), prop::option::of(value)).prop_map(|(before, after, name, value)| {
        format!("{before};{after}{name}{}", value.unwrap_or_default())
    })
}
