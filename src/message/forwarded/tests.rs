use super::*;
use http::{HeaderName, HeaderValue};

/// Who asked, how and for what, of a request from this peer with these fields, where two ranges are trusted.
fn origin(peer: &str, fields: &[(&'static str, &'static str)]) -> String {
    let trusted: Vec<IpRange> = ["10.0.0.0/8", "fd00::/8"]
        .map(|range| range.parse().unwrap())
        .into();
    let mut request = Request::get("/");
    for (name, value) in fields {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        request = request.with_header(name, value);
    }
    request.peer = Some(format!("{peer}:4000").parse().unwrap());
    let origin = request.origin(&trusted);
    let address = origin.address.unwrap();
    format!(
        "{address} {} {}",
        origin.scheme.unwrap_or("-"),
        origin.host.unwrap_or("-")
    )
}

#[test]
fn what_a_client_claims_of_itself_is_not_believed() {
    let claims = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
    ];
    assert_eq!(origin("203.0.113.9", &claims), "203.0.113.9 - -");
    assert_eq!(
        origin(
            "203.0.113.9",
            &[("forwarded", "for=198.51.100.1;proto=https")]
        ),
        "203.0.113.9 - -"
    );
}

#[test]
fn trusted_proxies_are_followed_back_to_the_first_address_that_is_not_one() {
    for (fields, wanted) in [
        (&[("x-forwarded-for", "203.0.113.9")][..], "203.0.113.9 - -"),
        (
            &[("x-forwarded-for", "198.51.100.1, 203.0.113.9, 10.0.0.2")],
            "203.0.113.9 - -",
        ),
        (
            &[
                ("x-forwarded-for", "198.51.100.1"),
                ("x-forwarded-for", "203.0.113.9"),
            ],
            "203.0.113.9 - -",
        ),
        (&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3 - -"),
        (
            &[
                ("x-forwarded-for", "203.0.113.9:1234"),
                ("x-forwarded-proto", "https"),
            ],
            "203.0.113.9 https -",
        ),
        (
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "a.example"),
            ],
            "10.0.0.1 https a.example",
        ),
        (&[("x-forwarded-for", "unknown, 10.0.0.2")], "10.0.0.2 - -"),
        (
            &[
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-proto", "gopher"),
            ],
            "203.0.113.9 - -",
        ),
        (&[("x-forwarded-for", "2001:db8::1")], "2001:db8::1 - -"),
        (
            &[("x-forwarded-for", "::ffff:203.0.113.9")],
            "203.0.113.9 - -",
        ),
        (
            &[(
                "forwarded",
                "for=\"[2001:db8::1]:80\";proto=https;host=\"a.example:8443\"",
            )],
            "2001:db8::1 https a.example:8443",
        ),
        (
            &[(
                "forwarded",
                "for=198.51.100.1;proto=http, For=203.0.113.9;Proto=https;by=10.0.0.1",
            )],
            "203.0.113.9 https -",
        ),
        (
            &[("forwarded", "for=_hidden;proto=https")],
            "10.0.0.1 https -",
        ),
        (
            &[
                ("forwarded", "for=203.0.113.9"),
                ("x-forwarded-for", "198.51.100.1"),
            ],
            "203.0.113.9 - -",
        ),
        (&[], "10.0.0.1 - -"),
    ] {
        assert_eq!(origin("10.0.0.1", fields), wanted, "{fields:?}");
    }
}
