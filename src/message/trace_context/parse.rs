//! `traceparent` and `tracestate` as clients send them. What is malformed is as if it were not there.

use super::ids::{SpanId, TraceId};

/// `00-{32 digits}-{16 digits}-{2 digits}`.
const TRACEPARENT_LEN: usize = 55;
const LONGEST_TRACESTATE: usize = 512;
const MOST_MEMBERS: usize = 32;
const LONGEST_MEMBER_PART: usize = 256;

/// The trace's id, that of the client's span, and the flags: sections 3.2 and 4.3. More than one field is malformed.
pub(super) fn traceparent<'f>(
    mut fields: impl Iterator<Item = &'f [u8]>,
) -> Option<(TraceId, SpanId, u8)> {
    let text = fields.next().filter(|_| fields.next().is_none())?;
    let fixed = text.first_chunk::<TRACEPARENT_LEN>()?;
    let [version] = hex(&fixed[..2])?;
    let more = &text[TRACEPARENT_LEN..];
    // What later versions say is known in part.
    let has_known_form = match version {
        0xff => false,
        0 => more.is_empty(),
        _ => more.is_empty() || more[0] == b'-',
    };
    let is_separated = [2, 35, 52].iter().all(|&place| fixed[place] == b'-');
    let trace_id = TraceId(hex(&fixed[3..35])?);
    let span_id = SpanId(hex(&fixed[36..52])?);
    let [flags] = hex(&fixed[53..])?;
    let is_id = trace_id.0 != [0; 16] && span_id.0 != [0; 8];
    (has_known_form && is_separated && is_id).then_some((trace_id, span_id, flags))
}

/// Bytes from lower-case hexadecimal; capitals are malformed.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// The list of all fields together, as it came: section 3.3. A longer one may be dropped (3.3.1.5), and is.
pub(super) fn tracestate<'f>(fields: impl Iterator<Item = &'f [u8]>) -> Option<String> {
    let mut list = String::new();
    for field in fields {
        let field = std::str::from_utf8(field).ok()?;
        if !list.is_empty() && !field.is_empty() {
            list.push(',');
        }
        list.push_str(field);
    }
    if list.len() > LONGEST_TRACESTATE {
        return None;
    }
    let mut keys = Vec::new();
    for member in list
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
    {
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    (1..=MOST_MEMBERS).contains(&keys.len()).then_some(list)
}

/// As the specification's second level has it, which takes what the first does.
fn is_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_more = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    key.len() <= LONGEST_MEMBER_PART
        && key.bytes().next().is_some_and(is_first)
        && key.bytes().all(is_more)
}

/// A space may stand in it, and not at its end.
fn is_value(value: &str) -> bool {
    (1..=LONGEST_MEMBER_PART).contains(&value.len())
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=')
}
