//! Which content codings a client takes (RFC 9110 section 12.5.3).

use super::{request::Request, weight::thousandths};

/// How much the client wants a coding, in thousandths: 0 where it refuses it, none where it says nothing of it. An
/// element that is malformed counts as not sent (section 12.4.2).
pub(crate) fn quality(request: &Request, coding: &str) -> Option<u16> {
    let (mut of_coding, mut of_any) = (None, None);
    let lines = request.header_values("accept-encoding");
    for element in lines.flat_map(|line| line.split(',')) {
        let (named, parameter) = element.split_once(';').unwrap_or((element, "q=1"));
        let of_named = match named.trim() {
            named if named.eq_ignore_ascii_case(coding) => &mut of_coding,
            // The two are one (section 8.4.1.3).
            named if named.eq_ignore_ascii_case("x-gzip") && coding == "gzip" => &mut of_coding,
            "*" => &mut of_any,
            _ => continue,
        };
        *of_named = (*of_named).max(weight(parameter));
    }
    of_coding.or(of_any)
}

/// A `q=0.5` in thousandths.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    match name.trim().eq_ignore_ascii_case("q") {
        true => thousandths(value.trim()),
        false => None,
    }
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
            (&["x-gzip"], "gzip", Some(1000)),
            (&["gzipped"], "gzip", None),
            (&["gzip;q=0.5", "br;q=0.125"], "br", Some(125)),
            (&["gzip ; Q = 0.5"], "gzip", Some(500)),
            (&["gzip;q=0"], "gzip", Some(0)),
            (&["gzip;q=0.000"], "gzip", Some(0)),
            (&["gzip;q=1.000"], "gzip", Some(1000)),
            (&["*;q=0.3, gzip;q=0.7"], "gzip", Some(700)),
            (&["*;q=0.3, gzip;q=0.7"], "br", Some(300)),
            (&["gzip;q=0, *"], "gzip", Some(0)),
            (&["*;q=0"], "br", Some(0)),
        ] {
            let found = quality(&asking(lines), coding);
            assert_eq!(found, wanted, "{lines:?} {coding}");
        }
    }

    #[test]
    fn what_is_malformed_counts_as_not_sent() {
        for weight in [
            "q=much", "q=0.1234", "q=1.001", "q=2", "q=-1", "q=+0.", "q=", "q", "level=9", "",
        ] {
            let line = format!("gzip;{weight}");
            assert_eq!(quality(&asking(&[&line]), "gzip"), None, "{line}");
        }
    }
}
