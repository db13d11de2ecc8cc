//! Paths and templates in the one form in which they are compared: percent-decoded, but for an encoded slash, which is
//! part of a segment and no border between two (RFC 3986 section 2.2), and the percent sign, which keeps the rest
//! unambiguous.

use matchit::Params;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A request's path in that form; as it is where it decodes to no UTF-8, which then only a parameter can match.
pub(crate) fn normal_path(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let bytes = decode_all_but_borders(path.as_bytes());
    String::from_utf8(bytes).map_or(Cow::Borrowed(path), Cow::Owned)
}

/// Parameters' values in the template's order, wholly decoded; none where one is no UTF-8.
pub(super) fn parameters(params: &Params<'_, '_>) -> Option<Vec<String>> {
    let mut values = Vec::with_capacity(params.len());
    for (_, value) in params.iter() {
        values.push(parameter(value)?);
    }
    Some(values)
}

fn parameter(value: &str) -> Option<String> {
    if !value.contains('%') {
        return Some(value.to_owned());
    }
    let decoded = percent_decode_str(value).decode_utf8();
    decoded.ok().map(Cow::into_owned)
}

/// A template in that form.
///
/// # Panics
/// Where no request can match it, or it is written as other routers would have it: a mistake in the program, named.
#[track_caller]
pub(crate) fn normal_template(template: &str) -> String {
    assert!(
        template.starts_with('/'),
        "the route {template:?} cannot be added: it has to begin with /"
    );
    for segment in template.split('/') {
        let meant = match segment.as_bytes().first() {
            Some(b':') => format!("{{{}}}", &segment[1..]),
            Some(b'*') => format!("{{*{}}}", segment[1..].trim_start_matches('*')),
            _ => continue,
        };
        panic!("the route {template:?} cannot be added: for {segment:?} write {meant:?}");
    }
    let never = template.find(['?', '#']);
    assert!(
        never.is_none(),
        "the route {template:?} can never match: a path holds no ? and no #"
    );
    let bytes = decode_all_but_borders(template.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| {
        panic!("the route {template:?} cannot be added: it decodes to no UTF-8")
    })
}

/// Decodes every escape but those of `/` and `%`, which are written in upper case.
fn decode_all_but_borders(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, after @ ..] => byte(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        rest = match escaped {
            Some((b'/', after)) => {
                decoded.extend_from_slice(b"%2F");
                after
            }
            Some((b'%', after)) => {
                decoded.extend_from_slice(b"%25");
                after
            }
            Some((byte, after)) => {
                decoded.push(byte);
                after
            }
            None if *first == b'%' => {
                // A percent sign that begins no escape stands for itself.
                decoded.extend_from_slice(b"%25");
                tail
            }
            None => {
                decoded.push(*first);
                tail
            }
        };
    }
    decoded
}

fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}
