//! What tiny_http parsed, as a [`Request`] on terms, or the reason to refuse it.

use crate::{
    engine::{
        http1::{Limits, Refusal, Terms, read_target, validate},
        listen::canonical_peer,
        rules::Rules,
    },
    message::{
        head::{BodyLength, Version},
        request::Request,
    },
};
use http::Method;
use std::{net::SocketAddr, time::Instant};
use tiny_http::{HTTPVersion, Request as Inner};

/// Bodies up to this length are read by tiny_http on its own thread, before the request is handed out.
pub(super) const READ_AHEAD: usize = 1024;

/// A head that was accepted.
pub(super) struct Head {
    /// The request, complete but for its body.
    pub(super) request: Request,
    pub(super) terms: Terms,
    /// How many bytes its body may have.
    pub(super) body_limit: u64,
    /// Whether tiny_http will read no further request from the connection, and close it after this one's answer.
    pub(super) is_last: bool,
    /// Whether tiny_http hands out the bare connection as the body, because the client offers another protocol. The
    /// body is delimited here then.
    pub(super) has_bare_body: bool,
    /// Whether the whole body is in memory already: a short one is, before tiny_http hands the request out.
    pub(super) is_body_at_hand: bool,
}

/// Converts a head, or says why its request is refused.
pub(super) fn read(inner: &Inner, peer: SocketAddr, rules: &Rules) -> Result<Head, Refusal> {
    let version = match inner.http_version() {
        HTTPVersion(1, 0) => Version::Http10,
        HTTPVersion(1, 1) => Version::Http11,
        _ => return Err(Refusal::UNKNOWN_VERSION),
    };
    check_size(inner, &rules.limits)?;
    let method = method(inner).ok_or(Refusal::bad("malformed method"))?;
    let target = read_target(&method, inner.url().as_bytes())?;
    let terms = validate(version, fields(inner), rules.limits.max_body_bytes)?;

    let mut request = Request::default();
    request.set_start_line(method, inner.url(), version);
    // The target is what the request's bytes begin with, so its parts lie where they were found.
    request.head.path = target.path;
    request.head.query = target.query;
    request.head.authority = target.authority;
    fields(inner).for_each(|(name, value)| request.push_field(name, value));
    request.peer = Some(canonical_peer(peer));
    request.received = Some(Instant::now());
    let (body_limit, _) = rules.body_terms(request.method(), request.path());
    if matches!(terms.body, BodyLength::Known(length) if length > body_limit) {
        return Err(Refusal::BODY_TOO_LONG);
    }
    Ok(Head {
        request,
        body_limit,
        terms,
        is_last: is_last(inner),
        has_bare_body: offers_upgrade(inner),
        is_body_at_hand: body_is_at_hand(inner) == Some(true),
    })
}

/// The request's method, unless it is malformed.
pub(super) fn method(inner: &Inner) -> Option<Method> {
    Method::from_bytes(inner.method().as_str().as_bytes()).ok()
}

/// Whether dropping the request would read the rest of its body first.
pub(super) fn reads_on_drop(inner: &Inner) -> bool {
    body_is_at_hand(inner) == Some(false)
}

/// Whether tiny_http has read the body beforehand; none where it does not know the length.
fn body_is_at_hand(inner: &Inner) -> Option<bool> {
    let length = inner.body_length().filter(|_| !offers_upgrade(inner))?;
    Some(length == 0 || length <= READ_AHEAD && first(inner, "Expect").is_none())
}

fn fields(inner: &Inner) -> impl Iterator<Item = (&[u8], &[u8])> {
    inner
        .headers()
        .iter()
        .map(|header| (header.field.as_str().as_bytes(), header.value.as_bytes()))
}

/// By the time it is seen here the memory is spent; but a head is refused or not whichever engine reads it.
fn check_size(inner: &Inner, limits: &Limits) -> Result<(), Refusal> {
    limits.check_head(request_line(inner), size(inner), inner.headers().len())
}

/// How long the head is, at least: of white space that means nothing, tiny_http does not tell.
pub(super) fn size(inner: &Inner) -> usize {
    let lines = fields(inner).map(|(name, value)| name.len() + value.len() + ":\r\n".len());
    request_line(inner) + lines.sum::<usize>() + "\r\n".len()
}

/// How many bytes the request took to send, as every client writes it: with one space before each value. None where
/// tiny_http does not tell how its body was sent, and where a value is empty: some write a space before it, some none.
pub(super) fn wire_length(inner: &Inner) -> Option<u64> {
    let has_empty_value = fields(inner).any(|(_, value)| value.is_empty());
    if first(inner, "Transfer-Encoding").is_some() || offers_upgrade(inner) || has_empty_value {
        return None;
    }
    let spaces = inner.headers().len();
    let head = (size(inner) + spaces) as u64;
    head.checked_add(inner.body_length().unwrap_or(0) as u64)
}

fn request_line(inner: &Inner) -> usize {
    inner.method().as_str().len() + inner.url().len() + "  HTTP/1.1\r\n".len()
}

/// tiny_http's own reckoning, which looks at the first `Connection` field only and for parts of words.
fn is_last(inner: &Inner) -> bool {
    match first(inner, "Connection") {
        Some(value) if value.contains("close") || value.contains("upgrade") => true,
        Some(value) => *inner.http_version() == (1, 0) && !value.contains("keep-alive"),
        None => *inner.http_version() == (1, 0),
    }
}

fn offers_upgrade(inner: &Inner) -> bool {
    first(inner, "Connection").is_some_and(|value| value.contains("upgrade"))
}

fn first(inner: &Inner, name: &'static str) -> Option<String> {
    let field = inner
        .headers()
        .iter()
        .find(|header| header.field.equiv(name))?;
    Some(field.value.as_str().to_ascii_lowercase())
}
