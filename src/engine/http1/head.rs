//! The head of a request, from its first byte to the empty line.
//!
//! `httparse` 1.10 does the parsing. What it lets through and this module does not: lines that end
//! in a bare LF, any number of empty lines before the request, UTF-8 in the target. What it refuses
//! and this module does not: versions from HTTP/1.2 on. What it does not tell apart: a version that
//! is malformed (400) from one that is merely unknown (505).

use std::borrow::Cow;
use std::mem::MaybeUninit;

use crate::message::head::{Field, Head, Span, Version};
use http::{Method, StatusCode};

use super::bytes::{is_token_byte, is_value_byte};
use super::target::read_target;
use super::terms::Collector;
use crate::message::refusal::Refusal;

/// So many fields are parsed into memory on the stack, which costs nothing where it is not used.
const FIELDS_ON_STACK: usize = 100;

/// More empty lines before a request than this are no client's habit: RFC 9112, section 2.2 asks to
/// ignore at least one.
const MAX_EMPTY_LINES: usize = 4;

/// What the configuration allows a request, in bytes unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of a head, from its first byte to the end of the empty line; over it is 431, or 414 for the
    /// request line alone.
    pub(crate) max_head_bytes: usize,
    /// Fields of a head; more is 431.
    pub(crate) max_headers: usize,
    /// Of a body, decoded; over it is 413.
    pub(crate) max_body_bytes: u64,
}

/// RFC 6585, section 5.
const TOO_MANY_FIELDS: Refusal = Refusal::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "more fields than MAX_HEADERS",
);

/// RFC 9112, section 3.
const LINE_TOO_LONG: Refusal =
    Refusal::new(StatusCode::URI_TOO_LONG, "request line over MAX_HEAD_BYTES");

impl Limits {
    /// Holds a head that was parsed elsewhere to what [`read_head`] holds its own to: the length of its request line,
    /// its whole length, and how many fields it has.
    ///
    /// # Errors
    /// With the refusal.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn check_head(
        &self,
        line: usize,
        head: usize,
        fields: usize,
    ) -> Result<(), Refusal> {
        match () {
            () if line > self.max_head_bytes => Err(LINE_TOO_LONG),
            () if head > self.max_head_bytes => Err(Refusal::HEAD_TOO_LONG),
            () if fields > self.max_headers => Err(TOO_MANY_FIELDS),
            () => Ok(()),
        }
    }
}

/// How far the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes are needed; give this `scanned` back together with them.
    Partial {
        /// How many bytes have been looked through.
        scanned: usize,
    },
    /// The head is whole.
    Complete {
        /// Its length: the body starts here.
        len: usize,
    },
}

/// Reads a head from the start of `bytes`, which may go beyond it.
///
/// `scanned` is what the last call on the same bytes reported, 0 on the first; with it a head that
/// arrives one byte at a time costs linear time. The outcome does not depend on how the bytes were
/// split into calls.
pub(crate) fn read_head(
    bytes: &[u8],
    scanned: usize,
    limits: &Limits,
    head: &mut Head,
) -> Result<Progress, Refusal> {
    let max_len = limits.max_head_bytes.min(u32::MAX as usize);
    let window = &bytes[..bytes.len().min(max_len)];
    let start = skip_empty_lines(window)?;

    // Nearly every head arrives whole and is valid: parsing it at once is one pass. Where that
    // fails, for whatever reason, what counts is the first offending byte or the end, whichever
    // comes first, however they arrived.
    if scanned == 0
        && let Ok(len) = parse(window, start, limits, head)
    {
        return Ok(Progress::Complete { len });
    }
    match find_end(window, start, scanned)? {
        Some(end) => {
            let whole = in_known_version(&window[..end], start);
            parse(&whole, start, limits, head).map(|len| Progress::Complete { len })
        }
        None if window.len() < max_len => Ok(Progress::Partial {
            scanned: window.len(),
        }),
        None => Err(over_limit(&window[start..])),
    }
}

/// Whether the bytes are nothing but empty lines that may yet turn out to stand before a request, the last of them
/// perhaps still without its LF.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.len() <= 2 * MAX_EMPTY_LINES && bytes.chunks(2).all(|line| b"\r\n".starts_with(line))
}

/// Where the request line begins, or may begin when more bytes have come: empty lines before it are
/// ignored (RFC 9112, section 2.2).
fn skip_empty_lines(window: &[u8]) -> Result<usize, Refusal> {
    let mut start = 0;
    loop {
        match window[start..] {
            [b'\r', b'\n', ..] if start < 2 * MAX_EMPTY_LINES => start += 2,
            [b'\r', b'\n', ..] => {
                return Err(Refusal::bad("too many empty lines before the request"));
            }
            // Not yet known to be a line end; `find_end` sees to it when the next byte is there.
            [] | [b'\r'] => return Ok(start),
            [first, ..] if is_token_byte(first) => return Ok(start),
            // A TLS hello, a space before the method, a bare LF: no need to wait for the end of it.
            _ => return Err(Refusal::bad("the first byte begins no request")),
        }
    }
}

/// The end of the head that begins at `start`, if it is there: one past the first empty line.
///
/// A line ends in CRLF and nothing else, and there is no control byte but a tab (RFC 9112, sections
/// 2.2 and 3; RFC 9110, section 5.5), so whatever is certain to be refused is refused as soon as it
/// is there.
#[cold]
fn find_end(window: &[u8], start: usize, scanned: usize) -> Result<Option<usize>, Refusal> {
    // A CR that was the last byte could not be judged then.
    let from = scanned.saturating_sub(1).max(start);
    for (at, &byte) in window.iter().enumerate().skip(from) {
        match byte {
            b'\n' if window[..at].last() != Some(&b'\r') => return Err(Refusal::bad("bare LF")),
            b'\n' if window[start..=at].ends_with(b"\r\n\r\n") => return Ok(Some(at + 1)),
            b'\r' if window.get(at + 1).is_some_and(|&next| next != b'\n') => {
                return Err(Refusal::bad("bare CR"));
            }
            b'\r' | b'\n' => {}
            _ if is_value_byte(byte) => {}
            _ => return Err(Refusal::bad("control byte in the head")),
        }
    }
    Ok(None)
}

/// The refusal of a head that is over the limit: 414 where not even its first line fits (RFC 9112,
/// section 3), else 431.
#[cold]
fn over_limit(head: &[u8]) -> Refusal {
    match head.contains(&b'\n') {
        true => Refusal::HEAD_TOO_LONG,
        false => LINE_TOO_LONG,
    }
}

/// Parses the head that begins at `start` and returns where it ends; a head that is not whole is an
/// error too.
fn parse(window: &[u8], start: usize, limits: &Limits, head: &mut Head) -> Result<usize, Refusal> {
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_ON_STACK];
    let few = limits.max_headers.min(FIELDS_ON_STACK);
    match parse_into(&mut slots[..few], window, start, limits, head) {
        Err(TOO_MANY_FIELDS) if few < limits.max_headers => {
            let mut slots = Vec::with_capacity(limits.max_headers);
            let many = &mut slots.spare_capacity_mut()[..limits.max_headers];
            parse_into(many, window, start, limits, head)
        }
        outcome => outcome,
    }
}

/// As [`parse`], with room for so many fields.
fn parse_into<'a>(
    slots: &mut [MaybeUninit<httparse::Header<'a>>],
    window: &'a [u8],
    start: usize,
    limits: &Limits,
    head: &mut Head,
) -> Result<usize, Refusal> {
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(&window[start..], slots) {
        Ok(httparse::Status::Complete(len)) => start + len,
        Ok(httparse::Status::Partial) => return Err(Refusal::bad("head not whole")),
        Err(error) => return Err(refusal(error, &window[start..])),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::bad("head not whole"));
    };

    head.method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Refusal::bad("malformed method"))?;
    head.version = if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let offset = offset_of(target.as_bytes(), window);
    let parts = read_target(&head.method, target.as_bytes())?;
    let shift = |span: Span| Span::new(offset + span.start as usize, offset + span.end as usize);
    head.target = Span::new(offset, offset + target.len());
    head.path = shift(parts.path);
    head.query = parts.query.map(shift);
    head.authority = parts.authority.map(shift);

    head.clear_fields();
    let mut collector = Collector::default();
    for field in request.headers.iter() {
        let name = offset_of(field.name.as_bytes(), window);
        let value = offset_of(field.value, window);
        // httparse takes a bare LF for a line end. Each line but the last ends where a name begins.
        if window[name - 2] != b'\r' {
            return Err(Refusal::bad("bare LF"));
        }
        collector.add(field.name.as_bytes(), field.value)?;
        let spans = Field {
            name: Span::new(name, name + field.name.len()),
            value: Span::new(value, value + field.value.len()),
        };
        head.push_field(field.name.as_bytes(), spans);
    }
    if !window[..len].ends_with(b"\r\n\r\n") {
        return Err(Refusal::bad("bare LF"));
    }

    let terms = collector.settle(head.version, limits.max_body_bytes)?;
    head.body = terms.body;
    head.keep_alive = terms.keep_alive;
    head.expect_continue = terms.expect_continue;
    Ok(len)
}

/// Where `part`, a piece of `whole`, begins in it.
fn offset_of(part: &[u8], whole: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// What an error of httparse means to the client.
#[cold]
fn refusal(error: httparse::Error, head: &[u8]) -> Refusal {
    match error {
        httparse::Error::Version if names_a_version(head) => Refusal::UNKNOWN_VERSION,
        httparse::Error::Version => Refusal::bad("malformed version"),
        httparse::Error::TooManyHeaders => TOO_MANY_FIELDS,
        httparse::Error::HeaderName => Refusal::bad("malformed field name, or a folded line"),
        httparse::Error::HeaderValue => Refusal::bad("malformed field value"),
        httparse::Error::NewLine => Refusal::bad("malformed line end"),
        httparse::Error::Token | httparse::Error::Status => Refusal::bad("malformed request line"),
    }
}

/// The head that begins at `start`, in HTTP/1.1 where it is in a later minor version: to us they are the same (RFC
/// 9110, section 2.5), and httparse knows no later one. Every other byte stays where it is.
#[cold]
fn in_known_version(window: &[u8], start: usize) -> Cow<'_, [u8]> {
    match version(&window[start..]) {
        later @ [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => {
            let minor = offset_of(later, window) + later.len() - 1;
            let mut head = window.to_vec();
            head[minor] = b'1';
            head.into()
        }
        _ => window.into(),
    }
}

/// Whether the third word of the request line is a version by its form: `HTTP/`, a digit, a dot and a
/// digit (RFC 9112, section 2.3).
fn names_a_version(head: &[u8]) -> bool {
    matches!(
        version(head),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']
    )
}

/// The third word of the request line, and whatever stands behind it there.
fn version(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    line.splitn(3, |&byte| byte == b' ')
        .nth(2)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
