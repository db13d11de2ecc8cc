//! What more than one layer says of caches, and reads from what handlers say of them.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Names a request header that the answer depends on, where it is not named already (RFC 9110 section 12.5.5).
pub(super) fn vary_on(headers: &mut HeaderMap, name: &'static str) {
    let covers = |known: &str| known == "*" || known.eq_ignore_ascii_case(name);
    if !elements(headers, &header::VARY).any(covers) {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// Whether a directive stands in `Cache-Control` (RFC 9111 section 5.2).
pub(super) fn cache_control(headers: &HeaderMap, directive: &str) -> bool {
    elements(headers, &header::CACHE_CONTROL).any(|known| known.eq_ignore_ascii_case(directive))
}

fn elements<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_names_each_header_once() {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("Accept, origin"));
        vary_on(&mut headers, "Origin");
        vary_on(&mut headers, "Accept-Encoding");
        vary_on(&mut headers, "Accept-Encoding");
        let named: Vec<&str> = elements(&headers, &header::VARY).collect();
        assert_eq!(named, ["Accept", "origin", "Accept-Encoding"]);
        headers.insert(header::VARY, HeaderValue::from_static("*"));
        vary_on(&mut headers, "Origin");
        assert_eq!(elements(&headers, &header::VARY).collect::<Vec<_>>(), ["*"]);
    }
}
