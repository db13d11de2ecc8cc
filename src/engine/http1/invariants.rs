//! What must hold for any input whatsoever: asserted over generated input by the property tests and
//! over mutated input by the fuzz targets.

use http::{HeaderName, HeaderValue};

use super::bytes::{is_token_byte, is_value_byte};
use super::*;
use crate::message::head::{BodyLength, Head, Version};

/// Small, so that short inputs reach the limits; more fields than are parsed on the stack, so that they get beyond it.
pub(crate) const LIMITS: Limits = Limits {
    max_head_bytes: 512,
    max_headers: 110,
    max_body_bytes: 4096,
};

/// Reads a head from `data`, whole and in pieces, and checks all that can be said of the outcome.
pub(crate) fn head(data: &[u8]) {
    let whole = read_in_pieces(data, [data.len()]);
    assert_eq!(
        whole,
        read_in_pieces(data, 1..=data.len()),
        "one byte at a time"
    );
    if let Some((&pieces, data)) = data.split_first() {
        // The first byte of a fuzzed input also says how it is split.
        let step = usize::from(pieces).max(1);
        let whole = read_in_pieces(data, [data.len()]);
        let ends = (step..data.len()).step_by(step).chain([data.len()]);
        assert_eq!(whole, read_in_pieces(data, ends), "{step} bytes at a time");
    }
    let as_11 = in_http_1_1(data);
    assert_eq!(
        whole.as_ref().map_err(|refusal| refusal.status),
        read_in_pieces(&as_11, [as_11.len()])
            .as_ref()
            .map_err(|refusal| refusal.status),
        "a later minor version"
    );
    match whole {
        Ok((Progress::Complete { len }, head)) => check_head(&data[..len], &head),
        Ok((Progress::Partial { scanned }, _)) => {
            assert_eq!(scanned, data.len());
            assert!(
                scanned < LIMITS.max_head_bytes,
                "waits for more than is allowed"
            );
        }
        Err(refusal) => check_refusal(refusal),
    }
}

/// The same with every minor version above 1 replaced, wherever it stands: nothing that is read depends on it.
fn in_http_1_1(data: &[u8]) -> Vec<u8> {
    let mut bytes = data.to_vec();
    for at in 7..bytes.len() {
        if bytes[..at].ends_with(b"HTTP/1.") && matches!(bytes[at], b'2'..=b'9') {
            bytes[at] = b'1';
        }
    }
    bytes
}

/// Decodes `data` as a chunked body, whole and in pieces, and checks all that can be said of it.
pub(crate) fn chunks(data: &[u8]) {
    let whole = decode_in_pieces(data, [data.len()]);
    assert_eq!(
        whole,
        decode_in_pieces(data, 1..=data.len()),
        "one byte at a time"
    );
    let step = data.first().map_or(1, |&byte| usize::from(byte % 32) + 1);
    let ends = (step..data.len()).step_by(step).chain([data.len()]);
    assert_eq!(
        whole,
        decode_in_pieces(data, ends),
        "{step} bytes at a time"
    );

    match whole {
        Err(refusal) => check_refusal(refusal),
        Ok((used, done, body)) => {
            assert!(used <= data.len() && (done || used == data.len()));
            assert!(body.len() <= used && body.len() as u64 <= LIMITS.max_body_bytes);
            if done {
                assert!(data[..used].ends_with(b"\r\n\r\n"));
                check_size_lines(&data[..used]);
                check_written_chunks(&body);
            }
        }
    }
}

/// The line of each chunk is one that a reader would take who first splits it and then looks at the pieces.
fn check_size_lines(mut body: &[u8]) {
    loop {
        let end = body
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("a line");
        let line = String::from_utf8_lossy(&body[..end]);
        let digits = line.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (size, extensions) = line.split_at(digits);
        assert!(are_extensions(extensions), "{line:?}");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return;
        }
        body = &body[end + size + 4..];
    }
}

/// RFC 9112, section 7.1.1, from the end: the last extension has no semicolon, or its semicolons are in quotes.
fn are_extensions(text: &str) -> bool {
    let bws = |c: char| c == ' ' || c == '\t';
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
    let is_quoted = |text: &str| {
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let inner = inner.map(|inner| inner.replace("\\\\", "").replace("\\\"", ""));
        text.len() > 1 && inner.is_some_and(|inner| !inner.contains('"') && !inner.ends_with('\\'))
    };
    let is_extension = |text: &str| match text.split_once('=') {
        None => is_token(text),
        Some((name, value)) => {
            let value = value.trim_start_matches(bws);
            is_token(name.trim_end_matches(bws)) && (is_token(value) || is_quoted(value))
        }
    };
    text.is_empty()
        || text.match_indices(';').any(|(at, _)| {
            is_extension(text[at + 1..].trim_start_matches(bws))
                && are_extensions(text[..at].trim_end_matches(bws))
        })
}

/// Reads a head whose bytes arrive up to each of `ends` in turn, until there is an outcome.
pub(super) fn read_in_pieces(
    data: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<(Progress, Head), Refusal> {
    let mut head = Head::default();
    let mut scanned = 0;
    for end in ends {
        match read_head(&data[..end], scanned, &LIMITS, &mut head)? {
            Progress::Partial { scanned: now } => scanned = now,
            complete => return Ok((complete, head)),
        }
    }
    Ok((Progress::Partial { scanned }, Head::default()))
}

/// Decodes chunks whose bytes arrive up to each of `ends` in turn: bytes used, done, body.
fn decode_in_pieces(
    data: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<(usize, bool, Vec<u8>), Refusal> {
    let mut chunks = Chunks::new(LIMITS.max_body_bytes);
    let mut body = Vec::new();
    let (mut used, mut done) = (0, false);
    for end in ends {
        if !done {
            let step;
            (step, done) = chunks.decode(&data[used..end], &mut body)?;
            used += step;
        }
    }
    Ok((used, done, body))
}

/// An accepted head is what a strict reader, and a naive one, would make of the same bytes.
fn check_head(bytes: &[u8], head: &Head) {
    assert!(bytes.len() <= LIMITS.max_head_bytes);
    assert!(head.fields.len() <= LIMITS.max_headers);
    let lines = bytes
        .strip_suffix(b"\r\n\r\n")
        .expect("an empty line at the end");
    let lines = lines.trim_ascii_start();
    assert!(
        !lines.windows(4).any(|four| four == b"\r\n\r\n"),
        "an empty line before"
    );
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'\r' => assert_eq!(bytes[at + 1], b'\n'),
            b'\n' => assert_eq!(bytes[at - 1], b'\r'),
            _ => assert!(is_value_byte(byte)),
        }
    }
    check_target(bytes, head);

    let (mut lengths, mut codings, mut hosts) = (Vec::new(), 0, 0);
    for field in &head.fields {
        let (name, value) = (field.name.text(bytes), field.value.of(bytes));
        HeaderName::from_bytes(name.as_bytes()).expect("a name that `http` takes");
        HeaderValue::from_bytes(value).expect("a value that `http` takes");
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths.push(String::from_utf8(value.to_vec()).expect("digits")),
            "transfer-encoding" => {
                assert!(value.eq_ignore_ascii_case(b"chunked"));
                codings += 1;
            }
            "host" => hosts += 1,
            _ => {}
        }
    }
    assert!(hosts == 1 || hosts == 0 && head.version == Version::Http10);
    let body = match (codings, &lengths[..]) {
        (1, []) if head.version == Version::Http11 => BodyLength::Chunked,
        (0, []) => BodyLength::Known(0),
        (0, [length]) => BodyLength::Known(length.parse().expect("no sign, no overflow")),
        other => panic!("framed in two ways: {other:?}"),
    };
    assert_eq!(head.body, body);
    assert!(!matches!(body, BodyLength::Known(length) if length > LIMITS.max_body_bytes));
    assert!(!head.expect_continue || head.version == Version::Http11);
    check_shared_rules(bytes, head);
}

/// The target's parts are parts of the target, and the path can be routed.
fn check_target(bytes: &[u8], head: &Head) {
    let target = head.target.text(bytes);
    let path = head.path.text(bytes);
    assert!(!target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(path.starts_with('/') || path == "*" && head.method == "OPTIONS");
    assert!(!path.contains(['?', '#']));
    let query = head
        .query
        .map_or(String::new(), |query| format!("?{}", query.text(bytes)));
    match head.authority {
        None => assert_eq!(target, format!("{path}{query}")),
        Some(authority) => {
            let authority = authority.text(bytes);
            assert!(!authority.is_empty() && !authority.contains(['@', '/', '?', '#']));
            assert!(target.contains(&format!("://{authority}")) && target.ends_with(&query));
        }
    }
}

/// The engine that does not parse heads by itself comes to the same terms.
fn check_shared_rules(bytes: &[u8], head: &Head) {
    let fields = head
        .fields
        .iter()
        .map(|field| (field.name.of(bytes), field.value.of(bytes)));
    let terms = validate(head.version, fields, LIMITS.max_body_bytes).expect("the same rules");
    assert_eq!(terms.body, head.body);
    assert_eq!(terms.keep_alive, head.keep_alive);
    assert_eq!(terms.expect_continue, head.expect_continue);
}

/// A refusal is one of those that the documentation names.
fn check_refusal(refusal: Refusal) {
    assert!(matches!(
        refusal.status.as_u16(),
        400 | 413 | 414 | 417 | 431 | 501 | 505
    ));
    assert!(!refusal.reason.is_empty());
}

/// What `write_chunk` writes, `Chunks` reads.
fn check_written_chunks(body: &[u8]) {
    let mut written = Vec::new();
    body.chunks(300)
        .for_each(|data| write_chunk(&mut written, data));
    written.extend_from_slice(LAST_CHUNK);
    let read = decode_in_pieces(&written, [written.len()]);
    assert_eq!(read, Ok((written.len(), true, body.to_vec())));
}

/// Checks that this is a refusal with that status; for the tables of the tests.
#[cfg(test)]
#[track_caller]
pub(super) fn assert_refused<T: std::fmt::Debug>(
    outcome: Result<T, Refusal>,
    status: u16,
    row: impl std::fmt::Display,
) {
    match outcome {
        Ok(accepted) => panic!("{row}: accepted as {accepted:?}"),
        Err(refusal) => {
            assert_eq!(refusal.status, status, "{row}: {refusal:?}");
        }
    }
}
