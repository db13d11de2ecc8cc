//! Who has the token is let in.

use crate::{
    config::settings::Secret,
    message::{error::Error, into_response::IntoResponse, request::Request, response::Response},
    routing::layer::{Layer, Next, ReadyMade},
};
use http::{HeaderValue, header};
use std::{fmt, hint::black_box};

/// Lets in who sends `Authorization: Bearer TOKEN` (RFC 6750); everybody else is told 401 with `WWW-Authenticate`. For
/// tokens that the service's own configuration holds, such as one service's for another.
///
/// How long the comparison takes tells nothing of the token: neither how much of it was right nor how long it is. An
/// empty token lets nobody in.
///
/// ```
/// use seaworthy::{Request, Routes, Service, http::header, layers};
///
/// let api = Routes::new()
///     .get("/orders", |_: &Request| "[]")
///     .layer(layers::bearer("hunter2").or("the one before"));
/// let service = Service::new("shop").nest("/api", api);
///
/// let ask = || Request::get("/api/orders");
/// let with = |value: &str| ask().with_header(header::AUTHORIZATION, value.parse().unwrap());
/// assert_eq!(service.call(ask()).status(), 401);
/// assert_eq!(service.call(with("Bearer hunter3")).status(), 401);
/// assert_eq!(service.call(with("Bearer hunter2")).status(), 200);
/// ```
///
/// Pages of other origins send their preflights without it, so [`cors`](super::cors()) has to be outside of it.
#[must_use]
pub fn bearer(token: impl Into<Secret>) -> Bearer {
    Bearer {
        tokens: vec![token.into()],
        realm: None,
    }
}

/// See [`bearer`].
#[derive(Clone)]
pub struct Bearer {
    tokens: Vec<Secret>,
    realm: Option<String>,
}

impl Bearer {
    /// Takes this token too: while one is replaced by the next, or one for each client.
    #[must_use]
    pub fn or(mut self, token: impl Into<Secret>) -> Bearer {
        self.tokens.push(token.into());
        self
    }

    /// What the challenge says is guarded: `WWW-Authenticate: Bearer realm="…"`.
    ///
    /// # Panics
    /// Where it holds anything but visible ASCII and spaces, or a quote or a backslash.
    #[must_use]
    #[track_caller]
    pub fn realm(mut self, realm: &str) -> Bearer {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        assert!(realm.bytes().all(is_plain), "{realm:?} is no realm");
        self.realm = Some(realm.to_owned());
        self
    }

    fn lets_in(&self, given: &str) -> bool {
        let is_any =
            |known, token: &Secret| known | is_same(token.expose().as_bytes(), given.as_bytes());
        self.tokens.iter().fold(false, is_any)
    }

    /// RFC 6750 section 3: with an error only where a token was sent.
    fn challenge(&self, was_wrong: bool) -> HeaderValue {
        let realm = self
            .realm
            .as_ref()
            .map(|realm| format!("realm=\"{realm}\""));
        let error = was_wrong.then(|| "error=\"invalid_token\"".to_owned());
        let told: Vec<String> = realm.into_iter().chain(error).collect();
        let challenge = format!("Bearer {}", told.join(", "));
        HeaderValue::from_str(challenge.trim_end()).expect("it is visible ASCII")
    }
}

impl<S> Layer<S, ReadyMade> for Bearer {
    fn call(&self, request: &mut Request, next: Next<'_>, _: &S) -> Response {
        let given = request.header("authorization").and_then(credentials);
        if given.is_some_and(|given| self.lets_in(given)) {
            return next.run(request);
        }
        let challenge = self.challenge(given.is_some());
        Error::unauthorized()
            .with_header(header::WWW_AUTHENTICATE, challenge)
            .into_response()
    }
}

impl fmt::Debug for Bearer {
    /// How many tokens there are, and none of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({} tokens)", self.tokens.len())
    }
}

/// The token of an `Authorization` header. Schemes are compared without regard to case (RFC 9110 section 11.1).
pub(crate) fn credentials(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim_start_matches(' '))
}

/// Whether these are the same and not empty, in a time that depends on the length of `given` alone.
pub(crate) fn is_same(expected: &[u8], given: &[u8]) -> bool {
    let Some(last) = expected.len().checked_sub(1) else {
        return false;
    };
    let mut difference = expected.len() ^ given.len();
    let mut position = 0;
    for byte in given {
        // Kept from the optimiser, which might leave the loop once the answer is known.
        difference = black_box(difference | usize::from(byte ^ expected[position]));
        position = match position == last {
            true => 0,
            false => position + 1,
        };
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_same() {
        assert!(is_same(b"hunter2", b"hunter2"));
        for other in [
            &b""[..],
            b"h",
            b"hunter",
            b"hunter3",
            b"Hunter2",
            b"hunter22",
            b"hunter2hunter2",
        ] {
            assert!(!is_same(b"hunter2", other), "{other:?}");
        }
        assert!(!is_same(b"", b""), "no token lets nobody in");
    }

    #[test]
    fn nothing_that_prints_a_layer_prints_its_tokens() {
        let shown = format!("{:?}", bearer("hunter2").or("hunter3"));
        assert_eq!(shown, "Bearer(2 tokens)");
    }
}
