//! The head of a request, from its first byte to the empty line.
//!
//! One pass over the bytes that finds the parts and settles the terms. It takes less than `httparse` did, and takes what
//! that does but for what two readers of the same bytes might see differently: lines that end in a bare LF, any number
//! of empty lines before the request, UTF-8 in the target.

use crate::message::head::{Field, Head, Span, Version};
use http::{Method, StatusCode};

use super::bytes::{is_target_byte, is_token_byte, is_value_byte, value_len};
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
        len: window.len(),
        rest: &window[start..],
    };
    let method = scanner.until(b' ', is_token_byte).ok_or(MALFORMED_LINE)?;
    head.method = match method.bytes {
        // Nearly every request.
        b"GET" => Method::GET,
        method => Method::from_bytes(method).map_err(|_| MALFORMED_LINE)?,
    };
    let Some(target) = scanner.until(b' ', is_target_byte) else {
        return Err(match scanner.rest {
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => MALFORMED_LINE,
            _ => MALFORMED_TARGET,
        });
    };
    head.version = scanner.version()?;
    head.target = target.span();
    let parts = take_apart(&head.method, target.bytes)?;
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
        let name = scanner.until(b':', is_token_byte).ok_or(MALFORMED_NAME)?;
        let value = scanner.value().ok_or(MALFORMED_VALUE)?;
        collector.add(name.bytes, value.bytes)?;
        let spans = Field {
            name: name.span(),
            value: value.span(),
        };
        head.push_field(name.bytes, spans);
    }

    let terms = collector.settle(head.version, limits.max_body_bytes)?;
    head.body = terms.body;
    head.keep_alive = terms.keep_alive;
    head.expect_continue = terms.expect_continue;
    Ok(scanner.at())
}

/// RFC 9112, section 3.
const MALFORMED_LINE: Refusal = Refusal::bad("malformed request line");
const MALFORMED_VERSION: Refusal = Refusal::bad("malformed version");

/// RFC 9112, section 5: between a name and its colon there is no whitespace, and a line that begins with some, which
/// would be part of the one before, is no field.
const MALFORMED_NAME: Refusal = Refusal::bad("malformed field name, or a folded line");
const MALFORMED_VALUE: Refusal = Refusal::bad("malformed field value");

/// Goes through the bytes of a head, one part after the other.
struct Scanner<'a> {
    /// How many bytes there are in all.
    len: usize,
    rest: &'a [u8],
}

/// A part, and where it begins.
struct Part<'a> {
    start: usize,
    bytes: &'a [u8],
}

impl Part<'_> {
    fn span(&self) -> Span {
        Span::new(self.start, self.start + self.bytes.len())
    }
}

impl<'a> Scanner<'a> {
    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The bytes of this class that come next, where that is any, and `end` behind them; goes past it, or else to the
    /// byte that is neither.
    #[inline]
    fn until(&mut self, end: u8, is_of_class: impl Fn(u8) -> bool) -> Option<Part<'a>> {
        let start = self.at();
        let len = self.rest.iter().position(|&byte| !is_of_class(byte));
        let (bytes, rest) = self.rest.split_at(len.unwrap_or(self.rest.len()));
        self.rest = rest;
        match rest {
            [first, rest @ ..] if *first == end && !bytes.is_empty() => {
                self.rest = rest;
                Some(Part { start, bytes })
            }
            _ => None,
        }
    }

    /// The version and the end of its line. Every later minor version is 1.1 to us (RFC 9110, section 2.5).
    #[inline]
    fn version(&mut self) -> Result<Version, Refusal> {
        let (line, rest) = self
            .rest
            .split_first_chunk::<10>()
            .ok_or(MALFORMED_VERSION)?;
        self.rest = rest;
        if line == b"HTTP/1.1\r\n" {
            return Ok(Version::Http11);
        }
        match line {
            b"HTTP/1.0\r\n" => Ok(Version::Http10),
            // RFC 9112, section 2.3: a digit, a dot and another.
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'1',
                b'.',
                b'1'..=b'9',
                b'\r',
                b'\n',
            ] => Ok(Version::Http11),
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'0'..=b'9',
                b'.',
                b'0'..=b'9',
                b'\r',
                b'\n',
            ] => Err(Refusal::UNKNOWN_VERSION),
            _ => Err(MALFORMED_VERSION),
        }
    }

    /// The value of a field, without the whitespace around it, and the end of its line.
    #[inline]
    fn value(&mut self) -> Option<Part<'a>> {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let start = self.at();
        let (mut bytes, rest) = self.rest.split_at(value_len(self.rest));
        self.rest = rest;
        if !self.takes_line_end() {
            return None;
        }
        while let [before @ .., b' ' | b'\t'] = bytes {
            bytes = before;
        }
        Some(Part { start, bytes })
    }

    /// Whether a line ends here, by a CRLF and nothing else; if so, goes past it.
    #[inline]
    fn takes_line_end(&mut self) -> bool {
        match self.rest.split_first_chunk() {
            Some((b"\r\n", rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
