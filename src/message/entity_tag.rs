//! Entity tags, as RFC 9110 section 8.8.3 has them, and the question whether a client has what one stands for.

use super::request::Request;

/// How tags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Equal bytes: neither tag may be weak.
    Strong,
    /// Equal in meaning.
    Weak,
}

/// Whether the lists of tags in this header (`If-None-Match`, `If-Match`) name this one, or all with `*`; none where the
/// header is not there.
pub(crate) fn names(
    request: &Request,
    header: &str,
    tag: &str,
    comparison: Comparison,
) -> Option<bool> {
    let is_same = |known| match comparison {
        Comparison::Strong => known == tag && opaque(tag) == tag,
        Comparison::Weak => opaque(known) == opaque(tag),
    };
    let mut lists = request.header_values(header).peekable();
    lists.peek()?;
    Some(lists.any(|list| list.trim() == "*" || tags(list).any(is_same)))
}

/// The weak form of a tag.
#[cfg(feature = "compression")]
pub(crate) fn weakened(tag: &str) -> String {
    format!("W/{}", opaque(tag))
}

/// What weak comparison compares (RFC 9110 section 8.8.3.2).
fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// The tags of a list, up to where it is none any more. A comma within quotes is part of its tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let quoted = opaque(rest).strip_prefix('"')?;
        let end = rest.len() - quoted.len() + quoted.find('"')? + 1;
        let (tag, behind) = rest.split_at(end);
        rest = behind;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    fn has(lists: &[&'static str], tag: &str) -> Option<bool> {
        let add = |request: Request, list: &&'static str| {
            request.with_header(header::IF_NONE_MATCH, HeaderValue::from_static(list))
        };
        let request = lists.iter().fold(Request::get("/"), add);
        names(&request, "if-none-match", tag, Comparison::Weak)
    }

    #[test]
    fn if_none_match_is_read_as_a_list_and_compared_weakly() {
        for (lists, tag, expected) in [
            (&[][..], "\"a\"", None),
            (&["\"a\""], "\"a\"", Some(true)),
            (&["W/\"a\""], "\"a\"", Some(true)),
            (&["\"a\""], "W/\"a\"", Some(true)),
            (&["\"b\""], "\"a\"", Some(false)),
            (&["*"], "\"a\"", Some(true)),
            (&["\"x\", W/\"y\" ,\"a\""], "\"a\"", Some(true)),
            (&["\"x\"", "\"a\"", "\"z\""], "\"a\"", Some(true)),
            (&["\"x,y\",\"a\""], "\"x,y\"", Some(true)),
            (&["\"x,a\""], "\"a\"", Some(false)),
            (&["a"], "\"a\"", Some(false)),
            (&["\"a"], "\"a\"", Some(false)),
            (&["w/\"a\""], "\"a\"", Some(false)),
            (&[""], "\"a\"", Some(false)),
            (&["\"\""], "\"\"", Some(true)),
        ] {
            assert_eq!(has(lists, tag), expected, "{lists:?} {tag}");
        }
    }
}
