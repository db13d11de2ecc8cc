//! Which codings a client takes, by its `Accept-Encoding`.

use crate::message::request::Request;

/// Whether the client takes gzip, and would not rather have the bytes as they are (RFC 9110 section 12.5.3).
pub(super) fn wants_gzip(request: &Request) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for list in request.header_values("accept-encoding") {
        for element in list.split(',') {
            let (coding, weight) = match element.split_once(';') {
                Some((coding, parameter)) => (coding, weight(parameter)),
                None => (element, Some(1000)),
            };
            let coding = coding.trim();
            let place = match () {
                // The two are one (section 8.4.1.3).
                () if coding.eq_ignore_ascii_case("gzip") => &mut gzip,
                () if coding.eq_ignore_ascii_case("x-gzip") => &mut gzip,
                () if coding.eq_ignore_ascii_case("identity") => &mut identity,
                () if coding == "*" => &mut any,
                () => continue,
            };
            *place = (*place).max(weight);
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A `q=0.5` in thousandths; none where it is malformed, and then the element counts as not sent (section 12.4.2).
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, fraction) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        _ if !is_number => None,
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn accept_encoding_is_read_with_its_weights() {
        for (lists, expected) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZIP"], true),
            (&["x-gzip"], true),
            (&["gzip, deflate, br, zstd"], true),
            (&["br", "gzip"], true),
            (&["br"], false),
            (&["gzipped"], false),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["gzip;q=0"], false),
            (&["gzip;q=0.000"], false),
            (&["gzip; q=0"], false),
            (&["gzip ; Q = 0.001"], true),
            (&["gzip;q=0, *"], false),
            (&["*;q=0, gzip"], true),
            (&["identity"], false),
            (&["identity, gzip"], true),
            (&["identity;q=0.5, gzip;q=0.4"], false),
            (&["identity;q=0.5, gzip;q=0.5"], true),
            (&["identity;q=0, gzip;q=0.001"], true),
            (&["gzip;q=1.000"], true),
            (&["gzip;q=1.001"], false),
            (&["gzip;q=2"], false),
            (&["gzip;q=0.1234"], false),
            (&["gzip;q=-1"], false),
            (&["gzip;q=+0."], false),
            (&["gzip;q="], false),
            (&["gzip;q"], false),
            (&["gzip;level=9"], false),
        ] {
            let add = |request: Request, list: &&'static str| {
                request.with_header(header::ACCEPT_ENCODING, HeaderValue::from_static(list))
            };
            let request = lists.iter().fold(Request::get("/"), add);
            assert_eq!(wants_gzip(&request), expected, "{lists:?}");
        }
    }
}
