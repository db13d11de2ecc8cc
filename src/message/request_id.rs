//! What tells one request from every other, across services and their logs.

use std::{fmt, sync::Arc};

/// A request's id, as [`layers::request_id`](crate::layers::request_id) leaves it in the request's extensions.
/// [`Request::id`](crate::Request::id) tells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// Longer ones are nobody's.
const LONGEST: usize = 128;

impl RequestId {
    /// A new one: 128 random bits in hexadecimal, as nginx makes them.
    pub(crate) fn random() -> RequestId {
        RequestId(format!("{:032x}", fastrand::u128(..)).into())
    }

    /// One that came from elsewhere, where it is sane: up to 128 ASCII letters, digits and `-._~:+/=`, which covers
    /// UUIDs, ULIDs, base64 and trace ids. It goes into logs and other services' headers, so nothing else is taken.
    pub(crate) fn sane(text: &str) -> Option<RequestId> {
        let is_sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:+/=".contains(&byte);
        let fits = (1..=LONGEST).contains(&text.len());
        (fits && text.bytes().all(is_sane)).then(|| RequestId(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_from_elsewhere_is_taken_only_where_no_log_and_no_header_can_be_hurt_by_it() {
        for sane in [
            "7b2c0d6e-5f0a-4c39-9d1e-3f1d2b7a9c11",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "YWJj+/==",
            "Root=1:2~3.4_5",
            &"x".repeat(128),
        ] {
            assert_eq!(RequestId::sane(sane).unwrap().as_str(), sane);
        }
        for other in [
            "",
            &"x".repeat(129),
            "a b",
            "a\tb",
            "a\"b",
            "a;b",
            "caf\u{e9}",
            "<b>",
        ] {
            assert_eq!(RequestId::sane(other), None, "{other:?}");
        }
    }

    #[test]
    fn ids_that_are_made_are_sane_and_no_two_are_the_same() {
        let made: std::collections::HashSet<RequestId> =
            (0..10_000).map(|_| RequestId::random()).collect();
        assert_eq!(made.len(), 10_000);
        for id in made {
            assert_eq!(
                (id.as_str().len(), RequestId::sane(id.as_str())),
                (32, Some(id.clone()))
            );
        }
    }
}
