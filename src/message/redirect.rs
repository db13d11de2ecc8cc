//! Answers that send the client elsewhere.

use super::{into_response::IntoResponse, response::Response};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// Sends the client to another address: with another method or the same one, for now or for good.
///
/// The address is a path such as `/orders/7` or a whole URL. What no URL may hold is percent-encoded on the way, line
/// ends among it, so no text can add a header. An address that came from the client can still lead anywhere: check it.
///
/// ```
/// use seaworthy::{Redirect, Request, Service};
///
/// let service = Service::new("shop")
///     .post("/orders", |_: &Request| Redirect::to("/orders/7"))
///     .get("/old", |_: &Request| Redirect::permanent("/orders"));
/// let answer = service.call(Request::post("/orders", "one of each"));
/// assert_eq!((answer.status().as_u16(), &answer.headers()["location"]), (303, &"/orders/7".parse().unwrap()));
/// ```
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    location: HeaderValue,
}

/// What a URI may not hold (RFC 3986 section 2). A percent sign stays, for the address may be encoded already.
const NOT_IN_A_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Redirect {
    /// 303: the client asks there by GET. For what follows a form (RFC 9110 section 15.4.4).
    #[must_use]
    pub fn to(address: &str) -> Redirect {
        Redirect::with(StatusCode::SEE_OTHER, address)
    }

    /// 307: the client asks the same there, body included, and here again the next time.
    #[must_use]
    pub fn temporary(address: &str) -> Redirect {
        Redirect::with(StatusCode::TEMPORARY_REDIRECT, address)
    }

    /// 308: the client asks the same there, and may remember that for ever.
    #[must_use]
    pub fn permanent(address: &str) -> Redirect {
        Redirect::with(StatusCode::PERMANENT_REDIRECT, address)
    }

    fn with(status: StatusCode, address: &str) -> Redirect {
        let encoded = utf8_percent_encode(address, NOT_IN_A_URI).to_string();
        let location = HeaderValue::try_from(encoded).expect("only visible ASCII is left");
        Redirect { status, location }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        Response::new(self.status).with_header(header::LOCATION, self.location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_redirect_has_its_status_and_an_address_that_is_a_header() {
        for (redirect, status, location) in [
            (
                Redirect::to("/orders/7?a=1&b=2#c"),
                303,
                "/orders/7?a=1&b=2#c",
            ),
            (
                Redirect::temporary("https://example.com/"),
                307,
                "https://example.com/",
            ),
            (
                Redirect::permanent("/caf\u{e9} au lait"),
                308,
                "/caf%C3%A9%20au%20lait",
            ),
            (Redirect::to("/caf%C3%A9"), 303, "/caf%C3%A9"),
            (
                Redirect::to("/\r\nSet-Cookie: a=b"),
                303,
                "/%0D%0ASet-Cookie:%20a=b",
            ),
        ] {
            let response = redirect.into_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[header::LOCATION], location);
            assert_eq!(response.body(), Some(&b""[..]));
        }
    }
}
