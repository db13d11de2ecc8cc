//! The terms of a request, which its fields settle: how long the body is, whether the connection
//! goes on, whether the client waits for `100 Continue`.
//!
//! Every engine goes through here, whoever parsed the fields, so that all refuse the same requests.

use std::net::Ipv6Addr;

use http::StatusCode;

use crate::message::head::{BodyLength, Version};

use super::bytes::{is_host_byte, trim};
use crate::message::refusal::Refusal;

/// What the fields of a request settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The body that follows; never over the limit where it is known.
    pub(crate) body: BodyLength,
    /// Whether the client lets the connection serve another request.
    pub(crate) keep_alive: bool,
    /// Whether the client waits for `100 Continue`: it said so, there is a body, and its version
    /// knows of it.
    pub(crate) expect_continue: bool,
}

/// The terms of a request whose head was parsed elsewhere, by a parser that need not have been
/// strict.
#[cfg(any(test, fuzzing, feature = "tiny_http"))]
pub(crate) fn validate<'a>(
    version: Version,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    max_body_bytes: u64,
) -> Result<Terms, Refusal> {
    let mut collector = Collector::default();
    for (name, value) in fields {
        if name.is_empty() || !name.iter().all(|&byte| super::bytes::is_token_byte(byte)) {
            return Err(Refusal::bad("malformed field name"));
        }
        if !value.iter().all(|&byte| super::bytes::is_value_byte(byte)) {
            return Err(Refusal::bad("control byte in a field value"));
        }
        collector.add(name, trim(value))?;
    }
    collector.settle(version, max_body_bytes)
}

/// Gathers, field by field, what [`Terms`] are settled from.
#[derive(Default)]
pub(super) struct Collector {
    has_host: bool,
    length: Option<u64>,
    coding: Option<Coding>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    expects_other: bool,
}

/// The transfer codings of a request, so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// `chunked` and nothing else: the only one that is served.
    Chunked,
    /// `chunked` last, after codings that nobody here understands.
    OthersThenChunked,
    /// Something else last.
    Others,
}

impl Collector {
    /// Takes a field into account; its value has no whitespace around it and no control bytes but
    /// tabs in it.
    #[inline]
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        // By length first: nearly every field is none of these, and then this is all it costs.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.add_host(value)?,
            6 if name.eq_ignore_ascii_case(b"expect") => self.add_expectations(value),
            10 if name.eq_ignore_ascii_case(b"connection") => self.add_options(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.add_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.add_codings(value)?,
            _ => {}
        }
        Ok(())
    }

    /// `Host` (RFC 9112, section 3.2): once, and host and port by their form.
    fn add_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.has_host {
            return Err(Refusal::bad("more than one Host"));
        }
        self.has_host = true;
        match is_host(value) {
            true => Ok(()),
            false => Err(Refusal::bad("malformed Host")),
        }
    }

    /// `Expect` (RFC 9110, section 10.1.1).
    fn add_expectations(&mut self, value: &[u8]) {
        for expectation in list(value) {
            match expectation.eq_ignore_ascii_case(b"100-continue") {
                true => self.expects_continue = true,
                false => self.expects_other = true,
            }
        }
    }

    /// `Connection` (RFC 9110, section 7.6.1); its other options are for proxies.
    fn add_options(&mut self, value: &[u8]) {
        for option in list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// `Content-Length` (RFC 9110, section 8.6; RFC 9112, section 6.3, rule 5): digits, once. Equal
    /// lengths, repeated, may be taken for one, but they never come from a client that means well.
    fn add_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::bad("more than one Content-Length"));
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::bad("malformed Content-Length"));
        }
        // A number that does not fit is a valid one all the same, and over any limit.
        let append = |length: u64, digit: &u8| {
            length
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        };
        self.length = Some(value.iter().fold(0, append));
        Ok(())
    }

    /// `Transfer-Encoding` (RFC 9112, sections 6.1 and 7). An empty list element, which RFC 9110,
    /// section 5.6.1 would have ignored, is refused: a proxy that does not ignore it sees no
    /// `chunked`, and another body.
    fn add_codings(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for coding in value.split(|&byte| byte == b',').map(trim) {
            // Also `chunked;q=1`: chunked has no parameters, and their presence is an error
            // (section 7.1).
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.coding = Some(match self.coding {
                _ if coding.is_empty() => return Err(Refusal::bad("malformed Transfer-Encoding")),
                Some(Coding::Chunked | Coding::OthersThenChunked) => {
                    return Err(Refusal::bad("chunked is not the last transfer coding"));
                }
                None if is_chunked => Coding::Chunked,
                Some(Coding::Others) if is_chunked => Coding::OthersThenChunked,
                None | Some(Coding::Others) => Coding::Others,
            });
        }
        Ok(())
    }

    /// The terms, once all fields are in. What would let two readers disagree comes first; then
    /// what this server does not do.
    pub(super) fn settle(self, version: Version, max_body_bytes: u64) -> Result<Terms, Refusal> {
        if !self.has_host && version == Version::Http11 {
            return Err(Refusal::bad("no Host")); // RFC 9112, section 3.2
        }
        let body = self.body(version)?;
        if self.coding == Some(Coding::OthersThenChunked) {
            return Err(Refusal::new(
                StatusCode::NOT_IMPLEMENTED,
                "unknown transfer coding",
            ));
        }
        if self.length.is_some_and(|length| length > max_body_bytes) {
            return Err(Refusal::BODY_TOO_LONG);
        }
        if self.expects_other {
            return Err(Refusal::new(
                StatusCode::EXPECTATION_FAILED,
                "unknown expectation",
            ));
        }
        Ok(Terms {
            body,
            // RFC 9112, section 9.3: `close` wins, and HTTP/1.0 has to ask.
            keep_alive: !self.close && (version == Version::Http11 || self.keep_alive),
            // RFC 9110, section 10.1.1: not from HTTP/1.0, and there is nothing to wait for without
            // a body.
            expect_continue: self.expects_continue
                && version == Version::Http11
                && body != BodyLength::Known(0),
        })
    }

    /// The length of the body by RFC 9112, section 6.3, minus its leniencies.
    fn body(&self, version: Version) -> Result<BodyLength, Refusal> {
        match (self.coding, self.length) {
            (None, length) => Ok(BodyLength::Known(length.unwrap_or(0))),
            // Rule 3.
            (Some(_), Some(_)) => Err(Refusal::bad("Transfer-Encoding with Content-Length")),
            // Section 6.1.
            (Some(_), None) if version == Version::Http10 => {
                Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"))
            }
            // Rule 4 asks for 400 even where the coding is unknown too, for which section 6.1 would
            // like 501.
            (Some(Coding::Others), None) => {
                Err(Refusal::bad("chunked is not the last transfer coding"))
            }
            (Some(_), None) => Ok(BodyLength::Chunked),
        }
    }
}

/// The elements of a comma-separated list, without the empty ones (RFC 9110, section 5.6.1).
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Whether this is a host with or without a port (RFC 9110, section 7.2; RFC 3986, section 3.2.2).
///
/// It may be empty: that is what a client sends whose target has no authority. User information is
/// out, and so is IPvFuture, whose versions nobody knows.
pub(super) fn is_host(value: &[u8]) -> bool {
    let is_no_part = |byte: &u8| !is_host_byte(*byte);
    let name = value.iter().position(is_no_part).unwrap_or(value.len());
    match &value[name..] {
        [b'[', address @ ..] if name == 0 => after_ipv6(address).is_some_and(is_port),
        rest @ [b'%', ..] => after_escapes(rest).is_some_and(is_port),
        rest => is_port(rest),
    }
}

/// Whether this is a port behind its colon, or nothing.
fn is_port(value: &[u8]) -> bool {
    match value {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// What follows the IPv6 address and its closing bracket.
#[cold]
fn after_ipv6(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&byte| byte == b']')?;
    let address = std::str::from_utf8(&value[..end]).ok()?;
    address.parse::<Ipv6Addr>().ok()?;
    Some(&value[end + 1..])
}

/// What follows the name (reg-name), from its first escape on.
#[cold]
fn after_escapes(mut value: &[u8]) -> Option<&[u8]> {
    loop {
        match value {
            [byte, rest @ ..] if is_host_byte(*byte) => value = rest,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                value = rest;
            }
            [b'%', ..] => return None,
            rest => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests;
