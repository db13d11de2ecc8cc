//! Responses as bytes.

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::message::head::Version;

/// The interim response that lets a waiting client send its body (RFC 9110, section 15.2.1).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The chunk that ends a chunked body (RFC 9112, section 7.1).
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the client learns where a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection, for HTTP/1.0 clients of a streamed body; [`write_head`] says
    /// `Connection: close` then, and the caller has to close.
    UntilClose,
    /// Nothing is said, for the response ends with its head.
    Empty,
}

/// How to frame a response, to HEAD where `is_head`, and whether to send its body. `body_len` is `None` for a
/// streamed body of unknown length.
pub(crate) fn framing(
    is_head: bool,
    version: Version,
    status: StatusCode,
    body_len: Option<u64>,
) -> (Framing, bool) {
    match status.as_u16() {
        // Neither a length nor a coding (RFC 9110, section 8.6; RFC 9112, section 6.1).
        100..200 | 204 => return (Framing::Empty, false),
        // A length would have to be that of the 200 (RFC 9110, section 8.6), which is not known
        // here.
        304 => return (Framing::Empty, false),
        // RFC 9110, section 15.3.6
        205 => return (Framing::Length(0), false),
        _ => {}
    }
    let framing = match body_len {
        Some(len) => Framing::Length(len),
        // HEAD may leave out what only a body would tell (RFC 9110, section 9.3.2), and the
        // connection can go on.
        None if is_head => Framing::Empty,
        None if version == Version::Http10 => Framing::UntilClose,
        None => Framing::Chunked,
    };
    (framing, !is_head)
}

/// Appends the head of a response. `version` is the request's.
///
/// The fields that say where the response ends and what becomes of the connection, and the date,
/// are written from the arguments; a handler's own are left out, so none is there twice or
/// contradicts another. `date_line` is whole but for its end, and begins with that of the line before.
#[expect(
    clippy::too_many_arguments,
    reason = "each decides one line of the head, and both engines call it once"
)]
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    status: StatusCode,
    headers: &HeaderMap,
    default_content_type: Option<&'static str>,
    framing: &Framing,
    close: bool,
    version: Version,
    date_line: &[u8],
) {
    // Each piece begins with the end of the line before it, which halves the number of pieces.
    write_status_line(out, status);
    out.extend_from_slice(date_line);
    match framing {
        Framing::Length(len) => {
            out.extend_from_slice(b"\r\nContent-Length: ");
            write_number::<10>(out, *len);
        }
        Framing::Chunked => out.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        Framing::UntilClose | Framing::Empty => {}
    }
    if close || *framing == Framing::UntilClose {
        out.extend_from_slice(b"\r\nConnection: close");
    } else if version == Version::Http10 {
        // HTTP/1.1 goes on unless told otherwise; HTTP/1.0 has to be told (RFC 9112, appendix
        // C.2.2).
        out.extend_from_slice(b"\r\nConnection: keep-alive");
    }
    let mut content_type = default_content_type;
    if !headers.is_empty() {
        write_fields(out, headers, &mut content_type);
    }
    if let Some(content_type) = content_type {
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(content_type.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// Appends a handler's own fields, among which a content type takes the default one's place.
fn write_fields(out: &mut Vec<u8>, headers: &HeaderMap, default_type: &mut Option<&'static str>) {
    for (name, value) in headers {
        if is_ours(name) {
            continue;
        }
        if *name == header::CONTENT_TYPE {
            *default_type = None;
        }
        out.extend_from_slice(b"\r\n");
        write_name(out, name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
}

/// Appends one chunk of a chunked body; nothing for no data, since an empty chunk would end the
/// body.
pub(crate) fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    write_number::<16>(out, data.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the status line without its end (RFC 9112, section 4): the space before the reason is
/// there even without a reason.
fn write_status_line(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
}

/// Whether [`write_head`] writes this field itself. `Keep-Alive` goes with `Connection`, which
/// would have to name it.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    *name == header::CONTENT_LENGTH
        || *name == header::TRANSFER_ENCODING
        || *name == header::CONNECTION
        || *name == header::DATE
        || name.as_str() == "keep-alive"
}

/// Appends a field name as people write it, `Cache-Control`: the `http` crate has it in lower case,
/// and there are clients, and shell scripts, that compare by case although they should not (RFC
/// 9110, section 5.1).
fn write_name(out: &mut Vec<u8>, name: &HeaderName) {
    let start = out.len();
    out.extend_from_slice(name.as_str().as_bytes());
    let mut begins_word = true;
    for byte in &mut out[start..] {
        if begins_word {
            byte.make_ascii_uppercase();
        }
        begins_word = *byte == b'-';
    }
}

/// Appends `number` in base 10 or 16, without the machinery of `fmt`.
fn write_number<const BASE: u64>(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests;
