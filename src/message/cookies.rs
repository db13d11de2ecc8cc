//! Cookies that are set, removed and signed, by the `cookie` crate. With the feature `cookies`.

use super::{error::Error, into_response::IntoResponse, request::Request, response::Response};
use cookie::{Cookie, CookieJar, SameSite};
use http::{HeaderValue, header};

impl Request {
    /// The cookies that the request brought along, percent-decoded, to be read and changed; what was changed goes back
    /// to the client with the jar in the answer: `(jar, "welcome")`. What is malformed is left out. Of one name the
    /// first counts, which is the one with the longest path (RFC 6265 section 5.4). With the feature `cookies`.
    ///
    /// What a cookie does not say of itself is set so that it is safe: `HttpOnly` (no script reads it), `Secure` (HTTPS
    /// alone, and `http://localhost` in most browsers), `SameSite=Lax` (not in requests that other sites' pages make,
    /// but for links), `Path=/` (all of the service, so that a cookie is removed wherever it is removed).
    ///
    /// A client may send what it likes. A *signed* cookie is believed for its value alone: what was signed for one name
    /// is good for another, so give each its own [`Key`](cookie::Key), of 64 bytes or more out of a
    /// [`Secret`](crate::Secret).
    ///
    /// ```
    /// use seaworthy::{Error, IntoResponse, Request, Service, cookie::{Cookie, Key}, http::header};
    ///
    /// fn sign_in(request: &Request, key: &Key) -> impl IntoResponse {
    ///     let mut jar = request.cookies();
    ///     jar.signed_mut(key).add(("user", "7"));
    ///     (jar, "welcome")
    /// }
    ///
    /// fn who(request: &Request, key: &Key) -> Result<String, Error> {
    ///     let user = request.cookies().signed(key).get("user").ok_or_else(Error::unauthorized)?;
    ///     Ok(format!("user {}", user.value()))
    /// }
    ///
    /// fn sign_out(request: &Request, _: &Key) -> impl IntoResponse {
    ///     let mut jar = request.cookies();
    ///     jar.remove("user");
    ///     (jar, "goodbye")
    /// }
    ///
    /// let key = Key::generate(); // or Key::try_from(secret.expose().as_bytes()), so that all replicas have the same
    /// let service = Service::with_state("shop", key)
    ///     .post("/sign-in", sign_in)
    ///     .post("/sign-out", sign_out)
    ///     .get("/", who);
    ///
    /// let answer = service.call(Request::post("/sign-in", ""));
    /// let set = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    /// assert!(set.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{set}");
    ///
    /// let user = set.split(';').next().unwrap();
    /// let with = |cookie: &str| Request::get("/").with_header(header::COOKIE, cookie.parse().unwrap());
    /// assert_eq!(service.call(with(user)).body(), Some(&b"user 7"[..]));
    /// assert_eq!(service.call(with("user=7")).status(), 401);
    /// ```
    #[must_use]
    pub fn cookies(&self) -> CookieJar {
        let mut jar = CookieJar::new();
        for line in self.header_values("cookie") {
            for cookie in Cookie::split_parse_encoded(line.to_owned()).flatten() {
                if jar.get(cookie.name()).is_none() {
                    jar.add_original(cookie);
                }
            }
        }
        jar
    }
}

/// Sets and removes the cookies that were added to the jar and removed from it; see [`Request::cookies`]. A cookie that
/// is no header's value, such as one whose path has a line's end in it, is a 500 whose cause names it.
impl<T: IntoResponse> IntoResponse for (CookieJar, T) {
    fn into_response(self) -> Response {
        let (jar, body) = self;
        let mut response = body.into_response();
        if response.error.is_some() {
            return response;
        }
        for cookie in jar.delta() {
            match set_cookie(cookie.clone()) {
                Ok(value) => response.headers.append(header::SET_COOKIE, value),
                Err(cause) => return Error::internal(cause).into_response(),
            };
        }
        response
    }
}

/// Cookies alone, with a 200.
impl IntoResponse for CookieJar {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

/// What `Set-Cookie` says of it, safe where the cookie says nothing (RFC 6265 section 4.1).
fn set_cookie(mut cookie: Cookie<'_>) -> Result<HeaderValue, String> {
    if cookie.http_only().is_none() {
        cookie.set_http_only(true);
    }
    if cookie.secure().is_none() {
        cookie.set_secure(true);
    }
    if cookie.same_site().is_none() {
        cookie.set_same_site(SameSite::Lax);
    }
    if cookie.path().is_none() {
        cookie.set_path("/");
    }
    let attributes = [cookie.path(), cookie.domain()];
    // It would begin another attribute.
    let ends_early = attributes
        .into_iter()
        .flatten()
        .any(|text| text.contains(';'));
    HeaderValue::try_from(cookie.encoded().to_string())
        .ok()
        .filter(|_| !ends_early)
        .ok_or_else(|| format!("a handler's cookie: {:?} is no header", cookie.name()))
}

#[cfg(test)]
mod tests;
