//! The head of a request, from its first byte to the empty line.
//!
//! One pass over the bytes that finds the parts and settles the terms. It takes less than `httparse` did, and takes what
//! that does but for what two readers of the same bytes might see differently: lines that end in a bare LF, any number
//! of empty lines before the request, UTF-8 in the target.

use crate::message::head::{Field, Head, Span, Version};
use http::{Method, StatusCode};

use super::bytes::{is_target_byte, is_token_byte, is_value_byte, value_end};
use super::target::{MALFORMED_TARGET, take_apart};
use super::terms::Collector;
use crate::message::refusal::Refusal;

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
            parse(&window[..end], start, limits, head).map(|len| Progress::Complete { len })
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
    let mut scanner = Scanner {
        bytes: window,
        at: start,
    };
    let method = scanner.method()?.of(window);
    head.method = match method {
        // Nearly every request.
        b"GET" => Method::GET,
        _ => Method::from_bytes(method).map_err(|_| MALFORMED_LINE)?,
    };
    head.target = scanner.target()?;
    head.version = scanner.version()?;
    let parts = take_apart(&head.method, head.target.of(window))?;
    let start = head.target.start;
    head.path = parts.path.moved(start);
    head.query = parts.query.map(|query| query.moved(start));
    head.authority = parts.authority.map(|authority| authority.moved(start));

    head.clear_fields();
    let mut collector = Collector::default();
    while !scanner.takes_line_end() {
        if head.fields.len() >= limits.max_headers {
            return Err(TOO_MANY_FIELDS);
        }
        let field = scanner.field()?;
        let name = field.name.of(window);
        collector.add(name, field.value.of(window))?;
        head.push_field(name, field);
    }

    let terms = collector.settle(head.version, limits.max_body_bytes)?;
    head.body = terms.body;
    head.keep_alive = terms.keep_alive;
    head.expect_continue = terms.expect_continue;
    Ok(scanner.at)
}

/// RFC 9112, section 3.
const MALFORMED_LINE: Refusal = Refusal::bad("malformed request line");

/// Goes through the bytes of a head, one part after the other, and past what ends each.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// A token and the space behind it.
    fn method(&mut self) -> Result<Span, Refusal> {
        let method = self.skip(is_token_byte);
        match self.takes(b' ') && !method.is_empty() {
            true => Ok(method),
            false => Err(MALFORMED_LINE),
        }
    }

    /// Bytes that a target may hold, and the space behind them.
    fn target(&mut self) -> Result<Span, Refusal> {
        let target = self.skip(is_target_byte);
        match self.bytes.get(self.at) {
            Some(b' ') if !target.is_empty() => {
                self.at += 1;
                Ok(target)
            }
            None | Some(b' ' | b'\t' | b'\r' | b'\n') => Err(MALFORMED_LINE),
            Some(_) => Err(MALFORMED_TARGET),
        }
    }

    /// The version and the end of its line. Every later minor version is 1.1 to us (RFC 9110, section 2.5).
    fn version(&mut self) -> Result<Version, Refusal> {
        let version = self.bytes[self.at..].first_chunk::<8>();
        self.at += 8;
        let (Some(version), true) = (version, self.takes_line_end()) else {
            return Err(Refusal::bad("malformed version"));
        };
        if version == b"HTTP/1.1" {
            return Ok(Version::Http11);
        }
        match version {
            b"HTTP/1.0" => Ok(Version::Http10),
            // RFC 9112, section 2.3: one digit, a dot and another.
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] => Ok(Version::Http11),
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
                Err(Refusal::UNKNOWN_VERSION)
            }
            _ => Err(Refusal::bad("malformed version")),
        }
    }

    /// A field line: its name, and its value without the whitespace around it (RFC 9112, section 5). Between the name and
    /// the colon there is none, and a line that begins with it, which would be part of the one before, is no field.
    fn field(&mut self) -> Result<Field, Refusal> {
        let name = self.skip(is_token_byte);
        if !self.takes(b':') || name.is_empty() {
            return Err(Refusal::bad("malformed field name, or a folded line"));
        }
        while let Some(b' ' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
        let start = self.at;
        let mut end = value_end(self.bytes, start);
        self.at = end;
        if !self.takes_line_end() {
            return Err(Refusal::bad("malformed field value"));
        }
        while end > start && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        Ok(Field {
            name,
            value: Span::new(start, end),
        })
    }

    /// Goes to the first byte that is not of this class, over what it spans.
    #[inline]
    fn skip(&mut self, is_of_class: impl Fn(u8) -> bool) -> Span {
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at)
            && is_of_class(byte)
        {
            self.at += 1;
        }
        Span::new(start, self.at)
    }

    /// Whether this byte comes next; if so, goes past it.
    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Whether a line ends here, by a CRLF and nothing else; if so, goes past it.
    #[inline]
    fn takes_line_end(&mut self) -> bool {
        let is_next = self.bytes.get(self.at..self.at + 2) == Some(b"\r\n");
        self.at += 2 * usize::from(is_next);
        is_next
    }
}

#[cfg(test)]
mod tests;
