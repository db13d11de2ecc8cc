//! How much a client wants something (RFC 9110 section 12.4.2).

/// A weight such as `0.5` in thousandths: 0 is a refusal. `None` where it is malformed.
pub(crate) fn thousandths(weight: &str) -> Option<u16> {
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match (whole, format!("{decimals:0<3}").parse().ok()?) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_a_decimal_number_up_to_one_and_nothing_else() {
        for (weight, expected) in [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.5", Some(500)),
            ("0.125", Some(125)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("0.1234", None),
            ("2", None),
            ("-0", None),
            (".5", None),
            ("0.+1", None),
            ("", None),
        ] {
            assert_eq!(thousandths(weight), expected, "{weight:?}");
        }
    }
}
