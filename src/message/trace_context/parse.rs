//! `traceparent` and `tracestate` as clients send them. What is malformed is as if it were not there.

use super::ids::{SpanId, TraceId};
use std::sync::Arc;

/// `00-{32 digits}-{16 digits}-{2 digits}`.
const TRACEPARENT_LEN: usize = 55;
const LONGEST_TRACESTATE: usize = 512;
const MOST_MEMBERS: usize = 32;
const LONGEST_MEMBER_PART: usize = 256;

/// The trace's id, that of the client's span, and the flags: sections 3.2 and 4.3. More than one field is malformed.
pub(super) fn traceparent<'f>(
    mut fields: impl Iterator<Item = &'f [u8]>,
) -> Option<(TraceId, SpanId, u8)> {
    let text = fields.next()?;
    match fields.next() {
        None => parent_in(text),
        Some(_) => None,
    }
}

fn parent_in(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (fixed, more) = text.split_first_chunk::<TRACEPARENT_LEN>()?;
    let (mut version, mut flags) = ([0], [0]);
    let (mut trace_id, mut span_id) = ([0; 16], [0; 8]);
    read_hex(&fixed[..2], &mut version)?;
    read_hex(&fixed[3..35], &mut trace_id)?;
    read_hex(&fixed[36..52], &mut span_id)?;
    read_hex(&fixed[53..], &mut flags)?;
    // What later versions say is known in part.
    let has_known_form = match version[0] {
        0xff => false,
        0 => more.is_empty(),
        _ => more.is_empty() || more[0] == b'-',
    };
    let is_separated = fixed[2] == b'-' && fixed[35] == b'-' && fixed[52] == b'-';
    let is_id = trace_id != [0; 16] && span_id != [0; 8];
    let parent = (TraceId(trace_id), SpanId(span_id), flags[0]);
    (has_known_form && is_separated && is_id).then_some(parent)
}

/// Bytes from lower-case hexadecimal; capitals are malformed.
#[inline(never)]
fn read_hex(text: &[u8], into: &mut [u8]) -> Option<()> {
    for (byte, digits) in into.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(())
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// The list of all fields together, as it came: section 3.3. A longer one may be dropped (3.3.1.5), and is.
pub(super) fn tracestate<'f>(fields: impl Iterator<Item = &'f [u8]>) -> Option<Arc<str>> {
    let mut list = Vec::new();
    for field in fields.filter(|field| !field.is_empty()) {
        if !list.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(field);
    }
    let is_kept = list.len() <= LONGEST_TRACESTATE && is_list(&list);
    is_kept
        .then(|| String::from_utf8(list).ok())
        .flatten()
        .map(Arc::from)
}

/// Whether there are members, not too many, each by its grammar and with a key of its own.
fn is_list(list: &[u8]) -> bool {
    let mut keys = [&b""[..]; MOST_MEMBERS];
    let mut count = 0;
    for member in list.split(|&byte| byte == b',') {
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        let Some(equals) = member.iter().position(|&byte| byte == b'=') else {
            return false;
        };
        let (key, value) = (&member[..equals], &member[equals + 1..]);
        let is_new = count < MOST_MEMBERS && !keys[..count].contains(&key);
        if !is_new || !is_key(key) || !is_value(value) {
            return false;
        }
        keys[count] = key;
        count += 1;
    }
    count > 0
}

/// As the specification's second level has it, which takes what the first does.
fn is_key(key: &[u8]) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_more = |byte: &u8| is_first(*byte) || b"_-*/@".contains(byte);
    key.len() <= LONGEST_MEMBER_PART
        && key.first().is_some_and(|byte| is_first(*byte))
        && key.iter().all(is_more)
}

/// A space may stand in it, and not at its end.
fn is_value(value: &[u8]) -> bool {
    (1..=LONGEST_MEMBER_PART).contains(&value.len())
        && value
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~') && *byte != b',' && *byte != b'=')
}
