//! The request target: what is asked for (RFC 9112, section 3.2).

use http::{Method, StatusCode};

use super::bytes::is_target_byte;
use super::terms::is_host;
use crate::message::head::Span;
use crate::message::refusal::Refusal;

/// The parts of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path; `/` where an absolute-form target has none, `*` in asterisk-form.
    pub(crate) path: Span,
    /// What follows the first `?`.
    pub(crate) query: Option<Span>,
    /// Host and port of an absolute-form target.
    pub(crate) authority: Option<Span>,
}

/// Takes a request target apart, or says why it is none.
///
/// CONNECT is refused with 501, not 400: its authority-form target is valid, but no resource of an
/// origin server can support it (RFC 9110, sections 9.3.6 and 15.6.2). With any other method
/// authority-form is a 400.
pub(crate) fn read_target(method: &Method, target: &[u8]) -> Result<Target, Refusal> {
    if *method == Method::CONNECT {
        return Err(Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "CONNECT is for proxies",
        ));
    }
    match target {
        [b'/', ..] => split_query(target, 0, None),
        b"*" if *method == Method::OPTIONS => split_query(target, 0, None),
        b"*" => Err(Refusal::bad("asterisk-form target without OPTIONS")),
        _ => read_absolute(target),
    }
}

/// Takes an absolute-form target apart (RFC 9112, section 3.2.2), of which only `http` and `https`
/// can be meant for us.
fn read_absolute(target: &[u8]) -> Result<Target, Refusal> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    });
    let Some(scheme) = scheme else {
        return Err(Refusal::bad(
            "target in none of the forms of RFC 9112, section 3.2",
        ));
    };
    let host = scheme.len();
    let ends_authority = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    let path = target[host..]
        .iter()
        .position(ends_authority)
        .map_or(target.len(), |len| host + len);
    // No user information (RFC 9110, section 4.2.4) and no empty host (section 4.2.1).
    if host == path || target[host] == b':' || !is_host(&target[host..path]) {
        return Err(Refusal::bad("malformed authority in the target"));
    }
    split_query(target, path, Some(Span::new(host, path)))
}

/// Splits `target` from `path` on at the first `?`. Only visible ASCII, and no fragment: a `#`
/// never leaves a client that means well (RFC 9110, section 7.1), and two readers may differ on
/// what it cuts off.
fn split_query(target: &[u8], path: usize, authority: Option<Span>) -> Result<Target, Refusal> {
    let rest = &target[path..];
    if !rest.iter().all(|&byte| is_target_byte(byte)) {
        return Err(Refusal::bad(
            "target with a fragment or other than visible ASCII",
        ));
    }
    let question = rest
        .iter()
        .position(|&byte| byte == b'?')
        .map(|at| path + at);
    let path_end = question.unwrap_or(target.len());
    let path = match authority {
        // An empty path is `/` (RFC 9110, section 4.2.3), and one lies at hand: the slash that ends
        // the scheme.
        Some(host) if path == path_end => Span::new(host.start as usize - 1, host.start as usize),
        _ => Span::new(path, path_end),
    };
    let query = question.map(|at| Span::new(at + 1, target.len()));
    Ok(Target {
        path,
        query,
        authority,
    })
}

#[cfg(test)]
mod tests;
