//! Percent-decoding of paths and queries (RFC 3986 section 2.1).

use std::borrow::Cow;

/// Decodes a path segment; none where the result is not UTF-8. A `%` that begins no escape stands for itself.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(decode_bytes(text, false))
        .ok()
        .map(Cow::Owned)
}

/// The names and values of a query, as HTML forms write them.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(name), decode_form(value))
        })
}

fn decode_form(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8_lossy(&decode_bytes(text, true)).into_owned())
}

fn decode_bytes(text: &str, plus_is_space: bool) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, after @ ..]) => hex(*high)
                .zip(hex(*low))
                .map(|(high, low)| (high << 4 | low, after)),
            (b'+', _) if plus_is_space => Some((b' ', tail)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_stray_percents_stand_for_themselves() {
        for (encoded, decoded) in [
            ("a%20b", "a b"),
            ("%C3%A9", "é"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(decode(encoded).as_deref(), Some(decoded), "{encoded}");
        }
        assert_eq!(decode("%ff"), None, "not UTF-8");
    }

    #[test]
    fn queries_are_read_as_forms_write_them() {
        let read: Vec<_> = pairs("a=1&b=x+y%26z&&c&d=%ff=").collect();
        let expected = [("a", "1"), ("b", "x y&z"), ("c", ""), ("d", "\u{fffd}=")];
        assert!(
            read.iter()
                .map(|(name, value)| (&**name, &**value))
                .eq(expected),
            "{read:?}"
        );
    }
}
