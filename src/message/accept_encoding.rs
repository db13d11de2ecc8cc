//! Which content codings a client takes (RFC 9110 section 12.5.3).

use super::request::Request;

/// How much the client wants a coding, in thousandths: 0 where it refuses it, none where it says nothing of it.
pub(crate) fn quality(request: &Request, coding: &str) -> Option<u16> {
    let mut of_any = None;
    let lines = request.header_values("accept-encoding");
    for element in lines.flat_map(|line| line.split(',')) {
        let (named, rest) = element.split_once(';').unwrap_or((element, "q=1"));
        match named.trim() {
            named if named.eq_ignore_ascii_case(coding) => return Some(weight(rest)),
            "*" => of_any = Some(weight(rest)),
            _ => {}
        }
    }
    of_any
}

/// `q=0.5` is 500 (RFC 9110 section 12.4.2); what is no weight refuses, which never hurts.
fn weight(text: &str) -> u16 {
    let value = text.trim().strip_prefix(['q', 'Q']).and_then(|rest| {
        let number = rest.strip_prefix('=')?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let is_decimal = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
        match whole {
            "1" => Some(1000),
            "0" if is_decimal => format!("{decimals:0<3}").parse().ok(),
            _ => None,
        }
    });
    value.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    fn asking(lines: &[&str]) -> Request {
        let request = Request::get("/");
        lines.iter().fold(request, |request, line| {
            let value = HeaderValue::from_str(line).unwrap();
            request.with_header(header::ACCEPT_ENCODING, value)
        })
    }

    #[test]
    fn a_coding_is_wanted_as_much_as_the_client_says() {
        for (lines, coding, wanted) in [
            (&["gzip, deflate, br"][..], "br", Some(1000)),
            (&["gzip, deflate, br"], "zstd", None),
            (&[], "gzip", None),
            (&[""], "gzip", None),
            (&["GZIP"], "gzip", Some(1000)),
            (&["gzip;q=0.5", "br;q=0.125"], "br", Some(125)),
            (&["gzip ; q=0.5"], "gzip", Some(500)),
            (&["gzip;q=0"], "gzip", Some(0)),
            (&["gzip;q=0.000"], "gzip", Some(0)),
            (&["gzip;q=1.000"], "gzip", Some(1000)),
            (&["gzip;q=much"], "gzip", Some(0)),
            (&["gzip;q=0.1234"], "gzip", Some(0)),
            (&["*;q=0.3, gzip;q=0.7"], "gzip", Some(700)),
            (&["*;q=0.3, gzip;q=0.7"], "br", Some(300)),
            (&["*;q=0"], "br", Some(0)),
            (&["gzipped"], "gzip", None),
        ] {
            assert_eq!(
                quality(&asking(lines), coding),
                wanted,
                "{lines:?} {coding}"
            );
        }
    }
}
