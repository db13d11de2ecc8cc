//! What is read of a form however it is split, and what is none.

use super::{boundary, invariants, part_head::PartHead};
use proptest::prelude::*;
use std::fs;

/// What comes of a form with the boundary `b`, however it is split.
fn parse(form: &[u8]) -> Result<Vec<(PartHead, Vec<u8>)>, String> {
    invariants::check("b", form, &[7, 2]);
    let (came, outcome) = invariants::parse("b", form, &[]);
    outcome.map(|()| came.parts)
}

fn head(name: &str, filename: Option<&str>, content_type: Option<&str>) -> PartHead {
    PartHead {
        name: name.to_owned(),
        filename: filename.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
    }
}

/// A form of one part with these lines as its head.
fn with_head(lines: &str) -> Vec<u8> {
    format!("--b\r\n{lines}\r\n\r\nx\r\n--b--\r\n").into_bytes()
}

#[test]
fn what_browsers_and_curl_send_is_read() {
    let form = b"--b\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nH\xc3\xa9llo\r\n\
        --b\r\nContent-Disposition: form-data; name=\"a%22b\"; filename=\"C:\\x \\\"y\\\".png\"\r\n\
        Content-Type: image/png\r\n\r\n\r\n--bx? no: --b\r\n--b\r\nContent-Disposition: form-data; name=e\r\n\r\n\r\n--b--\r\n";
    // The second part would have what begins like a delimiter and is none.
    assert_eq!(
        parse(form),
        Err("400 the form is malformed: a delimiter with something behind it".to_owned())
    );
    let form = String::from_utf8_lossy(form).replace("\r\n--bx?", "\r\n-- bx?");
    let came = parse(form.as_bytes()).expect("it is well-formed");
    let expected = [
        (head("title", None, None), "Héllo"),
        (
            head("a\"b", Some("C:\\x \"y\".png"), Some("image/png")),
            "\r\n-- bx? no: --b",
        ),
        (head("e", None, None), ""),
    ];
    let expected = expected.map(|(head, data)| (head, data.as_bytes().to_vec()));
    assert_eq!(came, expected);
    assert!(parse(b"--b--").expect("a form without parts").is_empty());
}

#[test]
fn what_two_readers_could_take_for_different_parts_is_refused() {
    let good = "Content-Disposition: form-data; name=a";
    assert!(parse(&with_head(good)).is_ok());
    let heads = [
        ("Content-Type: text/plain", "without Content-Disposition"),
        ("Content-Disposition: form-data", "without a name"),
        (
            "Content-Disposition: form-data; filename=a",
            "without a name",
        ),
        (
            "Content-Disposition: attachment; name=a",
            "other than form-data",
        ),
        (
            "Content-Disposition: form-data; name=a; name=b",
            "stands twice",
        ),
        (
            "Content-Disposition: form-data; name=\"a",
            "malformed Content-Disposition",
        ),
        (
            "Content-Disposition: form-data; name=a b",
            "malformed Content-Disposition",
        ),
        (
            "Content-Disposition: form-data; name=\"a\" b",
            "malformed Content-Disposition",
        ),
        (
            "Content-Disposition: form-data; name=a; filename*=UTF-8''b",
            "filename*",
        ),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
            "stands twice",
        ),
        (
            "Content-Disposition: form-data; name=a\r\n folded",
            "without a colon",
        ),
        (
            "Content-Disposition: form-data; name=a\r\nno colon",
            "without a colon",
        ),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Disposition : form-data; name=b",
            "field name",
        ),
        (
            "Content-Disposition: form-data; name=\"a\nb\"",
            "control character",
        ),
        (
            "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
            "Transfer-Encoding",
        ),
    ];
    for (lines, problem) in heads {
        let refused = parse(&with_head(lines)).expect_err(lines);
        assert!(
            refused.starts_with("400 ") && refused.contains(problem),
            "{lines}: {refused}"
        );
    }
    let part = "Content-Disposition: form-data; name=a\r\n\r\nx";
    let forms = [
        (String::new(), "no last delimiter"),
        (
            format!("preamble\r\n--b\r\n{part}\r\n--b--"),
            "before the first",
        ),
        (format!("\r\n--b\r\n{part}\r\n--b--"), "before the first"),
        (format!("--b \r\n{part}\r\n--b--"), "something behind it"),
        (format!("--b\n{part}\r\n--b--"), "something behind it"),
        (
            format!("--b\r\n{good}\r\n--b: x\r\n\r\nx\r\n--b--"),
            "in a part's head",
        ),
        (
            format!("--b\r\n--b: x\r\n{good}\r\n\r\nx\r\n--b--"),
            "in a part's head",
        ),
        (
            format!("--b\r\n{good}\r\n\r\n--b--"),
            "without an empty line",
        ),
        (
            "--b\r\n\r\nx\r\n--b--".to_owned(),
            "without Content-Disposition",
        ),
        (format!("--b\r\n{part}\r\n--b"), "no last delimiter"),
        (format!("--b\r\n{part}\r\n--b-"), "no last delimiter"),
        (format!("--b\r\n{part}\r\n--b\r\n"), "no last delimiter"),
        (format!("--b\r\n{part}\r\n--b-- "), "behind the last"),
        (
            format!("--b\r\n{part}\r\n--b--\r\nepilogue"),
            "behind the last",
        ),
        (format!("--b\r\n{part}\r\n--b--\r"), "behind the last"),
    ];
    for (form, problem) in forms {
        let refused = parse(form.as_bytes()).expect_err(&form);
        assert!(
            refused.starts_with("400 ") && refused.contains(problem),
            "{form:?}: {refused}"
        );
    }
}

#[test]
fn parts_and_their_heads_are_bounded() {
    let part = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
    assert!(parse(format!("{}--b--", part.repeat(3)).as_bytes()).is_ok());
    let refused = parse(format!("{}--b--", part.repeat(4)).as_bytes());
    assert_eq!(refused, Err("413 the form has too many parts".to_owned()));
    let long = format!(
        "Content-Disposition: form-data; name=a\r\nX: {}",
        "x".repeat(9000)
    );
    let refused = parse(&with_head(&long));
    assert_eq!(refused, Err("413 a part's head is too long".to_owned()));
}

#[test]
fn a_boundary_is_named_once_and_by_its_form() {
    let of = |text: &str| boundary::of(text);
    assert_eq!(
        of("multipart/form-data; boundary=----WebKitFormBoundaryA1"),
        Some("----WebKitFormBoundaryA1".to_owned())
    );
    assert_eq!(
        of("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""),
        Some("a b".to_owned())
    );
    let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
    for none in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a\"b",
        "multipart/mixed; boundary=a",
        "application/x-www-form-urlencoded",
        &long,
    ] {
        assert_eq!(of(none), None, "{none}");
    }
}

/// Bytes that often look like a delimiter, or a part of one.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "\r", "\n", "-", "\r\n", "\r\n-", "\r\n--", "--b", "b", "x", "\r\n--a",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn a_form_is_read_the_same_however_it_is_split(
        parts in prop::collection::vec(data(), 0..4),
        tail in prop::sample::select(vec!["--b--", "--b--\r\n", "--b", ""]),
        sizes in prop::collection::vec(1..30_usize, 1..10),
    ) {
        let mut form = Vec::new();
        for part in &parts {
            form.extend(b"--b\r\nContent-Disposition: form-data; name=n; filename=f\r\n\r\n");
            form.extend(part);
            form.extend(b"\r\n");
        }
        form.extend(tail.as_bytes());
        invariants::check("b", &form, &sizes);
        let whole = parse(&form);
        let has_delimiter = |part: &Vec<u8>| {
            let part = [b"\r\n", &part[..], b"\r\n"].concat();
            part.windows(5).any(|five| five == b"\r\n--b")
        };
        let is_plain = !parts.iter().any(has_delimiter) && tail.starts_with("--b--") && parts.len() < 4;
        if is_plain {
            let came: Vec<_> = whole.expect("it is well-formed").into_iter().map(|(_, data)| data).collect();
            prop_assert_eq!(came, parts);
        }
    }

    #[test]
    fn no_bytes_are_too_much_for_it(form in prop::collection::vec(any::<u8>(), 0..500), sizes in prop::collection::vec(1..30_usize, 1..10)) {
        let form = [b"--b\r\n", &form[..]].concat();
        invariants::check("b", &form, &sizes);
    }
}

#[test]
fn the_invariants_hold_where_fuzzing_begins() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds/form");
    for seed in fs::read_dir(seeds).unwrap() {
        invariants::form(&fs::read(seed.unwrap().path()).unwrap());
    }
}
