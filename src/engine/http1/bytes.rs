//! Which bytes may stand where.

/// What a byte may be part of, one bit each; see [`is_value_byte`] and its neighbours.
///
/// One table for all, since every byte of a request is looked up in it at least once.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = classify(byte as u8);
        byte += 1;
    }
    classes
};

const TOKEN: u8 = 1;
const VALUE: u8 = 2;
const HOST: u8 = 4;
const TARGET: u8 = 8;

/// The bits of one byte, from the grammars.
const fn classify(byte: u8) -> u8 {
    let mut class = 0;
    if byte.is_ascii_alphanumeric() {
        class |= TOKEN | HOST;
    }
    // RFC 9110, section 5.6.2.
    if matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~') {
        class |= TOKEN;
    }
    // RFC 9110, section 5.5: visible ASCII, space, tab and obs-text.
    if byte >= b' ' && byte != 0x7f || byte == b'\t' {
        class |= VALUE;
    }
    // RFC 3986, section 3.2.2: reg-name, of which `%` must be looked at more closely.
    if matches!(
        byte,
        b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'='
    ) {
        class |= HOST;
    }
    // RFC 9112, section 3.2, without fragments; what RFC 3986 would have percent-encoded is let be.
    if byte.is_ascii_graphic() && byte != b'#' {
        class |= TARGET;
    }
    class
}

/// Whether a token (a method, a field name) may hold this byte.
pub(super) fn is_token_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

/// Whether a field value may hold this byte: no CR, LF, NUL or other control but the tab.
pub(super) fn is_value_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & VALUE != 0
}

/// Whether a request target may hold this byte.
pub(super) fn is_target_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TARGET != 0
}

/// Whether the name of a host may hold this byte as it is.
pub(super) fn is_host_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & HOST != 0
}

/// `value` without the optional whitespace around it (RFC 9110, section 5.6.3: spaces and tabs).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
