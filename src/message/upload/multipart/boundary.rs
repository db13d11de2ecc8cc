//! What separates the parts of a form.

use super::part_head::parameters;

/// RFC 2046 section 5.1.1.
const LONGEST: usize = 70;

/// The boundary that a `Content-Type` names; none where it is not `multipart/form-data` or its boundary is none.
pub(in crate::message::upload) fn of(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut all = parameters(rest)?.into_iter();
    let (_, boundary) = all.find(|(name, _)| name == "boundary")?;
    let is_first = all.all(|(name, _)| name != "boundary");
    (is_first && is_boundary(&boundary)).then_some(boundary)
}

fn is_boundary(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let is_right_length = (1..=LONGEST).contains(&text.len());
    is_right_length && text.bytes().all(is_allowed) && !text.ends_with(' ')
}
