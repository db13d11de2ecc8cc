use super::*;
use http::StatusCode;

fn with_cookies(lines: &[&'static str]) -> Request {
    lines.iter().fold(Request::get("/"), |request, line| {
        request.with_header(header::COOKIE, HeaderValue::from_static(line))
    })
}

fn set(response: &Response) -> Vec<&str> {
    let values = response.headers().get_all(header::SET_COOKIE).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

fn answer(change: impl FnOnce(&mut CookieJar)) -> Response {
    let mut jar = with_cookies(&["old=1"]).cookies();
    change(&mut jar);
    (jar, "body").into_response()
}

#[test]
fn the_first_of_a_name_counts_and_what_is_malformed_is_left_out() {
    let request = with_cookies(&["a=1; a=2; b=x%20y;;  ; =; novalue; c=", "a=3; d=4"]);
    let jar = request.cookies();
    let value = |name| jar.get(name).map(Cookie::value);
    assert_eq!(value("a"), Some("1"));
    assert_eq!(value("b"), Some("x y"));
    assert_eq!(value("c"), Some(""));
    assert_eq!(value("d"), Some("4"));
    assert_eq!(jar.iter().count(), 4);
}

#[test]
fn a_cookie_is_safe_where_it_does_not_say_otherwise() {
    let response = answer(|jar| jar.add(("session", "a; b")));
    let safe = "session=a%3B%20b; HttpOnly; SameSite=Lax; Secure; Path=/";
    assert_eq!(set(&response), [safe]);
    let open = Cookie::build(("theme", "dark"))
        .http_only(false)
        .secure(false)
        .same_site(SameSite::Strict)
        .path("/app");
    let response = answer(|jar| jar.add(open));
    assert_eq!(set(&response), ["theme=dark; SameSite=Strict; Path=/app"]);
}

#[test]
fn only_what_was_changed_is_sent_back() {
    assert_eq!(set(&answer(|_| ())), [""; 0]);
    let both = answer(|jar| {
        jar.add(("one", "1"));
        jar.add(("two", "2"));
    });
    assert_eq!(set(&both).len(), 2);
}

#[test]
fn a_cookie_that_is_removed_expires_at_once_where_it_was_set() {
    let response = answer(|jar| jar.remove("old"));
    let set = set(&response);
    assert_eq!(set.len(), 1);
    assert!(set[0].starts_with("old=; "), "{set:?}");
    assert!(set[0].contains("; Path=/; Max-Age=0; Expires="), "{set:?}");
    let unknown = answer(|jar| jar.remove("never there"));
    assert!(unknown.headers().get(header::SET_COOKIE).is_none());
}

#[test]
fn nothing_is_set_beside_a_failure_and_no_cookie_begins_another_attribute() {
    let mut jar = CookieJar::new();
    jar.add(("a", "1"));
    let failed: Result<&str, Error> = Err(Error::conflict("taken"));
    let response = (jar, failed).into_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(set(&response).is_empty());
    for path in ["/; Domain=evil.example", "/\r\nX-Evil: 1"] {
        let cookie = Cookie::build(("a", "1")).path(path);
        let response = answer(|jar| jar.add(cookie));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(set(&response).is_empty());
    }
}
